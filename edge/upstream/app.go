// Package upstream brings requests to apps: it picks an upstream, keeps
// connections to it, writes the request and reads the answer.
package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Errors of reaching an app.
var (
	// ErrUnreachable: no upstream took a connection. Nothing was sent.
	ErrUnreachable = errors.New("no upstream could be reached")
	// ErrBusy: all connections that the app may have were in use for as long as a
	// connection may take. Nothing was sent.
	ErrBusy = errors.New("all connections that the app may have are in use")
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

// App is a named group of upstreams. Safe for concurrent use; its exported fields
// do not change after Start.
type App struct {
	Name       string
	Connect    time.Duration // limit of one connection attempt: finding the address, connecting, TLS
	Response   time.Duration // limit of waiting for the app without progress
	Idempotent bool          // it recognises a repeated Idempotency-Key
	// Marked, if not nil, is told when an upstream is first marked dead, with the
	// cause, and when it is well again, with nil; also when it is dead for another kind
	// of reason than before. It must not block. So for the next two.
	Marked func(upstream string, cause error)
	// Resolved is told when the name of an upstream stops resolving, with the cause, and
	// when it does again or its addresses change.
	Resolved func(upstream string, addresses []netip.Addr, cause error)
	// Checked is told when the health of an upstream changes.
	Checked func(upstream string, h Health)
	// Lookups, if not nil, bounds how many names are looked up in the background at a
	// time: each that is puts something in and takes it out again.
	Lookups chan struct{}

	// Own, if not nil, reports whether an address of this machine is one that this
	// process itself accepts clients on.
	Own func(netip.AddrPort) bool

	endpoints []*Endpoint
	next      atomic.Uint32
	gate      *gate // nil: no limit of connections
	check     check

	stop  context.CancelFunc // ends what Start began; nil before
	alone sync.WaitGroup     // the goroutines that Start began
	judge sync.Mutex         // guards the health of all endpoints: one decides at a time
}

// Endpoint is one upstream.
type Endpoint struct {
	Address string // host:port, or the path of a unix socket
	Name    string // as the configuration and the log write it

	app    *App
	unix   bool
	host   string      // what its requests have in their Host field; "": what the client sent
	self   string      // what it calls itself: the authority of its URL
	name   *name       // where Address has a name to look up; else nil
	secure *secure     // how it is spoken to over TLS; nil: in clear
	health vitals      // what its checks say
	sick   atomic.Bool // its checks took it out: others go first

	active    atomic.Int32 // exchanges under way
	deadUntil atomic.Int64 // Unix nanoseconds; 0: well
	backoff   atomic.Int64 // nanoseconds
	breaks    atomic.Int32 // answers broken off in a row

	mu     sync.Mutex
	idle   []*Conn // the most recently used last
	closed bool    // nothing is kept any more
	marked time.Time
	fault  fault // why it was marked last
	told   fault // what App.Marked was told last
}

// NewApp makes an app of the endpoints, at least one and at most 64.
func NewApp(name string, endpoints []*Endpoint) *App {
	a := &App{Name: name, endpoints: endpoints}
	for _, e := range endpoints {
		e.app = a
	}
	return a
}

// Tried is the set of endpoints that an exchange has been sent to.
type Tried uint64

// lastResort is added to the time of a mark: an endpoint that its health check took out
// comes after all that are only marked.
const lastResort = 1 << 62

// pick chooses the endpoint with the fewest exchanges under way among those that
// were not tried, are not marked dead and were not taken out by their health check; if
// there are none, the one whose mark ends first, and those taken out last. A single
// upstream is never passed over.
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
		if n > 1 && e.sick.Load() {
			dead |= lastResort
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
// ErrUnreachable, wrapping the last cause, when none is left. Where the app has a limit
// of connections it waits for one to be free: ErrBusy after the app's connect time,
// ErrClientGone if the client, which may be nil, leaves meanwhile.
// now is the time of the caller's last look at the clock.
func (a *App) Acquire(ctx context.Context, client Client, now time.Time, tried *Tried, fresh bool) (*Conn, error) {
	if a.gate == nil {
		return a.acquire(ctx, client, now, tried, fresh)
	}
	if err := a.gate.enter(ctx, a.Connect, client); err != nil {
		return nil, err
	}
	c, err := a.acquire(ctx, client, time.Now(), tried, fresh)
	if err != nil {
		a.gate.leave()
	}
	return c, err
}

func (a *App) acquire(ctx context.Context, client Client, now time.Time, tried *Tried, fresh bool) (*Conn, error) {
	var last error
	for {
		if last != nil && client != nil && client.Gone() {
			return nil, ErrClientGone
		}
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
		c, err := e.dial(ctx, a)
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
		last = &DialError{e.Name, err}
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

// Start begins what goes on without requests: names are looked up again when their
// time is over, and upstreams are checked. It is called once at most; Close ends it.
func (a *App) Start() {
	ctx, stop := context.WithCancel(context.Background())
	a.stop = stop
	for _, e := range a.endpoints {
		if e.name != nil {
			e.name.kept.Store(true)
			a.alone.Go(func() { e.keep(ctx, a) })
		}
		if a.check.path != "" {
			a.alone.Go(func() { e.watch(ctx, a) })
		}
	}
}

// Close ends what Start began, waits for that, and closes the idle connections. Those
// in use are closed when they are released.
func (a *App) Close() {
	if a.stop != nil {
		a.stop()
		a.alone.Wait()
	}
	for _, e := range a.endpoints {
		e.mu.Lock()
		e.closed = true
		e.mu.Unlock()
		e.sweep(time.Time{})
	}
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
