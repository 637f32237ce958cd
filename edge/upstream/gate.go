package upstream

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// gate lets at most limit exchanges have a connection at a time; the others wait in
// the order in which they came. Safe for concurrent use.
type gate struct {
	limit int

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

// makeRoom closes idle connections until one more is within the limit. The caller has
// a place already, and no connection yet.
func (a *App) makeRoom() {
	used, _ := a.gate.load()
	over := used - a.gate.limit
	for _, e := range a.endpoints {
		e.mu.Lock()
		over += len(e.idle)
		e.mu.Unlock()
	}
	for _, e := range a.endpoints {
		if over <= 0 {
			return
		}
		over -= e.shed(over)
	}
}

// shed closes up to n idle connections, those that were used longest ago, and returns
// how many.
func (e *Endpoint) shed(n int) int {
	e.mu.Lock()
	n = min(n, len(e.idle))
	old := append([]*Conn(nil), e.idle[:n]...)
	rest := append(e.idle[:0], e.idle[n:]...)
	clear(e.idle[len(rest):])
	e.idle = rest
	e.mu.Unlock()
	for _, c := range old {
		_ = c.sock.Close()
	}
	return n
}

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
