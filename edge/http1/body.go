package http1

import (
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-edge/holdfast/edge/exchange"
)

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
			b.c.x.Now = time.Now()
		}
		p := b.c.in.Unread()[:n]
		d.remain, d.err = 0, io.EOF
		b.c.in.Pin(n)
		b.ended.Store(true)
		return p, true, nil
	}
	// To announce a body costs the client nothing: the large buffer is taken when the
	// small one is full.
	for b.c.in.Room() > len(b.c.in.Unread()) {
		if err := b.c.in.Fill(); err != nil {
			d.err = cutShort(err)
			return b.c.in.Unread(), false, d.err
		}
	}
	b.mem = GetBuffer(n)
	p := (*b.mem)[:n]
	m, err := io.ReadFull(b, p)
	b.c.x.Now = time.Now()
	if err != nil {
		return p[:m], false, d.err
	}
	return p, true, nil
}

// SetDeadline implements exchange.Body.
func (b *body) SetDeadline(t time.Time) {
	if b.ended.Load() {
		return // nothing will be read
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.total, b.rearm = t, time.Time{}
	if !t.IsZero() {
		_ = b.c.sock.SetReadDeadline(t)
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
	return b.c.sock.SetReadDeadline(limit)
}
