package socket

import (
	"net"
	"time"
)

// Transport is the connection below TLS: what a TLS connection is made of. Its
// writes count progress as Conn.Write does.
func (c *Conn) Transport() net.Conn { return transport{c} }

// Secure makes everything that follows go through a TLS connection over Transport.
// It is called before the first read.
func (c *Conn) Secure(tls net.Conn) { c.secure, c.direct = tls, false }

// SecureDriven is Secure for a TLS connection that survives a temporary error of its
// transport, as crypto/tls does: what it had of a record stays, and the next read goes
// on with it. Then Drive spares system calls here too. TryRead returns again once
// nothing is left in the connection either, and it alone says so: fewer bytes than there
// was room for mean nothing.
func (c *Conn) SecureDriven(tls net.Conn) {
	c.Secure(tls)
	c.driven = canDrive && c.raw != nil
}

// transport is what TLS runs on: the connection with Conn's way to read and write.
type transport struct{ c *Conn }

func (t transport) Read(p []byte) (int, error) {
	c := t.c
	if !c.inStep {
		return c.nc.Read(p)
	}
	if c.drained {
		return 0, errAgain
	}
	n, none, err := readNow(c.fd, p)
	if none {
		c.drained = true
		return 0, errAgain
	}
	c.drained = err == nil && n < len(p)
	return n, err
}

func (t transport) Write(p []byte) (n int, err error) {
	c := t.c
	if c.inStep && !c.cut.Load() {
		if n, err = writeNow(c.fd, p); n == len(p) || err != nil {
			return n, err
		}
	}
	m, err := c.write(p[n:])
	return n + m, err
}

func (t transport) Close() error                       { return t.c.nc.Close() }
func (t transport) CloseWrite() error                  { return t.c.closeWrite() }
func (t transport) LocalAddr() net.Addr                { return t.c.nc.LocalAddr() }
func (t transport) RemoteAddr() net.Addr               { return t.c.nc.RemoteAddr() }
func (t transport) SetDeadline(d time.Time) error      { return t.c.nc.SetDeadline(d) }
func (t transport) SetReadDeadline(d time.Time) error  { return t.c.nc.SetReadDeadline(d) }
func (t transport) SetWriteDeadline(d time.Time) error { return t.c.nc.SetWriteDeadline(d) }

// errAgain says that nothing has come yet, to a step of Drive. It is temporary: crypto/tls
// makes any other error its last word (net.Error; the method is deprecated, and its only
// use there is this).
var errAgain error = again{}

type again struct{}

func (again) Error() string   { return "nothing has come yet" }
func (again) Timeout() bool   { return false }
func (again) Temporary() bool { return true }
