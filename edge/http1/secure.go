package http1

import (
	"io"
	"net"
	"syscall"
	"time"

	"github.com/holdfast-edge/holdfast/edge/exchange"
)

// Secured is a client connection on which TLS comes first. Start does the handshake in
// the connection's own goroutine, within HeaderTimeout.
type Secured interface {
	net.Conn // Close breaks off, without a word to the client
	// Handshake is called once, before anything else. After an error the connection
	// is only closed.
	Handshake() error
	// Session is asked after Handshake. A version of "" means that the client speaks
	// plain HTTP: it is told so, and the connection reads and writes plain bytes.
	Session() (serverName, version string)
	// CloseWrite tells the client that nothing follows.
	CloseWrite() error
	// NetConn is the connection below.
	NetConn() net.Conn
}

// idleScratch is what an idle TLS connection holds instead of a buffer, in bytes: most
// heads fit it.
const idleScratch = 512

// secure is what a connection has more when TLS is on it.
type secure struct {
	conn    Secured
	sock    syscall.RawConn // of the connection below; nil where it has no descriptor
	session exchange.TLS
	scratch [idleScratch]byte
	isGone  bool
	look    func(fd uintptr) // made once, so that asking does not allocate
}

func newSecure(s Secured) *secure {
	c := &secure{conn: s}
	c.look = func(fd uintptr) { c.isGone = hungUp(fd) }
	if sc, ok := s.NetConn().(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			c.sock = raw
		}
	}
	return c
}

var errPlain = &exchange.Malformed{Status: 400, Reason: "plain HTTP on a port for HTTPS",
	Tell: "Bad Request: this port speaks HTTPS, write https:// in front of the address"}

// shake does the handshake. It returns false when the connection has ended. To a server
// that shuts down, a client that has not got through yet is an idle one.
func (c *conn) shake() bool {
	c.idleMu.Lock()
	_ = c.nc.SetDeadline(time.Now().Add(c.server.Limits().HeaderTimeout))
	c.idle = true
	c.idleMu.Unlock()
	if c.server.draining.Load() { // it may have looked at us just before
		_ = c.nc.Close()
		return false
	}
	err := c.secure.conn.Handshake()
	c.idleMu.Lock()
	c.idle = false
	c.idleMu.Unlock()
	if err != nil {
		if !c.server.draining.Load() {
			c.server.Refused(c.x.Remote, err)
		}
		_ = c.nc.Close()
		return false
	}
	_ = c.nc.SetWriteDeadline(time.Time{})
	if name, version := c.secure.conn.Session(); version != "" {
		c.secure.session = exchange.TLS{ServerName: name, Version: version}
		c.x.TLS, c.x.Scheme = &c.secure.session, "https"
	}
	return true
}

// fillIdle reads the first bytes of a request. No pooled buffer is held while it waits.
func (s *secure) fillIdle(in *Buffer) error {
	n, err := s.conn.Read(s.scratch[:])
	if n > 0 {
		in.put(s.scratch[:n])
		return nil // an error comes again
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// put adds bytes to an empty buffer.
func (b *Buffer) put(p []byte) {
	if b.mem == nil {
		b.mem = GetBuffer(smallBuffer)
	}
	b.r, b.w = 0, copy(*b.mem, p)
}

// gone reports whether the client has closed its side. A look at the next byte would
// not do: what a client leaves behind when it goes is a sealed record.
func (s *secure) gone() bool {
	if s.sock == nil {
		return false
	}
	s.isGone = false
	return s.sock.Control(s.look) != nil || s.isGone
}

// sayEnd ends the session in an orderly way. A connection that was broken off ends
// without: what was cut must not look whole.
func (c *conn) sayEnd() {
	if c.secure != nil && !c.out.broken {
		_ = c.secure.conn.CloseWrite()
	}
}

// recordSize is how many bytes go into one TLS record (RFC 8446, section 5.1).
const recordSize = 16 << 10

// writeSecure sends what is queued and p. Each record is a system call, so the first
// one is filled with both, and the end of a chunk waits for what comes next.
func (a *answer) writeSecure(p []byte) (err error) {
	a.armDeadline()
	switch n := len(a.queued); {
	case n >= recordSize: // a very large head
		_, err = a.c.nc.Write(a.queued)
	case n > 0:
		joined := GetBuffer(recordSize)
		k := copy((*joined)[copy(*joined, a.queued):recordSize], p)
		_, err = a.c.nc.Write((*joined)[:n+k])
		PutBuffer(joined)
		p = p[k:]
	}
	a.queued = (*a.buf)[:0]
	if err == nil && len(p) > 0 {
		_, err = a.c.nc.Write(p)
	}
	if err == nil && a.chunked {
		a.queued = append(a.queued, crlf...)
	}
	return err
}
