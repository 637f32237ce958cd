// Package edge is the process in front of the apps: it puts the parts together.
// The path of one request is Edge.serve, in chain.go.
package edge

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/holdfast-edge/holdfast/accesslog"
	"github.com/holdfast-edge/holdfast/configs"
	"github.com/holdfast-edge/holdfast/edge/http1"
	tlsgate "github.com/holdfast-edge/holdfast/tls"
)

// Store is where records go. *accesslog.Store is one.
type Store interface {
	// Commit makes a captured record durable: it has survived a crash of the
	// machine once Commit returns nil. It keeps nothing of the record.
	Commit(*accesslog.Record) error
	// Append takes the line of a finished exchange, which is on disk within a
	// second. It does not wait for the disk and keeps nothing of the record.
	Append(*accesslog.Record)
	// NewCapture returns a place for up to limit bytes of a request's body. Its
	// Release must be called.
	NewCapture(limit int64) *accesslog.Capture
}

// Edge serves requests under the live generation. Its methods are safe for
// concurrent use.
type Edge struct {
	log    zerolog.Logger
	gate   *levelGate
	store  Store
	ids    *accesslog.IDs
	agents *accesslog.UserAgents
	live   atomic.Pointer[generation]
	server http1.Server
	tls    *tlsgate.Gate
	shakes handshakeLog
	// files is how many descriptors the process may have; 0: not known. It is set
	// before connections are accepted.
	files   uint64
	tunnels tunnels
	lookup  chan struct{} // names of upstreams that are being looked up

	mu          sync.Mutex // guards the listeners and reloads
	listeners   map[string]*listener
	lastFailure failureLog
	flips       flips // of marks
	checkFlips  flips // of health checks

	cut     context.Context // ends when a stop does not wait any longer for what is under way
	cutDone context.CancelFunc
}

// maxLookups bounds how many names of upstreams are looked up at a time: with thousands
// of them a start would use up descriptors and flood the name server.
const maxLookups = 32

func newEdge(log zerolog.Logger, store Store, ids *accesslog.IDs, cfg *configs.Config) *Edge {
	e := &Edge{log: log, store: store, ids: ids, agents: accesslog.NewUserAgents(),
		listeners: make(map[string]*listener), lookup: make(chan struct{}, maxLookups)}
	e.tls = tlsgate.NewGate(e.certificate)
	e.cut, e.cutDone = context.WithCancel(context.Background())
	e.live.Store(newGeneration(cfg, nil, e.tls, e.watch))
	e.server.Limits = func() http1.Limits { return e.live.Load().limits }
	e.server.Handler = e.serve
	e.server.Secure = func(nc net.Conn) http1.Secured { return e.tls.Server(nc) }
	e.server.Refused = func(remote netip.AddrPort, err error) { e.shakes.add(e.log, remote, err) }
	e.server.Panicked = func(v any) { e.log.Error().Interface("panic", v).Msg("a bug: a connection was closed") }
	return e
}

// sweep does what is due from time to time, until stop is closed: it closes idle
// connections to apps whose time is up, and looks after certificates.
func (e *Edge) sweep(stop <-chan struct{}) {
	t := time.NewTicker(10 * time.Second)
	defer t.Stop()
	e.tryCertificates()
	for certs := time.Now(); ; {
		select {
		case <-stop:
			return
		case now := <-t.C:
			for _, a := range e.live.Load().apps {
				a.Sweep(now)
			}
			e.tellFlips(now)
			if now.Sub(certs) >= certificatePause {
				certs = now
				e.watchCertificates(now)
			}
		}
	}
}

// certificatePause is how often certificate files are looked at.
const certificatePause = time.Minute

// failureLog bounds how often the same trouble is logged.
type failureLog struct {
	mu      sync.Mutex
	last    time.Time
	skipped int
	total   int
}

// report says at the end how much could not be recorded in all.
func (l *failureLog) report(log zerolog.Logger) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.total > 0 {
		log.Error().Int("requests", l.total).Msg("failed requests that could not be recorded since the start")
	}
}

// unrecorded says that a failed request could not be put on disk. The request is
// answered all the same: refusing it would lose it as well.
func (e *Edge) unrecorded(f *flight, err error) {
	l := &e.lastFailure
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total++
	if time.Since(l.last) < time.Second {
		l.skipped++
		return
	}
	e.log.Error().Err(err).Str("id", f.idText).Int("more", l.skipped).
		Msg("a failed request could not be recorded: it can't be replayed")
	l.last, l.skipped = time.Now(), 0
}
