// Package upstream brings requests to apps: it picks an upstream, keeps
// connections to it, writes the request and reads the answer.
package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Errors of reaching an app.
var (
	// ErrUnreachable: no upstream took a connection. Nothing was sent.
	ErrUnreachable = errors.New("no upstream could be reached")
	// ErrTimeout: the app did not answer, or stopped answering, in time.
	ErrTimeout = errors.New("the app did not answer in time")
	// ErrClientGone: the client left while the app's answer was awaited.
	ErrClientGone = errors.New("the client left")
	// ErrInterrupted: Interrupt was called.
	ErrInterrupted = errors.New("interrupted")
	// ErrMalformed: the app's answer is not HTTP/1.1 as RFC 9112 has it.
	ErrMalformed = errors.New("the app's answer is malformed")
	// ErrClosed: the app closed the connection before its answer was complete.
	ErrClosed = errors.New("the app closed the connection")
)

// Times of passive marking. An upstream that refuses connections, or breaks off
// several answers in a row, is passed over for a while that doubles each time.
const (
	deadFirst     = time.Second
	deadMost      = 10 * time.Second
	breaksForDead = 3
)

// App is a named group of upstreams. Safe for concurrent use; its exported fields
// do not change.
type App struct {
	Name       string
	Connect    time.Duration // limit of one connection attempt
	Response   time.Duration // limit of waiting for the app without progress
	Idempotent bool          // it recognises a repeated Idempotency-Key
	// Marked, if not nil, is told when an upstream is first marked dead, with the
	// cause, and when it is well again, with nil. It must not block.
	Marked func(upstream string, cause error)

	endpoints []*Endpoint
	next      atomic.Uint32
}

// Endpoint is one upstream.
type Endpoint struct {
	Address string // host:port
	Name    string // as the configuration and the log write it

	active    atomic.Int32 // exchanges under way
	deadUntil atomic.Int64 // Unix nanoseconds; 0: well
	backoff   atomic.Int64 // nanoseconds
	breaks    atomic.Int32 // answers broken off in a row

	mu     sync.Mutex
	idle   []*Conn // the most recently used last
	closed bool    // nothing is kept any more
	marked time.Time
}

// NewApp makes an app of the endpoints, at least one and at most 64.
func NewApp(name string, endpoints []*Endpoint) *App {
	return &App{Name: name, endpoints: endpoints}
}

// Tried is the set of endpoints that an exchange has been sent to.
type Tried uint64

// pick chooses the endpoint with the fewest exchanges under way among those that
// were not tried and are not marked dead; if all are marked, the one whose mark ends
// first. A single upstream is never passed over.
func (a *App) pick(tried Tried, now int64) (index int) {
	best, bestDead := -1, int64(0)
	var bestActive int32
	n := len(a.endpoints)
	start := 0
	if n > 1 {
		start = int(a.next.Add(1)) % n
	}
	for i := range n {
		k := (start + i) % n
		if tried&(1<<k) != 0 {
			continue
		}
		e := a.endpoints[k]
		dead := e.deadUntil.Load()
		if dead <= now {
			dead = 0
		}
		active := e.active.Load()
		if best < 0 || dead < bestDead || dead == bestDead && active < bestActive {
			best, bestDead, bestActive = k, dead, active
		}
	}
	return best
}

// Acquire returns a connection to an endpoint that was not tried yet, and adds the
// endpoint to tried. An idle connection is used if there is one, unless fresh.
// Endpoints that refuse are marked and the next one is tried; the error is
// ErrUnreachable, wrapping the last cause, when none is left.
// now is the time of the caller's last look at the clock.
func (a *App) Acquire(ctx context.Context, now time.Time, tried *Tried, fresh bool) (*Conn, error) {
	var last error
	for {
		k := a.pick(*tried, now.UnixNano())
		if k < 0 {
			if last == nil {
				return nil, ErrUnreachable
			}
			return nil, fmt.Errorf("%w: %w", ErrUnreachable, last)
		}
		e := a.endpoints[k]
		if !e.claim(now, a.Connect) {
			continue // somebody else is just finding out whether it is back
		}
		*tried |= 1 << k
		if !fresh {
			if c := e.reuse(now); c != nil {
				c.use(a)
				return c, nil
			}
		}
		c, err := e.dial(ctx, a.Connect)
		now = time.Now()
		if err == nil {
			c.now = now
			c.use(a)
			return c, nil
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
		}
		a.refused(e, err)
		last = err
	}
}

// Untry takes an endpoint out of tried, so that a stale connection to it may be
// replaced by a fresh one.
func (t *Tried) Untry(a *App, c *Conn) {
	for k, e := range a.endpoints {
		if e == c.endpoint {
			*t &^= 1 << k
		}
	}
}

// Sweep closes connections that have been idle for too long.
func (a *App) Sweep(now time.Time) {
	for _, e := range a.endpoints {
		e.sweep(now)
	}
}

// Close closes the idle connections. Those in use are closed when they are released.
func (a *App) Close() {
	for _, e := range a.endpoints {
		e.mu.Lock()
		e.closed = true
		e.mu.Unlock()
		e.sweep(time.Time{})
	}
}

func (e *Endpoint) dial(ctx context.Context, limit time.Duration) (*Conn, error) {
	// Counted before it stands: an upstream that does not answer is not idle.
	e.active.Add(1)
	d := net.Dialer{Timeout: limit}
	nc, err := d.DialContext(ctx, "tcp", e.Address)
	if err != nil {
		e.active.Add(-1)
		return nil, err
	}
	return newConn(e, nc), nil
}

// claim lets one request at a time try an upstream whose mark has ended: for as
// long as a connection may take, the mark stands for all others.
func (e *Endpoint) claim(now time.Time, connect time.Duration) bool {
	until := e.deadUntil.Load()
	if until == 0 || until > now.UnixNano() {
		return true
	}
	return e.deadUntil.CompareAndSwap(until, now.UnixNano()+int64(connect))
}

// refused marks an endpoint dead for a while.
func (a *App) refused(e *Endpoint, cause error) {
	if e.mark() && a.Marked != nil {
		a.Marked(e.Name, cause)
	}
}

// mark returns whether the endpoint was well before. Failures that come while it is
// marked, of requests that were under way, do not make the pause longer.
func (e *Endpoint) mark() (first bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now, back := time.Now(), e.backoff.Load()
	switch {
	case back == 0:
		back = int64(deadFirst)
	case now.Sub(e.marked) >= time.Duration(back):
		back = min(2*back, int64(deadMost))
	default:
		return false
	}
	e.marked = now
	e.deadUntil.Store(now.UnixNano() + back)
	return e.backoff.Swap(back) == 0
}

// broke counts an answer that was broken off.
func (a *App) broke(e *Endpoint) {
	if e.breaks.Add(1) >= breaksForDead {
		a.refused(e, ErrClosed)
	}
}

// well forgets all marks.
func (a *App) well(e *Endpoint) {
	if e.backoff.Load() == 0 && e.breaks.Load() == 0 {
		return
	}
	e.deadUntil.Store(0)
	e.breaks.Store(0)
	if e.backoff.Swap(0) != 0 && a.Marked != nil {
		a.Marked(e.Name, nil)
	}
}
