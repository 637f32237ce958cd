package tlsgate

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
)

// Conn is a client connection behind the gate. Like any net.Conn it may be read by one
// goroutine while another writes. Deadlines and addresses are those of the connection
// below.
//
// Close breaks off: the client is not told that this is the end (no close_notify), so an
// answer that ends with its connection cannot be taken for a whole one (RFC 8446,
// section 6.1). An orderly end is CloseWrite, then Close.
type Conn struct {
	net.Conn // the connection below; its Close is ours
	tls      *tls.Conn

	// Set by the goroutine in Handshake.
	name    string // the server name of the ClientHello
	version string
	refused bool
	begun   bool
	plain   bool
	first   []byte // what came first, where it does not begin a handshake
}

// RefusedError says that the gate refused a name.
type RefusedError struct{ Name string } // as the client sent it; "" if it named none

func (e *RefusedError) Error() string {
	if e.Name == "" {
		return "the client names no host"
	}
	return "no certificate for the name " + e.Name
}

// Handshake does the handshake, within the deadline that is set. After an error the
// client has been told (by an alert) and the connection is good for Close only. A name
// without a certificate is a *RefusedError.
//
// A client that speaks plain HTTP is no error, so that it can be told what is wrong in
// its own language: Session then returns nothing, and the connection is a plain one.
func (c *Conn) Handshake() error {
	err := c.tls.HandshakeContext(context.Background())
	var header tls.RecordHeaderError
	switch {
	case err == nil:
		c.version = versionName(c.tls.ConnectionState().Version)
		return nil
	case c.refused:
		return &RefusedError{c.name}
	case errors.As(err, &header) && len(c.first) > 0 && c.first[0] >= 'A' && c.first[0] <= 'Z': // a method
		c.plain = true
		return nil
	}
	return err
}

// Session returns the name that the client asked for, as it sent it, and the version of
// the protocol ("1.3"), once the handshake is done. Both are "" without TLS.
func (c *Conn) Session() (serverName, version string) { return c.name, c.version }

func versionName(v uint16) string {
	switch v {
	case tls.VersionTLS12:
		return "1.2"
	case tls.VersionTLS13:
		return "1.3"
	}
	return tls.VersionName(v)
}

func (c *Conn) Read(p []byte) (int, error) {
	if !c.plain {
		return c.tls.Read(p)
	}
	if len(c.first) > 0 {
		n := copy(p, c.first)
		c.first = c.first[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

// Write sends p in as few records as it fits; up to 16 KiB leave in one write.
func (c *Conn) Write(p []byte) (int, error) {
	if c.plain {
		return c.Conn.Write(p)
	}
	return c.tls.Write(p)
}

// CloseWrite tells the client that nothing follows, by close_notify and FIN. What the
// client still sends can be read. It waits for at most five seconds.
func (c *Conn) CloseWrite() error {
	if !c.plain {
		if err := c.tls.CloseWrite(); err != nil {
			return err
		}
	}
	if cw, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return cw.CloseWrite()
	}
	return nil
}

// NetConn is the connection below.
func (c *Conn) NetConn() net.Conn { return c.Conn }

// wire is a Conn as crypto/tls sees it from above: the connection below, whose first
// bytes are kept where they are not TLS.
type wire Conn

const recordHandshake = 22 // RFC 8446, section 5.1

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if n > 0 && (!w.begun && p[0] != recordHandshake || len(w.first) > 0) {
		w.first = append(w.first, p[:n]...) // crypto/tls gives up after the first five
	}
	w.begun = w.begun || n > 0
	return n, err
}
