package edge

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/holdfast-edge/holdfast/edge/exchange"
	"github.com/holdfast-edge/holdfast/edge/http1"
	"github.com/holdfast-edge/holdfast/edge/upstream"
)

const (
	// halfOpen is how long one side may go on after the other has ended.
	halfOpen = time.Minute
	// farewell is how long both sides of a tunnel have to end when the edge stops.
	farewell = time.Second
)

// tunnels are the connections whose protocol was switched. Safe for concurrent use.
type tunnels struct {
	mu   sync.Mutex
	open map[*openTunnel]bool
}

type openTunnel struct {
	client exchange.Tunnel
	app    *upstream.Detached
}

func (ts *tunnels) add(t *openTunnel) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.open == nil {
		ts.open = make(map[*openTunnel]bool)
	}
	ts.open[t] = true
}

func (ts *tunnels) remove(t *openTunnel) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	delete(ts.open, t)
}

// each calls do for each tunnel and returns how many there are.
func (ts *tunnels) each(do func(*openTunnel)) int {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for t := range ts.open {
		do(t)
	}
	return len(ts.open)
}

// endTunnels waits until nothing but tunnels is under way, or ctx is done. Tunnels do
// not end by themselves, so waiting for them would be waiting for the whole of the time
// there is: each side is told that the other has ended, and a moment later they are closed.
func (e *Edge) endTunnels(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(50 * time.Millisecond):
		}
		open := e.tunnels.each(func(*openTunnel) {})
		if open == 0 || e.server.Connections() > open {
			continue
		}
		e.log.Info().Int("tunnels", open).Msg("nothing else is under way: ending the tunnels")
		e.tunnels.each(func(t *openTunnel) {
			// Each may wait for a write under way; closing, below, ends both.
			go func() { _ = t.client.CloseWrite() }()
			go func() { _ = t.app.CloseWrite() }()
		})
		select {
		case <-ctx.Done():
			return
		case <-time.After(farewell):
		}
		e.tunnels.each(func(t *openTunnel) {
			_ = t.app.Close()
			_ = t.client.Close()
		})
	}
}

// tunnel connects client and app after a switch of protocols (RFC 9110, section
// 7.8) until both have ended, or one breaks.
func (f *flight) tunnel(conn *upstream.Conn, head *http1.Response) {
	h := exchange.AnswerHead{Status: 101, Fields: head.Fields, NoBody: true}
	if err := f.begin(&h); err != nil {
		conn.Discard(false)
		f.lost("the client left before it was answered")
		return
	}
	app := conn.Detach()
	defer app.Close()
	client, err := f.x.Answer.Tunnel(app)
	if err != nil {
		f.lost("the client left before it was answered")
		return
	}
	defer client.Close()
	t := &openTunnel{client, app}
	f.edge.tunnels.add(t)
	defer f.edge.tunnels.remove(t)
	done := make(chan int64)
	go func() {
		n, err := io.Copy(app, client)
		if err != nil || app.CloseWrite() != nil {
			_ = app.Close()
			_ = client.Close()
		}
		app.Expire(halfOpen)
		done <- n
	}()
	f.tunnelSent, err = io.Copy(client, app)
	if err != nil || client.CloseWrite() != nil {
		_ = app.Close()
		_ = client.Close()
	}
	client.Expire(halfOpen)
	f.tunnelRead = <-done
}
