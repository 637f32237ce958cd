package upstream

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/configs"
	"github.com/holdfast-edge/holdfast/edge/socket"
)

// leaving is a client that is gone after a while.
type leaving struct{ gone atomic.Bool }

func (l *leaving) Gone() bool   { return l.gone.Load() }
func (l *leaving) Flush() error { return nil }

func TestGate(t *testing.T) {
	t.Parallel()
	g := &gate{limit: 2}
	for range 2 {
		if err := g.enter(t.Context(), time.Second, nil); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	if err := g.enter(t.Context(), 50*time.Millisecond, nil); err != ErrBusy || time.Since(began) < 50*time.Millisecond {
		t.Errorf("%v after %v", err, time.Since(began))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := g.enter(ctx, time.Minute, nil); err != context.DeadlineExceeded {
		t.Error(err)
	}
	client := &leaving{}
	time.AfterFunc(100*time.Millisecond, func() { client.gone.Store(true) })
	began = time.Now()
	if err := g.enter(t.Context(), time.Minute, client); err != ErrClientGone || time.Since(began) > 2*time.Second {
		t.Errorf("%v after %v", err, time.Since(began))
	}
	if used, waiting := g.load(); used != 2 || waiting != 0 {
		t.Errorf("%d used, %d waiting", used, waiting)
	}
	// In the order in which they came.
	var order []int
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if err := g.enter(t.Context(), time.Minute, client2{}); err != nil {
				t.Error(err)
			}
			mu.Lock()
			order = append(order, i)
			mu.Unlock()
			g.leave()
		})
		eventually(t, "it waits", func() bool { _, waiting := g.load(); return waiting == i+1 })
	}
	g.leave()
	wg.Wait()
	for i, k := range order {
		if i != k {
			t.Fatalf("order %v", order)
		}
	}
	g.leave()
	if used, waiting := g.load(); used != 0 || waiting != 0 {
		t.Errorf("%d used, %d waiting", used, waiting)
	}
}

type client2 struct{}

func (client2) Gone() bool   { return false }
func (client2) Flush() error { return nil }

// However many ask, and whatever they give up, there are never more connections
// than allowed, idle ones included, and no place is lost.
func TestMaxConnections(t *testing.T) {
	t.Parallel()
	const limit = 3
	var mu sync.Mutex
	open, most := map[net.Conn]*socket.Conn{}, 0
	live := func() (n int) { // those that the edge has not closed: an app sees that later
		mu.Lock()
		defer mu.Unlock()
		for _, c := range open {
			if !c.Gone() {
				n++
			}
		}
		return n
	}
	serve := func(nc net.Conn) {
		mu.Lock()
		open[nc] = socket.New(nc)
		mu.Unlock()
		if n := live(); n > limit {
			mu.Lock()
			most = max(most, n)
			mu.Unlock()
		}
		readHeads(nc, func(string) bool {
			time.Sleep(time.Millisecond)
			_, err := io.WriteString(nc, okAnswer)
			return err == nil
		})
		mu.Lock()
		delete(open, nc)
		mu.Unlock()
	}
	a := newApp(t, func(c *configs.App) { c.MaxConnections = limit },
		listen(t, "tcp", "127.0.0.1:0", serve).url("http"), listen(t, "tcp", "127.0.0.1:0", serve).url("http"))
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			for k := range 20 {
				switch {
				case i%5 == 4 && k%4 == 3: // gives up at once
					ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
					var tried Tried
					if c, err := a.Acquire(ctx, nil, time.Now(), &tried, true); err == nil {
						c.Discard(false)
					}
					cancel()
				default:
					if status, _, err := ask(a); err != nil || status != 200 {
						t.Errorf("%d %v", status, err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	if most > limit {
		t.Errorf("%d connections at a time", most)
	}
	if used, waiting := a.gate.load(); used != 0 || waiting != 0 {
		t.Errorf("%d used, %d waiting", used, waiting)
	}
	idle := 0
	for _, e := range a.endpoints {
		idle += len(e.idle)
	}
	if n, dialing := int(a.gate.open.Load()), a.gate.dialing.Load(); idle == 0 || idle > limit || idle != n || idle != live() || dialing != 0 {
		t.Errorf("%d idle, %d open, the apps have %d, %d being made", idle, n, live(), dialing)
	}
	if s := a.Status(); s.Connections != limit || s.InUse != 0 || len(s.Upstreams) != 2 || s.Upstreams[0].Idle+s.Upstreams[1].Idle != idle {
		t.Errorf("%+v", s)
	}
}

// A connection that was given away to another protocol keeps its place until it is closed,
// and an upstream that refuses takes none.
func TestPlacesComeBack(t *testing.T) {
	s := listen(t, "tcp", "127.0.0.1:0", func(nc net.Conn) {
		readHeads(nc, func(string) bool {
			_, _ = io.WriteString(nc, "HTTP/1.1 101 Switching Protocols\r\n\r\n")
			return true
		})
	})
	a := newApp(t, func(c *configs.App) { c.MaxConnections, c.Connect = 1, 50*time.Millisecond }, s.url("http"))
	for range 2 {
		var tried Tried
		c, err := a.Acquire(t.Context(), nil, time.Now(), &tried, false)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
		c.Await()
		if _, err := c.ReadHead([]byte("GET"), nobody{}); err != nil {
			t.Fatal(err)
		}
		d := c.Detach()
		tried = 0
		if _, err := a.Acquire(t.Context(), nil, time.Now(), &tried, false); !errors.Is(err, ErrBusy) {
			t.Errorf("%v", err)
		}
		_ = d.Close()
		_ = d.Close()
	}
	_ = s.Close()
	for range 3 {
		if _, _, err := ask(a); !errors.Is(err, ErrUnreachable) {
			t.Errorf("%v", err)
		}
	}
	if used, _ := a.gate.load(); used != 0 {
		t.Errorf("%d used", used)
	}
}
