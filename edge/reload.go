package edge

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"

	"github.com/holdfast-edge/holdfast/configs"
)

// reload reads the configuration again and swaps it in. A configuration that is not
// valid, or cannot take effect, changes nothing and says why. Connections stay;
// requests under way end under the generation they began with.
func (e *Edge) reload(path string) {
	cfg, err := configs.Load(path, configs.Options{Getenv: os.LookupEnv})
	if err == nil {
		err = e.swap(cfg)
	}
	var bad *configs.Errors
	switch {
	case errors.As(err, &bad):
		for _, p := range bad.Problems {
			ev := e.log.Error()
			if p.Warning {
				ev = e.log.Warn()
			}
			ev.Str("at", p.Origin.String()).Int("column", p.Origin.Column).Str("hint", p.Hint).Msg(p.Message)
		}
		e.log.Error().Str("generation", e.live.Load().id).Msg("reload refused: the file is not valid; nothing was changed")
	case err != nil:
		ev := e.log.Error().Err(err)
		if h := (interface{ Hint() string })(nil); errors.As(err, &h) {
			ev = ev.Str("hint", h.Hint())
		}
		ev.Str("generation", e.live.Load().id).Msg("reload refused; nothing was changed")
	default:
		for _, w := range cfg.Warnings {
			e.log.Warn().Str("at", w.Origin.String()).Str("hint", w.Hint).Msg(w.Message)
		}
	}
}

// swap makes cfg the live configuration.
func (e *Edge) swap(cfg *configs.Config) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	old := e.live.Load()
	if cfg.Data != old.cfg.Data {
		return fmt.Errorf("`data` changed from %s to %s: that needs a restart", old.cfg.Data, cfg.Data)
	}
	if cfg.Admin != old.cfg.Admin {
		return fmt.Errorf("`admin` changed from %s to %s: that needs a restart", old.cfg.Admin, cfg.Admin)
	}
	g := newGeneration(cfg, old, e.tls, e.watch)
	if g.id == old.id {
		g.since = old.since
	}
	addrs := listenAddresses(cfg)
	opened, err := openListeners(e.listeners, addrs)
	if err != nil {
		return e.explainListen(err)
	}
	g.redirectPort = cfg.Listen.RedirectPort(func(addr string) string { return boundPort(addr, opened, e.listeners) })
	g.start(old)
	e.live.Store(g)
	e.gate.set(cfg.Diagnostics.Level)
	e.startListeners(opened, addrs)
	old.retire(g)
	e.log.Info().Str("generation", g.id).Str("was", old.id).Int("sites", len(cfg.Sites)).Strs("http", e.addresses(false)).
		Strs("https", e.addresses(true)).Msg("reloaded")
	return nil
}

// explainListen says it if the edge itself stands in its way: a port cannot go from
// one address to all addresses while it is served.
func (e *Edge) explainListen(err error) error {
	var failed *listenError
	if !errors.As(err, &failed) || !errors.Is(err, syscall.EADDRINUSE) {
		return err
	}
	_, port, _ := net.SplitHostPort(failed.addr)
	for addr := range e.listeners {
		if _, p, _ := net.SplitHostPort(addr); p == port {
			return &hinted{err, fmt.Sprintf("this edge itself listens on %s: going from one to the other needs a restart", addr)}
		}
	}
	return err
}
