package http1

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/holdfast-edge/holdfast/edge/exchange"
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
	nc     net.Conn
	raw    syscall.RawConn // nil where the connection has no descriptor, or TLS is on it
	secure *secure         // nil where TLS is not on it
	limits Limits

	in   Buffer
	req  Request
	x    exchange.Exchange
	body body
	out  answer

	reading  readMode
	deadline time.Time // of the reads of a head
	idleMu   sync.Mutex
	idle     bool                      // guarded by idleMu
	app      atomic.Pointer[io.Closer] // the other end of a tunnel
	// Made once, so that asking does not allocate.
	gone    func(fd uintptr)
	isGone  bool
	await   func(fd uintptr) bool
	awaited error
}

type readMode uint8

const (
	readIdle readMode = iota // waiting for the first byte of a head
	readHead
	readBody
)

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{server: s, nc: nc}
	c.in.Reset(c)
	c.body.c = c
	c.out.c = c
	if sc, ok := nc.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			c.raw = raw
		}
	}
	c.gone = func(fd uintptr) { c.isGone = peekGone(fd) }
	c.await = func(fd uintptr) (done bool) {
		done, c.awaited = c.in.tryFill(fd)
		return done
	}
	if s, ok := nc.(Secured); ok {
		c.secure = newSecure(s)
	}
	c.x.Scheme = "http"
	if a, err := netip.ParseAddrPort(nc.RemoteAddr().String()); err == nil {
		c.x.Remote = netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
	}
	return c
}

// serve reads and answers requests until the connection ends.
func (c *conn) serve() {
	defer func() {
		if v := recover(); v != nil {
			c.server.Panicked(v)
			_ = c.nc.Close()
		}
	}()
	defer c.release()
	if c.secure != nil && !c.shake() {
		return
	}
	for c.next() {
		c.server.Handler(&c.x)
		if !c.finish() {
			break
		}
	}
	c.close()
}

// next reads one request head into c.x. It returns false when the connection ended
// without one. A head that is wrong or incomplete makes a malformed exchange.
func (c *conn) next() bool {
	c.limits = c.server.Limits()
	c.req.Reset()
	c.x = exchange.Exchange{Scheme: c.x.Scheme, TLS: c.x.TLS, Remote: c.x.Remote, Body: &c.body, Answer: &c.out}
	c.out.reset()
	c.body.reset()

	now := time.Now()
	if len(c.in.Unread()) == 0 {
		c.in.FreeIfEmpty()
		if !c.waitIdle(now) {
			return false
		}
		now = time.Now()
	}
	c.x.Arrival = now
	c.reading, c.deadline = readHead, now.Add(c.limits.HeaderTimeout)
	armed := false
	for {
		buf := c.in.Unread()
		n, bad := c.req.Parse(buf)
		switch {
		case bad != nil:
			return c.malformed(bad, len(buf))
		case n > c.limits.MaxHeader && len(c.req.line) > c.limits.MaxHeader:
			return c.malformed(errLongTarget, c.limits.MaxHeader)
		case n > c.limits.MaxHeader:
			return c.malformed(errHeadTooLarge, c.limits.MaxHeader)
		case n > 0 && c.secure != nil && c.x.TLS == nil:
			return c.malformed(errPlain, n)
		case n > 0:
			c.fill(n)
			return true
		case len(buf) > c.limits.MaxHeader && (c.req.line == nil || len(c.req.line) > c.limits.MaxHeader):
			return c.malformed(errLongTarget, len(buf))
		case len(buf) > c.limits.MaxHeader:
			return c.malformed(errHeadTooLarge, len(buf))
		}
		if !armed {
			_ = c.nc.SetReadDeadline(c.deadline)
			armed = true
		}
		moves := c.in.Moves
		if err := c.in.Fill(); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return c.malformed(errSlowHead, len(c.in.Unread()))
			}
			return c.malformed(errLeftInHead, len(c.in.Unread()))
		}
		if c.in.Moves != moves {
			c.req.Reset()
		}
	}
}

var (
	errSlowHead   = malformed(408, "the head did not arrive within limits.header_timeout")
	errLeftInHead = malformed(499, "the client left while it sent the head")
)

// waitIdle waits for the first byte of the next request.
func (c *conn) waitIdle(now time.Time) bool {
	c.reading = readIdle
	c.trim()
	c.idleMu.Lock()
	_ = c.nc.SetReadDeadline(now.Add(c.limits.IdleTimeout))
	c.idle = true
	c.idleMu.Unlock()
	if c.server.draining.Load() { // it may have looked at us just before
		return false
	}
	err := c.fillIdle()
	// From here on no deadline but those of the request itself is set.
	c.idleMu.Lock()
	c.idle = false
	c.idleMu.Unlock()
	return err == nil
}

// trim lets go of what an unusual request made large.
func (c *conn) trim() {
	if cap(c.req.Fields) > 64 {
		c.req.Fields = nil
	}
	if cap(c.body.dec.raw) > 0 {
		c.body.dec.raw, c.body.dec.trailers = nil, nil
	}
}

// fillIdle reads the first bytes of a request. Where it can, it holds no buffer
// while it waits: ten thousand idle connections are common.
func (c *conn) fillIdle() error {
	if c.secure != nil {
		return c.secure.fillIdle(&c.in)
	}
	if c.raw == nil || !canTryFill {
		return c.in.Fill()
	}
	if err := c.raw.Read(c.await); err != nil {
		return err
	}
	return c.awaited
}

// wakeIdle ends the wait of an idle connection.
func (c *conn) wakeIdle() {
	c.idleMu.Lock()
	defer c.idleMu.Unlock()
	if c.idle {
		_ = c.nc.SetReadDeadline(time.Unix(1, 0))
	}
}

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
}

// malformed makes an exchange of what could be read. It always returns true.
func (c *conn) malformed(why *exchange.Malformed, n int) bool {
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
	return true
}

// finish prepares for the next request; false ends the connection.
func (c *conn) finish() bool {
	c.out.release()
	c.body.release()
	c.in.Unpin()
	return !c.out.closing && !c.out.broken && !c.out.tunnel && c.body.ended.Load()
}

// close ends the connection. What the client still sends is read for a moment, so
// that the answer is not lost to a reset.
func (c *conn) close() {
	if c.out.tunnel {
		return // whoever has the tunnel closes it
	}
	linger := c.x.Malformed != nil || !c.body.ended.Load() || len(c.in.Unread()) > 0
	if c.out.broken || !c.out.used || !linger {
		c.sayEnd()
		_ = c.nc.Close()
		return
	}
	if cw, ok := c.nc.(interface{ CloseWrite() error }); ok && cw.CloseWrite() == nil {
		end := time.Now().Add(lingerTime)
		scratch := GetBuffer(largeBuffer)
		for now := time.Now(); now.Before(end) && !c.server.draining.Load(); now = time.Now() {
			_ = c.nc.SetReadDeadline(now.Add(lingerPause))
			if _, err := c.nc.Read(*scratch); err != nil {
				break
			}
		}
		PutBuffer(scratch)
	}
	_ = c.nc.Close()
}

func (c *conn) release() {
	c.out.release()
	c.body.release()
	c.in.Free()
}

// Read is the source of c.in and of body reads. It sets the deadline that the body
// needs; the others are set where the wait begins.
func (c *conn) Read(p []byte) (int, error) {
	if c.reading == readBody {
		if err := c.body.beforeRead(); err != nil {
			return 0, err
		}
	}
	return c.nc.Read(p)
}

// body is the request body of the current exchange.
type body struct {
	c   *conn
	dec Decoder
	mem *[]byte // a small body that did not fit behind its head

	mu        sync.Mutex
	total     time.Time // bounds all reads, when set
	rearm     time.Time // when the deadline must be set again
	expecting bool      // the client waits for 100 Continue
	// ended is set when the body was read to its end; it may be asked while another
	// goroutine reads.
	ended atomic.Bool
}

func (b *body) reset() {
	b.dec.reset(&b.c.in, bodyNone, 0)
	b.expecting, b.total, b.rearm = false, time.Time{}, time.Time{}
	b.ended.Store(true)
}

func (b *body) start(length int64, expect bool) {
	switch {
	case length < 0:
		b.dec.reset(&b.c.in, bodyChunked, 0)
	case length > 0:
		b.dec.reset(&b.c.in, bodyLength, length)
	}
	b.expecting = expect
	b.ended.Store(length == 0)
}

func (b *body) release() {
	if b.mem != nil {
		PutBuffer(b.mem)
		b.mem = nil
	}
}

// Read implements exchange.Body.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.dec.Read(p)
	if b.dec.Done() {
		b.ended.Store(true)
	}
	return n, err
}

// Trailers implements exchange.Body.
func (b *body) Trailers() []exchange.Field { return b.dec.Trailers() }

// Buffered implements exchange.Body.
func (b *body) Buffered(max int64) ([]byte, bool, error) {
	d := &b.dec
	if d.Done() {
		return nil, true, nil
	}
	if d.kind != bodyLength || d.remain > max || d.err != nil {
		return nil, false, nil
	}
	n := int(d.remain)
	if n <= b.c.in.Room() {
		for len(b.c.in.Unread()) < n {
			if err := b.c.in.Fill(); err != nil {
				d.err = cutShort(err)
				return b.c.in.Unread(), false, d.err
			}
		}
		p := b.c.in.Unread()[:n]
		d.remain, d.err = 0, io.EOF
		b.c.in.Pin(n)
		b.ended.Store(true)
		return p, true, nil
	}
	b.mem = GetBuffer(n)
	p := (*b.mem)[:n]
	m, err := io.ReadFull(b, p)
	if err != nil {
		return p[:m], false, d.err
	}
	return p, true, nil
}

// SetDeadline implements exchange.Body.
func (b *body) SetDeadline(t time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.total, b.rearm = t, time.Time{}
	if !t.IsZero() {
		_ = b.c.nc.SetReadDeadline(t)
	}
}

// beforeRead sets the deadline of one read and sends 100 Continue if the client
// waits for it. A deadline is set anew at most every second or so.
func (b *body) beforeRead() error {
	if b.expecting {
		b.expecting = false
		if err := b.c.out.sendContinue(); err != nil {
			return err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if now.Before(b.rearm) {
		return nil
	}
	limit := now.Add(b.c.limits.BodyTimeout + time.Second)
	b.rearm = now.Add(time.Second)
	if !b.total.IsZero() {
		limit = b.total
	}
	return b.c.nc.SetReadDeadline(limit)
}
