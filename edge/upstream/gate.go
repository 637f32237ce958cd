package upstream

import (
	"container/list"
	"context"
	"net"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// gate lets at most limit exchanges have a connection at a time; the others wait in
// the order in which they came. Safe for concurrent use.
//
// A place is for an exchange, not for a connection: one that is kept idle has none. So
// that there are never more connections than places, they are counted as well, and a
// new one makes an idle one end if need be.
type gate struct {
	limit   int
	open    atomic.Int32 // connections that stand
	dialing atomic.Int32 // exchanges that are about to have one more

	mu      sync.Mutex
	used    int
	waiting list.List // of chan struct{}, closed by who hands its place over
}

// enter waits for a place, for at most the given time. Errors: ErrBusy, ErrClientGone
// if the client, which may be nil, has left meanwhile, or ctx's.
func (g *gate) enter(ctx context.Context, most time.Duration, client Client) error {
	g.mu.Lock()
	if g.used < g.limit && g.waiting.Len() == 0 {
		g.used++
		g.mu.Unlock()
		return nil
	}
	ready := make(chan struct{})
	place := g.waiting.PushBack(ready)
	g.mu.Unlock()

	end := time.NewTimer(most)
	defer end.Stop()
	look := time.NewTicker(tick)
	defer look.Stop()
	for {
		var err error
		select {
		case <-ready:
			return nil
		case <-end.C:
			err = ErrBusy
		case <-ctx.Done():
			err = ctx.Err()
		case <-look.C:
			if client == nil || !client.Gone() {
				continue
			}
			err = ErrClientGone
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		select {
		case <-ready: // a place was handed over at this very moment
			if err == ErrBusy {
				return nil
			}
			g.handOver()
		default:
			g.waiting.Remove(place)
		}
		return err
	}
}

// leave gives the place to who has waited longest. A nil gate has no places.
func (g *gate) leave() {
	if g == nil {
		return
	}
	g.mu.Lock()
	g.handOver()
	g.mu.Unlock()
}

// handOver is called with mu held.
func (g *gate) handOver() {
	if first := g.waiting.Front(); first != nil {
		close(g.waiting.Remove(first).(chan struct{}))
		return
	}
	g.used--
}

// load returns how many places are taken and how many exchanges wait.
func (g *gate) load() (used, waiting int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.used, g.waiting.Len()
}

// makeRoom closes idle connections until one more, which is counted as dialing already,
// is within the limit. The caller has a place, so that there is an idle one to close, or
// one that somebody else is just closing.
func (a *App) makeRoom() {
	for range maxSpins {
		if a.gate.open.Load()+a.gate.dialing.Load() <= int32(a.gate.limit) {
			return
		}
		if !slices.ContainsFunc(a.endpoints, (*Endpoint).shed) {
			runtime.Gosched()
		}
	}
}

// maxSpins bounds how often makeRoom looks again.
const maxSpins = 1000

// shed closes the idle connection that was used longest ago, and returns whether there
// was one.
func (e *Endpoint) shed() bool {
	e.mu.Lock()
	if len(e.idle) == 0 {
		e.mu.Unlock()
		return false
	}
	old := e.idle[0]
	e.idle = slices.Delete(e.idle, 0, 1)
	e.mu.Unlock()
	_ = old.sock.Close()
	return true
}

// counted makes the gate count a connection until it is closed. It stays what it is:
// something that can be driven through its descriptor.
func (g *gate) counted(nc net.Conn) net.Conn {
	if g == nil {
		return nc
	}
	g.open.Add(1)
	switch nc := nc.(type) {
	case *net.TCPConn:
		return &countedTCP{nc, closing{gate: g}}
	case *net.UnixConn:
		return &countedUnix{nc, closing{gate: g}}
	}
	return &countedAny{nc, closing{gate: g}}
}

// closing counts the end of a connection once.
type closing struct {
	gate *gate
	done atomic.Bool
}

func (c *closing) count(err error) error {
	if !c.done.Swap(true) {
		c.gate.open.Add(-1)
	}
	return err
}

type countedTCP struct {
	*net.TCPConn
	end closing
}

type countedUnix struct {
	*net.UnixConn
	end closing
}

type countedAny struct {
	net.Conn
	end closing
}

func (c *countedTCP) Close() error  { return c.end.count(c.TCPConn.Close()) }
func (c *countedUnix) Close() error { return c.end.count(c.UnixConn.Close()) }
func (c *countedAny) Close() error  { return c.end.count(c.Conn.Close()) }

// dropGone closes the idle connections to addresses that the name has left.
func (e *Endpoint) dropGone() {
	var old []*Conn
	e.mu.Lock()
	keep := e.idle[:0]
	for _, c := range e.idle {
		if c.from.left() {
			old = append(old, c)
		} else {
			keep = append(keep, c)
		}
	}
	clear(e.idle[len(keep):])
	e.idle = keep
	e.mu.Unlock()
	for _, c := range old {
		_ = c.sock.Close()
	}
}
