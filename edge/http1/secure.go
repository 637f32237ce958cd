package http1

import (
	"net"
	"time"

	"github.com/holdfast-edge/holdfast/edge/exchange"
)

// Secured is a client connection on which TLS comes first. Its handshake is done by the
// goroutine that then serves it, within HeaderTimeout.
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
}

// secure is what a connection has more when TLS is on it.
type secure struct {
	conn    Secured
	session exchange.TLS // no version: there is none, or not yet
}

func newSecure(s Secured) *secure { return &secure{conn: s} }

var errPlain = &exchange.Malformed{Status: 400, Reason: "plain HTTP on a port for HTTPS",
	Tell: "Bad Request: this port speaks HTTPS, write https:// in front of the address"}

// shake does the handshake and sets the state. To a server that shuts down, a client that
// has not got through yet is an idle one.
func (c *conn) shake() {
	limits := c.server.Limits()
	c.idleMu.Lock()
	now := time.Now()
	_ = c.sock.SetReadDeadline(now.Add(limits.HeaderTimeout))
	c.idle, c.idleSince = true, now
	c.idleMu.Unlock()
	c.sock.SetStall(limits.HeaderTimeout)
	c.state = stateEnd
	if c.server.draining.Load() { // it may have looked at us just before
		return
	}
	err := c.secure.conn.Handshake()
	c.wake()
	if err != nil {
		if !c.server.draining.Load() {
			c.server.Refused(c.remote, err)
		}
		return
	}
	name, version := c.secure.conn.Session()
	c.secure.session = exchange.TLS{ServerName: name, Version: version}
	c.state, c.idleSince = stateIdle, time.Time{}
}

// sayEnd ends a session in an orderly way. A connection that was broken off ends
// without: what was cut must not look whole.
func (c *conn) sayEnd() {
	if c.secure != nil {
		_ = c.secure.conn.CloseWrite()
	}
}

// recordSize is how many bytes go into one TLS record (RFC 8446, section 5.1).
const recordSize = 16 << 10

// writeSecure sends what is queued and p. Each record is a system call, so the first
// one is filled with both, and the end of a chunk waits for what comes next.
func (a *answer) writeSecure(p []byte) (err error) {
	switch n := len(a.queued); {
	case n >= recordSize: // a very large head
		_, err = a.c.sock.Write(a.queued)
	case n > 0:
		joined := GetBuffer(recordSize)
		k := copy((*joined)[copy(*joined, a.queued):recordSize], p)
		_, err = a.c.sock.Write((*joined)[:n+k])
		PutBuffer(joined)
		p = p[k:]
	}
	a.queued = (*a.buf)[:0]
	if err == nil && len(p) > 0 {
		_, err = a.c.sock.Write(p)
	}
	if err == nil && a.chunked {
		a.queued = append(a.queued, crlf...)
	}
	return err
}
