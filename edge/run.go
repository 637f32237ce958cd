package edge

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/rs/zerolog"

	"github.com/holdfast-edge/holdfast/accesslog"
	"github.com/holdfast-edge/holdfast/configs"
	"github.com/holdfast-edge/holdfast/internal/durable"
)

// drainTime is how long requests under way may take to finish after a SIGTERM.
const drainTime = 30 * time.Second

// Options say how to run the edge.
type Options struct {
	ConfigPath string   // the main configuration file
	Stderr     *os.File // the operational log
	Terminal   bool     // the log is for a person: console format
	Version    string
	// BeforeData, if not nil, is called once the listeners are open and before
	// anything in the data directory is touched: the place to give up rights.
	BeforeData func(dir string) error
}

// Run serves in the foreground until ctx is done or SIGTERM or SIGINT arrives;
// SIGHUP reloads the configuration. It returns nil after an orderly end. Errors of the
// configuration are *configs.Errors; others may have a method Hint() string.
func Run(ctx context.Context, o Options) error {
	// Of their own, so that no number of reloads can push out a stop.
	hups, stops := make(chan os.Signal, 1), make(chan os.Signal, 2)
	signal.Notify(hups, syscall.SIGHUP)
	signal.Notify(stops, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(hups)
	defer signal.Stop(stops)

	cfg, err := configs.Load(o.ConfigPath, configs.Options{Getenv: os.LookupEnv})
	if err != nil {
		return err
	}
	gate := new(levelGate)
	gate.set(cfg.Diagnostics.Level)
	log := newLogger(o, gate)
	log.Info().Str("config", cfg.Path).Str("version", o.Version).Msg("starting")
	for _, w := range cfg.Warnings {
		log.Warn().Str("at", w.Origin.String()).Str("hint", w.Hint).Msg(w.Message)
	}
	if !durable.Syncs {
		log.Warn().Msg("THIS IS A TEST BUILD (tag nosync): NOTHING IS SYNCED TO THE DISK, FAILED REQUESTS ARE LOST WITH THE POWER")
	}
	files := raiseFileLimit()

	addrs := listenAddresses(cfg)
	opened, err := openListeners(nil, addrs)
	if err != nil {
		// With the same file started twice both are taken; this says more.
		if held := (*durable.LockedError)(nil); errors.As(durable.Held(filepath.Join(cfg.Data, "lock")), &held) {
			return storeError(cfg.Data, &accesslog.ErrInUse{Dir: cfg.Data, PID: held.PID})
		}
		return err
	}
	e, store, admin, err := o.open(log, cfg)
	if err != nil {
		for _, l := range opened {
			_ = l.ln.Close()
		}
		return err
	}
	e.gate, e.files = gate, files

	e.live.Load().start(nil)
	stop := make(chan struct{})
	swept := make(chan struct{})
	go func() { defer close(swept); e.sweep(stop) }()
	e.mu.Lock()
	e.live.Load().redirectPort = cfg.Listen.RedirectPort(func(addr string) string { return boundPort(addr, opened) })
	e.startListeners(opened, addrs)
	e.mu.Unlock()
	log.Info().Str("config", cfg.Path).Str("generation", e.live.Load().id).Strs("http", e.addresses(false)).
		Strs("https", e.addresses(true)).Int("sites", len(cfg.Sites)).Str("data", cfg.Data).Uint64("files", files).Str("version", o.Version).
		Int("pid", os.Getpid()).Msg("ready")
	notify(daemon.SdNotifyReady)

	e.handleSignals(ctx, hups, stops, o.ConfigPath)

	notify(daemon.SdNotifyStopping)
	log.Info().Int("connections", e.server.Connections()).Dur("limit", drainTime).Msg("stopping: finishing what is under way")
	e.closeListeners()
	drain, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	go func() { // a second signal does not wait
		select {
		case <-stops:
			cancel()
		case <-drain.Done():
		}
	}()
	ended := make(chan struct{})
	go func() { defer close(ended); e.endTunnels(drain) }()
	context.AfterFunc(drain, e.cutDone)
	if err := e.server.Shutdown(drain); err != nil {
		log.Warn().Err(err).Msg("not everything could finish; it is recorded")
	}
	cancel()
	<-ended
	e.lastFailure.report(log)
	close(stop)
	<-swept
	admin.close()
	for _, a := range e.live.Load().apps {
		a.Close()
	}
	if err := store.Close(); err != nil {
		return fmt.Errorf("closing the log: %w", err)
	}
	log.Info().Msg("stopped")
	return nil
}

// open makes the edge ready behind its listeners. They are open by then: ports
// below 1024 may need rights that the data must not be touched with.
func (o *Options) open(log zerolog.Logger, cfg *configs.Config) (*Edge, *accesslog.Store, *admin, error) {
	if o.BeforeData != nil {
		if err := o.BeforeData(cfg.Data); err != nil {
			return nil, nil, nil, err
		}
	}
	store, err := accesslog.OpenStore(cfg.Data, accesslog.StoreOptions{Log: log})
	if err != nil {
		return nil, nil, nil, storeError(cfg.Data, err)
	}
	e := newEdge(log, store, store.NewIDs(), cfg)
	admin, err := e.listenAdmin(cfg.Admin, store.Stats)
	if err != nil {
		return nil, nil, nil, errors.Join(err, store.Close())
	}
	return e, store, admin, nil
}

// handleSignals reloads on SIGHUP and returns when it is time to stop.
func (e *Edge) handleSignals(ctx context.Context, hups, stops <-chan os.Signal, path string) {
	for {
		select { // a stop goes before a reload
		case <-stops:
			return
		default:
		}
		select {
		case <-ctx.Done():
			return
		case <-stops:
			return
		case <-hups:
			notify(daemon.SdNotifyReloading + "\n" + monotonic())
			e.reload(path)
			notify(daemon.SdNotifyReady)
		}
	}
}

// notify tells systemd, if it wants to know; elsewhere it does nothing.
func notify(state string) { _, _ = daemon.SdNotify(false, state) }

// addresses are those the edge accepts on, with TLS or without, with the ports the
// kernel chose.
func (e *Edge) addresses(secure bool) []string {
	addrs := []string{}
	for _, l := range e.listeners {
		if l.secure.Load() == secure {
			addrs = append(addrs, l.ln.Addr().String())
		}
	}
	slices.Sort(addrs)
	return addrs
}

// levelGate lets through what is at least as grave as its level, which may change.
type levelGate struct{ level atomic.Int32 }

func (g *levelGate) Sample(l zerolog.Level) bool { return int32(l) >= g.level.Load() }

func (g *levelGate) set(level string) {
	l, err := zerolog.ParseLevel(level)
	if err != nil {
		l = zerolog.InfoLevel
	}
	g.level.Store(int32(l))
}

func newLogger(o Options, gate *levelGate) zerolog.Logger {
	if o.Terminal {
		w := zerolog.ConsoleWriter{Out: o.Stderr, TimeFormat: time.TimeOnly, NoColor: os.Getenv("NO_COLOR") != ""}
		return zerolog.New(w).Sample(gate).With().Timestamp().Logger()
	}
	return zerolog.New(o.Stderr).Sample(gate).With().Timestamp().Logger()
}

// hinted is an error with a hint what to do.
type hinted struct {
	error
	hint string
}

func (h *hinted) Hint() string  { return h.hint }
func (h *hinted) Unwrap() error { return h.error }

func storeError(dir string, err error) error {
	var used *accesslog.ErrInUse
	switch {
	case errors.As(err, &used):
		return &hinted{err, "another edge runs on this data directory: stop it first, or give this one its own `data`"}
	case errors.Is(err, os.ErrPermission):
		return &hinted{err, fmt.Sprintf("the edge must own all of %s: chown -R it to the user it runs as, or set `data`", dir)}
	case errors.Is(err, syscall.EROFS):
		return &hinted{err, "the file system is read-only: remount it, or set `data` to another one"}
	case errors.Is(err, syscall.ENOSPC):
		return &hinted{err, "the disk is full: make room, or set `data` to another one"}
	}
	return fmt.Errorf("opening the log: %w", err)
}

// monotonic is the time stamp that systemd wants with RELOADING=1.
func monotonic() string {
	var b strings.Builder
	fmt.Fprintf(&b, "MONOTONIC_USEC=%d", monotonicMicros())
	return b.String()
}
