package upstream

import (
	"context"
	"net"
	"net/netip"
	"time"

	"github.com/holdfast-edge/holdfast/edge/socket"
)

const (
	// stagger is how long one address of a name may take before the next is tried
	// beside it (RFC 8305, section 5).
	stagger = 250 * time.Millisecond
	// avoided is how long an address that failed is tried after the others.
	avoided = 10 * time.Second
)

// dial makes a connection for an exchange, which counts from now on: an upstream that
// does not answer is not idle.
func (e *Endpoint) dial(ctx context.Context, a *App) (*Conn, error) {
	e.active.Add(1)
	if a.gate != nil {
		a.gate.dialing.Add(1)
		defer a.gate.dialing.Add(-1)
		a.makeRoom()
	}
	sock, from, err := e.connect(ctx, a, a.gate)
	if err != nil {
		e.active.Add(-1)
		return nil, err
	}
	c := newConn(e, sock)
	c.from = from
	return c, nil
}

// connect makes a connection within the app's time for that: name, connection and
// TLS together. g counts it, if not nil. from is nil if the endpoint has no name.
func (e *Endpoint) connect(ctx context.Context, a *App, g *gate) (sock *socket.Conn, from *address, err error) {
	ctx, cancel := context.WithTimeout(ctx, a.Connect)
	defer cancel()
	if e.name == nil {
		sock, err = e.open(ctx, g, e.Address)
		return sock, nil, err
	}
	all, err := e.addresses(ctx, a)
	if err != nil {
		return nil, nil, err
	}
	all = e.name.order(all, time.Now())
	if len(all) == 1 {
		from = all[0]
		sock, err = e.open(ctx, g, from.text)
	} else {
		sock, from, err = e.race(ctx, g, all, min(stagger, a.Connect/time.Duration(len(all))))
	}
	if err != nil {
		e.name.suspect()
	}
	return sock, from, err
}

// open connects to one address.
func (e *Endpoint) open(ctx context.Context, g *gate, address string) (*socket.Conn, error) {
	network := "tcp"
	if e.unix {
		network = "unix"
	}
	var d net.Dialer
	nc, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if e.leadsBack(nc) {
		_ = nc.Close()
		return nil, ErrLoop
	}
	nc = g.counted(nc)
	if e.secure == nil {
		return socket.New(nc), nil
	}
	return e.secure.handshake(ctx, nc)
}

// ErrLoop is why an upstream is not connected to: each request would come in again, until
// nothing else could.
var ErrLoop error = loopError{}

type loopError struct{}

func (loopError) Error() string {
	return "the address leads back to this edge itself: requests would go round in a circle"
}

// Hint says what to do.
func (loopError) Hint() string { return "name the app's own address and port" }

// leadsBack reports whether a connection ends at this process: at an address of this
// machine, where both ends have the same, that clients are accepted on.
func (e *Endpoint) leadsBack(nc net.Conn) bool {
	if e.app == nil || e.app.Own == nil {
		return false
	}
	local, ok := nc.LocalAddr().(*net.TCPAddr)
	remote, ok2 := nc.RemoteAddr().(*net.TCPAddr)
	if !ok || !ok2 {
		return false
	}
	from, to := local.AddrPort(), remote.AddrPort()
	to = netip.AddrPortFrom(to.Addr().Unmap().WithZone(""), to.Port())
	here := to.Addr() == from.Addr().Unmap().WithZone("") || to.Addr().IsLoopback()
	return here && e.app.Own(to)
}

// order puts the addresses in the order to try them in: each is the first in its turn,
// and those that failed lately are last.
func (n *name) order(all []*address, now time.Time) []*address {
	if len(all) == 1 {
		return all
	}
	start := int(n.next.Add(1) % uint32(len(all)))
	good, bad := make([]*address, 0, len(all)), []*address(nil)
	for i := range all {
		x := all[(start+i)%len(all)]
		if now.UnixNano()-x.failed.Load() < int64(avoided) {
			bad = append(bad, x)
		} else {
			good = append(good, x)
		}
	}
	return append(good, bad...)
}

// race tries one address after the other, the next as soon as one fails or takes
// longer than pause. The first connection wins. It returns when all others have ended.
func (e *Endpoint) race(ctx context.Context, g *gate, all []*address, pause time.Duration) (*socket.Conn, *address, error) {
	type result struct {
		sock *socket.Conn
		i    int // in all
		err  error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan result, len(all))
	started, running := 0, 0
	start := func() {
		i := started
		started++
		running++
		go func() {
			sock, err := e.open(ctx, g, all[i].text)
			results <- result{sock, i, err}
		}()
	}
	var won result
	settle := func(r result) {
		running--
		switch {
		case r.err != nil:
			if won.err == nil && won.sock == nil {
				won.err = r.err // the first cause is the one to tell, if nobody wins
			}
			if won.sock == nil || r.i < won.i { // it failed, or was overtaken
				all[r.i].failed.Store(time.Now().UnixNano())
			}
		case won.sock != nil:
			_ = r.sock.Close()
		default:
			won = r
		}
	}
	start()
	t := time.NewTimer(pause)
	defer t.Stop()
	for running > 0 && won.sock == nil {
		select {
		case r := <-results:
			settle(r)
		case <-t.C:
		}
		if won.sock == nil && started < len(all) && ctx.Err() == nil {
			start()
			t.Reset(pause)
		}
	}
	cancel()
	for running > 0 {
		settle(<-results)
	}
	return won.sock, all[won.i], won.err
}
