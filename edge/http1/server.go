package http1

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-edge/holdfast/edge/exchange"
	"github.com/holdfast-edge/holdfast/edge/socket"
)

// Limits bound one client connection. Durations of zero are not allowed.
type Limits struct {
	HeaderTimeout time.Duration // for a whole head, from its first byte
	BodyTimeout   time.Duration // without progress while reading a body or writing an answer
	IdleTimeout   time.Duration // between two requests
	MaxHeader     int           // bytes of one head
}

// Server serves client connections. Its fields are set before the first
// connection and not changed; Limits may return new values at any time. All methods
// are safe for concurrent use.
type Server struct {
	// Limits is asked once per request.
	Limits func() Limits
	// Handler answers one exchange. It must have read the body, or said
	// CloseAfter or Close, when it returns.
	Handler func(*exchange.Exchange)
	// Panicked is told of a panic in Handler. The connection is closed.
	Panicked func(v any)
	// Secure puts TLS on the connections of StartSecured; nil if there are none. Nothing
	// is read or written before Handshake.
	Secure func(net.Conn) Secured
	// Refused is told of a handshake that failed. The connection is closed.
	Refused func(remote netip.AddrPort, err error)

	mu       sync.Mutex
	conns    map[*conn]struct{}
	ended    chan struct{} // closed when a connection ends, made when somebody waits
	draining atomic.Bool
	date     atomic.Pointer[date]
	wg       sync.WaitGroup

	lot       *socket.Lot   // nil where there is none
	parkAfter time.Duration // how long a connection is idle before it is parked
	parks     atomic.Int64  // how often one was
	tended    chan struct{} // closed when tend has returned
	quit      chan struct{} // ends tend
}

// Start serves a connection in a goroutine of its own until it ends. It returns
// false, and leaves the connection alone, if that would make more than most
// connections; 0 is no limit. A server that shuts down closes it.
func (s *Server) Start(nc net.Conn, most int) bool { return s.start(nc, most, false) }

// StartSecured is Start for a connection on which TLS comes first.
func (s *Server) StartSecured(nc net.Conn, most int) bool { return s.start(nc, most, true) }

func (s *Server) start(nc net.Conn, most int, secured bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining.Load() {
		_ = nc.Close()
		return true
	}
	if most > 0 && len(s.conns) >= most {
		return false
	}
	if s.conns == nil {
		s.conns = make(map[*conn]struct{})
		s.openLot()
	}
	c := newConn(s, nc, secured)
	s.conns[c] = struct{}{}
	s.wg.Add(1)
	go s.run(c)
	return true
}

// run serves a connection until it ends or is parked.
func (s *Server) run(c *conn) {
	if !c.serve() {
		s.untrack(c)
	}
}

// Connections returns how many connections are open.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// Ended returns a channel that is closed when the next connection ends.
func (s *Server) Ended() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended == nil {
		s.ended = make(chan struct{})
	}
	return s.ended
}

func (s *Server) untrack(c *conn) {
	s.mu.Lock()
	delete(s.conns, c)
	if s.ended != nil {
		close(s.ended)
		s.ended = nil
	}
	s.mu.Unlock()
	s.wg.Done()
}

// cutTime is how long connections that were closed may take to end.
const cutTime = 5 * time.Second

// ErrCut is returned by Shutdown when connections had to be closed under their requests.
var ErrCut = errors.New("connections were closed before their answers were complete")

// Shutdown lets requests that have begun finish, ends idle connections, and
// refuses new ones. When ctx is done the connections that are left are closed:
// their exchanges end as if the client had left. Shutdown returns when the last one
// has ended.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.draining.Store(true)
	now := time.Now()
	for c := range s.conns {
		c.wakeIdle(now)
	}
	s.mu.Unlock()
	defer s.closeLot()

	done := make(chan struct{})
	go func() { s.wg.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	for c := range s.conns {
		go c.sock.Close() // it waits for the exchange to let go
		if app := c.app.Load(); app != nil {
			_ = (*app).Close()
		}
	}
	s.mu.Unlock()
	select {
	case <-done:
	case <-time.After(cutTime):
	}
	return ErrCut
}
