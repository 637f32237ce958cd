// Package socket is the small interface between the data plane and the operating
// system: a connection that can be driven, which means read and written without asking
// the runtime's poller twice for each message.
//
// An ordinary read of a net.Conn tries the descriptor first. In a request-answer
// protocol there is nothing to read yet nine times in ten, so the first try is a system
// call that only says so. Drive keeps the goroutine inside syscall.RawConn.Read instead:
// its step answers what has come, and returns to wait without another try.
// Where that is not possible (TLS, other systems, the build tag "portable") the same
// methods fall back to plain blocking calls, with the same results.
package socket

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// Conn is a stream connection. Reads are made by one goroutine at a time and so are
// writes; the two may be different ones. Close, CutWrites and the deadlines may be used
// by any.
type Conn struct {
	nc     net.Conn        // the transport
	secure net.Conn        // TLS over it, or nil
	raw    syscall.RawConn // of the transport, nil where it has no descriptor
	direct bool            // bytes may be read and written on the descriptor

	stall time.Duration // how long a write may be without progress
	until time.Time     // the write deadline that is set
	cut   atomic.Bool   // CutWrites was called
	fd    int           // inside Drive
	// With SecureDriven: Drive works as on a bare descriptor. Inside its step the
	// transport does not wait, and does not ask again what it knows to be drained.
	driven, inStep, drained bool

	step func() bool
	// Made once, so that calls do not allocate.
	onReady func(fd uintptr) bool
	onPeek  func(fd uintptr)
	peek    func(fd int) bool
	peeked  bool
	onQueue func(fd uintptr)
	queue   int
}

// New takes over a connection. It does not read or write yet.
func New(nc net.Conn) *Conn {
	c := &Conn{nc: nc, fd: -1}
	if sc, ok := nc.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			c.raw, c.direct = raw, canDrive
		}
	}
	return c
}

// Direct reports whether Drive spares system calls here. It changes nothing else.
func (c *Conn) Direct() bool { return c.direct }

// SetStall sets how long the peer may take nothing of what is written before Write
// fails. A peer that is slow but steady is not cut, whatever the size of the write.
func (c *Conn) SetStall(d time.Duration) { c.stall = d }

// SetReadDeadline bounds the reads under way and those that follow.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.nc.SetReadDeadline(t) }

// ClearDeadlines takes back all deadlines and the bound of SetStall.
func (c *Conn) ClearDeadlines() {
	c.stall, c.until = 0, time.Time{}
	_ = c.nc.SetDeadline(time.Time{})
}

// RemoteAddr is the peer's address.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

// Close closes the connection. It must not be called by the step of Drive: there
// it would wait for itself.
func (c *Conn) Close() error {
	if c.secure != nil {
		return c.secure.Close()
	}
	return c.nc.Close()
}

// CloseWrite ends the stream towards the peer, with a close_notify under TLS.
func (c *Conn) CloseWrite() error {
	if cw, ok := c.secure.(interface{ CloseWrite() error }); ok {
		return cw.CloseWrite()
	}
	return c.closeWrite()
}

func (c *Conn) closeWrite() error {
	if cw, ok := c.nc.(interface{ CloseWrite() error }); ok {
		return cw.CloseWrite()
	}
	return c.nc.Close()
}

// Drive calls step now, and again each time there may be something to read after
// step has returned false; it returns nil when step has returned true. A deadline, or
// Close by another goroutine, ends the wait between two steps with an error.
//
// A step that wants to wait must first have read all there was (TryRead returned
// again, or fewer bytes than there was room for), or have read nothing since Drive
// was entered and know that nothing had come before: readiness is reset on entry, and
// told once for each arrival. The end of the stream that comes together with
// the last bytes is then seen at the deadline only. Inside step only TryRead, WriteNow
// and the deadlines of this connection may be used. It may wait for anything else, while
// no other goroutine reads this connection.
func (c *Conn) Drive(step func() bool) error {
	if !c.direct && !c.driven {
		for !step() {
		}
		return nil
	}
	c.step = step
	if c.onReady == nil {
		c.onReady = c.ready
	}
	return c.raw.Read(c.onReady)
}

func (c *Conn) ready(fd uintptr) bool {
	c.fd = int(fd)
	c.inStep, c.drained = true, false
	done := c.step()
	c.inStep = false
	return done
}

// TryRead reads what there is, for a step of Drive. again says that nothing has
// come yet; where the connection can't be driven it waits instead.
func (c *Conn) TryRead(p []byte) (n int, again bool, err error) {
	if !c.direct {
		n, err = c.Read(p)
		if n > 0 {
			return n, false, nil
		}
		if err == errAgain {
			return 0, true, nil
		}
		return n, false, err
	}
	return readNow(c.fd, p)
}

// WriteNow is Write for a step of Drive.
func (c *Conn) WriteNow(p []byte) (int, error) {
	if !c.direct {
		return c.Write(p)
	}
	n, err := writeNow(c.fd, p)
	if n == len(p) || err != nil {
		return n, err
	}
	m, err := c.write(p[n:])
	return n + m, err
}

// Read reads at least one byte.
func (c *Conn) Read(p []byte) (int, error) {
	if c.secure != nil {
		return c.secure.Read(p)
	}
	return c.nc.Read(p)
}

// Write writes all of p. It fails with os.ErrDeadlineExceeded when the peer has taken
// nothing for the time of SetStall.
func (c *Conn) Write(p []byte) (int, error) {
	if c.secure != nil {
		return c.secure.Write(p)
	}
	return c.write(p)
}

// WriteParts writes the parts one after the other, in one system call where that is
// possible. It uses up parts.
func (c *Conn) WriteParts(parts *net.Buffers) error {
	if c.secure != nil {
		for _, p := range *parts {
			if _, err := c.secure.Write(p); err != nil {
				return err
			}
		}
		return nil
	}
	var w wait
	for {
		if err := c.armWrite(&w); err != nil {
			return err
		}
		n, err := parts.WriteTo(c.nc)
		if err == nil || !c.goesOn(&w, int(n), err) {
			return err
		}
	}
}

// write writes to the transport. Over TLS each record comes by here.
func (c *Conn) write(p []byte) (n int, err error) {
	var w wait
	for {
		if err := c.armWrite(&w); err != nil {
			return n, err
		}
		m, err := c.nc.Write(p[n:])
		n += m
		if err == nil || !c.goesOn(&w, m, err) {
			return n, err
		}
	}
}

// wait is what a write that does not get on knows of its peer.
type wait struct {
	progress time.Time // when the peer last took something; at first, the start
	queue    int       // bytes it had not acknowledged when last asked, -1: never asked
}

// armWrite sets a deadline at which the write looks whether the peer takes anything.
func (c *Conn) armWrite(w *wait) error {
	if c.stall == 0 {
		return nil
	}
	now := time.Now()
	if w.progress.IsZero() {
		w.progress, w.queue = now, -1
	}
	if pause := c.stall / 4; c.until.Sub(now) < pause/2 {
		c.until = now.Add(pause)
		if err := c.nc.SetWriteDeadline(c.until); err != nil {
			return err
		}
	}
	if c.cut.Load() {
		return os.ErrDeadlineExceeded
	}
	return nil
}

// goesOn reports whether a write that met its deadline may go on: within the time
// of SetStall the kernel took some of it, or the peer acknowledged something.
func (c *Conn) goesOn(w *wait, n int, err error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) || c.stall == 0 || c.cut.Load() {
		return false
	}
	c.until = time.Time{}
	now, queue := time.Now(), c.Unacknowledged()
	if n > 0 || queue < w.queue {
		w.progress = now
	}
	w.queue = queue
	return now.Sub(w.progress) < c.stall
}

// Unacknowledged is how many bytes were written that the peer has not acknowledged
// yet; 0 where that cannot be told. No other goroutine may write meanwhile.
func (c *Conn) Unacknowledged() int {
	if c.raw == nil {
		return 0
	}
	if c.onQueue == nil {
		c.onQueue = func(fd uintptr) { c.queue = outQueue(fd) }
	}
	_ = c.raw.Control(c.onQueue)
	return c.queue
}

// CutWrites makes writes fail from now on, the one under way too.
func (c *Conn) CutWrites() {
	c.cut.Store(true)
	_ = c.nc.SetWriteDeadline(time.Unix(1, 0))
}

// WasCut reports whether CutWrites was called.
func (c *Conn) WasCut() bool { return c.cut.Load() }

// Quiet reports, without waiting, whether an idle connection is open and has nothing
// to read: what arrives unasked would be taken for the next answer. Where that cannot
// be told it returns true.
func (c *Conn) Quiet() bool {
	if q, ok := c.secure.(interface{ Quiet() bool }); ok {
		return q.Quiet() // it may hold back bytes that are off the socket already
	}
	return c.look(quiet, true)
}

// QuietNow is Quiet for a step of Drive.
func (c *Conn) QuietNow() bool {
	if !c.direct {
		return c.Quiet()
	}
	return quiet(c.fd)
}

// Gone reports, without waiting, whether the peer has closed or reset the
// connection. Where that cannot be told it returns false.
func (c *Conn) Gone() bool {
	if c.secure != nil {
		return c.look(hungUp, false)
	}
	return c.look(gone, false)
}

func (c *Conn) look(peek func(fd int) bool, unknown bool) bool {
	if c.raw == nil {
		return unknown
	}
	if c.onPeek == nil {
		c.onPeek = func(fd uintptr) { c.peeked = c.peek(int(fd)) }
	}
	c.peek = peek
	if c.raw.Control(c.onPeek) != nil {
		return !unknown // closed
	}
	return c.peeked
}
