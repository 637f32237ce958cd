package http1

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-edge/holdfast/edge/exchange"
	"github.com/holdfast-edge/holdfast/edge/socket"
)

// lingerTime bounds how long input is thrown away after the last answer, so that a
// client still sending gets to read it (RFC 9112, section 9.6); lingerPause how long
// it may be silent meanwhile.
const (
	lingerTime  = 30 * time.Second
	lingerPause = 2 * time.Second
)

// conn is one client connection. One goroutine serves it; while a body is still
// arriving a second one may read it through body.
type conn struct {
	server *Server
	sock   *socket.Conn
	secure *secure // nil where TLS is not on it
	remote netip.AddrPort
	limits Limits
	step   func() bool // made once, so that driving does not allocate

	*work         // nil while the connection waits for a request
	driving  bool // the handler runs in a step of sock.Drive
	state    state
	reading  readMode
	deadline time.Time // of the reads of a head

	readErr error // of the step

	idleMu    sync.Mutex
	idle      bool      // waiting for a request; guarded by idleMu, written by serve only
	ticket    uint64    // of the server's lot, while parked; guarded by idleMu
	idleSince time.Time // zero: not since the last request; guarded by idleMu while idle
	idleUntil time.Time // the read deadline that is set, if it is that of idling

	app atomic.Pointer[io.Closer] // the other end of a tunnel
}

// work is what a connection needs while it serves a request. Ten thousand idle
// connections are common, so it is pooled.
type work struct {
	in   Buffer
	req  Request
	x    exchange.Exchange
	body body
	out  answer
}

var works = sync.Pool{New: func() any { return new(work) }}

type readMode uint8

const (
	readIdle readMode = iota // waiting for the first byte of a head
	readHead
	readBody
)

// state is what serve has to do next.
type state uint8

const (
	stateIdle  state = iota // wait for a request
	stateShake              // the handshake comes first
	stateHead               // a head has begun to arrive
	stateReady              // c.x is complete but for its body: answer it
	stateEnd                // end the connection
)

func newConn(s *Server, nc net.Conn, secured bool) *conn {
	c := &conn{server: s, sock: socket.New(nc)}
	if secured {
		c.secure = newSecure(s.Secure(c.sock.Transport()))
		c.sock.SecureDriven(c.secure.conn)
		c.state = stateShake
	}
	c.step = c.drive
	if t, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		a := t.AddrPort()
		c.remote = netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
	}
	return c
}

// attach gives the connection what it needs to serve.
func (c *conn) attach() {
	if c.work != nil {
		return
	}
	c.work = works.Get().(*work)
	c.in.src = c
	c.body.c, c.out.c = c, c
}

// detach takes it back. Nothing of a request may be left in the buffer.
func (c *conn) detach() {
	w := c.work
	if w == nil {
		return
	}
	c.work = nil
	// Small buffers stay with it: one thing to pool, not three.
	w.in.empty()
	w.out.release()
	w.body.release()
	w.trim()
	w.out.reset() // or the next connection could end as this one did
	w.body.ended.Store(true)
	w.body.c, w.out.c, w.in.src = nil, nil, nil
	w.x = exchange.Exchange{}
	works.Put(w)
}

// trim lets go of what an unusual request made large.
func (w *work) trim() {
	if cap(w.req.Fields) > 64 {
		w.req.Fields = nil
	}
	if cap(w.body.dec.raw) > 0 {
		w.body.dec.raw, w.body.dec.trailers = nil, nil
	}
}

// serve reads and answers requests until the connection ends, or is parked: then
// somebody else calls serve when there is something to do.
func (c *conn) serve() (parked bool) {
	defer func() {
		if parked {
			return // the connection is not ours any more
		}
		if v := recover(); v != nil {
			c.server.Panicked(v)
			_ = c.sock.Close()
		}
		c.detach()
	}()
	c.enter()
	for c.state != stateEnd {
		switch c.state {
		case stateShake:
			c.shake()
		case stateIdle:
			if c.unread() > 0 {
				_ = c.sock.SetReadDeadline(time.Time{}) // of the request before; it may be over
			} else if !c.sleep() {
				break
			}
			err := c.sock.Drive(c.step)
			if err == nil {
				err, c.readErr = c.readErr, nil
			}
			if errors.Is(err, os.ErrDeadlineExceeded) && c.park() {
				return true
			}
			if err != nil {
				c.state = stateEnd
			}
			c.wake()
		case stateHead:
			c.readHead()
		case stateReady:
			c.server.Handler(&c.x)
			c.finish()
		}
	}
	c.close()
	return false
}

// drive is the step of sock.Drive: it answers the requests that have come whole,
// where they are. What takes longer to arrive, or is no ordinary request, is
// left to serve: drive then returns true.
func (c *conn) drive() (leave bool) {
	for {
		c.attach()
		short := false
		if len(c.in.Unread()) == 0 {
			n, room, again, err := c.in.tryFill(c.sock)
			switch {
			case err != nil:
				c.readErr = err
				return true
			case again:
				return !c.sleep()
			}
			short = n < room && c.secure == nil // TLS may hold more back
		}
		c.wake()
		c.begin()
		c.parse()
		if c.state != stateReady || !c.whole() {
			c.idleUntil = time.Time{} // other deadlines will be set
			return true
		}
		c.driving = true
		c.server.Handler(&c.x)
		c.driving = false
		c.finish()
		if c.state != stateIdle {
			return true
		}
		if short && len(c.in.Unread()) == 0 {
			return !c.sleep()
		}
	}
}

// unread is how many bytes were read ahead.
func (c *conn) unread() int {
	if c.work == nil {
		return 0
	}
	return len(c.in.Unread())
}

// whole reports whether the request in c.x can be answered without reading
// anything more from the client.
func (c *conn) whole() bool {
	x := &c.x
	return x.Malformed == nil && x.Upgrade == nil && !x.ExpectContinue &&
		x.Length >= 0 && int64(len(c.in.Unread())) >= x.Length
}

// begin starts an exchange whose first bytes have arrived.
func (c *conn) begin() {
	c.limits = c.server.Limits()
	c.sock.SetStall(c.limits.BodyTimeout)
	c.req.Reset()
	now := time.Now()
	c.x = exchange.Exchange{Arrival: now, Now: now, Scheme: "http", Remote: c.remote, Body: &c.body, Answer: &c.out}
	if c.secure != nil && c.secure.session.Version != "" {
		c.x.TLS, c.x.Scheme = &c.secure.session, "https"
	}
	c.out.reset()
	c.body.reset()
	c.reading, c.deadline = readHead, now.Add(c.limits.HeaderTimeout)
}

// parse looks at what has arrived of a head, and sets the state: stateReady with
// c.x filled, or stateHead when more of it is needed. A head that is wrong makes
// a malformed exchange.
func (c *conn) parse() {
	buf := c.in.Unread()
	n, bad := c.req.Parse(buf)
	switch {
	case bad != nil:
		c.malformed(bad, len(buf))
	case n > c.limits.MaxHeader && len(c.req.line) > c.limits.MaxHeader:
		c.malformed(errLongTarget, c.limits.MaxHeader)
	case n > c.limits.MaxHeader:
		c.malformed(errHeadTooLarge, c.limits.MaxHeader)
	case n > 0 && c.secure != nil && c.x.TLS == nil:
		c.malformed(errPlain, n)
	case n > 0:
		c.fill(n)
	case len(buf) > c.limits.MaxHeader && (c.req.line == nil || len(c.req.line) > c.limits.MaxHeader):
		c.malformed(errLongTarget, len(buf))
	case len(buf) > c.limits.MaxHeader:
		c.malformed(errHeadTooLarge, len(buf))
	default:
		c.state = stateHead
	}
}

// readHead reads the rest of a head that has begun to arrive. One that does not
// become complete makes a malformed exchange.
func (c *conn) readHead() {
	_ = c.sock.SetReadDeadline(c.deadline)
	for c.state == stateHead {
		moves := c.in.Moves
		err := c.in.Fill()
		if c.in.Moves != moves {
			c.req.Reset()
			if err != nil {
				_, _ = c.req.Parse(c.in.Unread())
			}
		}
		if err != nil {
			why := errLeftInHead
			if errors.Is(err, os.ErrDeadlineExceeded) {
				why = errSlowHead
			}
			c.malformed(why, len(c.in.Unread()))
			return
		}
		c.parse()
	}
	c.x.Now = time.Now()
}

var (
	errSlowHead   = malformed(408, "the head did not arrive within limits.header_timeout")
	errLeftInHead = malformed(499, "the client left while it sent the head")
)

// fill completes c.x from the parsed head of n bytes.
func (c *conn) fill(n int) {
	x, r := &c.x, &c.req
	x.Proto = "HTTP/1.1"
	if r.Minor == 0 {
		x.Proto = "HTTP/1.0"
	}
	x.Head = c.in.Unread()[r.Start():n]
	x.Method, x.Target, x.Host = r.Method, r.Target, r.Host
	x.Fields, x.Length, x.ExpectContinue, x.Upgrade = r.Fields, r.Length, r.Expect, r.Upgrade
	c.in.Pin(n)
	c.out.http10 = r.Minor == 0
	c.out.closing = r.Close
	c.reading = readBody
	c.body.start(r.Length, r.Expect)
	c.state = stateReady
}

// malformed makes an exchange of what could be read.
func (c *conn) malformed(why *exchange.Malformed, n int) {
	x := &c.x
	x.Malformed = why
	x.Head = c.in.Unread()[:n]
	x.Method, x.Target = c.req.Method, c.req.Target
	x.Fields = c.req.Fields
	for i := range x.Fields {
		if x.Fields[i].ID == exchange.Host {
			x.Host = x.Fields[i].Value
			break
		}
	}
	if c.req.inHead {
		x.Proto = "HTTP/1.1"
		if c.req.Minor == 0 {
			x.Proto = "HTTP/1.0"
		}
	}
	c.in.Pin(n)
	c.out.http10 = false
	c.out.closing = true
	c.state = stateReady
}

// finish ends an exchange: the next request may come, or the connection ends.
func (c *conn) finish() {
	c.body.release()
	c.in.Unpin()
	c.state, c.idleSince = stateIdle, time.Time{}
	if c.out.closing || c.out.broken || c.out.tunnel || !c.body.ended.Load() {
		c.state = stateEnd
	}
}

// close ends the connection. What the client still sends is read for a moment, so
// that the answer is not lost to a reset.
func (c *conn) close() {
	if c.work == nil {
		c.sayEnd()
		_ = c.sock.Close()
		return
	}
	if c.out.tunnel {
		return // whoever has the tunnel closes it
	}
	linger := c.x.Malformed != nil || !c.body.ended.Load() || len(c.in.Unread()) > 0
	if !c.out.broken && (!c.out.used || !linger) {
		c.sayEnd()
	} else if !c.out.broken && c.sock.CloseWrite() == nil {
		end := time.Now().Add(lingerTime)
		scratch := GetBuffer(smallBuffer) // anybody can make many connections linger
		for now := time.Now(); now.Before(end) && !c.server.draining.Load(); now = time.Now() {
			_ = c.sock.SetReadDeadline(now.Add(lingerPause))
			if _, err := c.sock.Read(*scratch); err != nil {
				break
			}
		}
		PutBuffer(scratch)
	}
	_ = c.sock.Close()
}

// Read is the source of c.in and of body reads. It sets the deadline that the body
// needs; the others are set where the wait begins.
func (c *conn) Read(p []byte) (int, error) {
	if c.reading == readBody {
		if err := c.body.beforeRead(); err != nil {
			return 0, err
		}
	}
	return c.sock.Read(p)
}
