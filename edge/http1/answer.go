package http1

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/holdfast-edge/holdfast/edge/exchange"
)

// flushAt is how many bytes are queued before they are sent, in bytes; larger
// writes go straight through.
const flushAt = smallBuffer - 512

// answer writes the answer of the current exchange; it implements
// exchange.Responder.
type answer struct {
	c *conn

	// mu serialises 100 Continue, which the goroutine that reads the body sends,
	// with everything else.
	mu sync.Mutex

	buf     *[]byte
	queued  []byte      // alias of *buf
	vec     net.Buffers // reused for writes of two parts
	vecMem  [3][]byte
	sent    int64 // body bytes
	used    bool  // a byte of a final answer was sent
	begun   bool
	chunked bool
	noBody  bool
	remain  int64 // body bytes still promised by Content-Length; -1 unknown

	http10  bool
	closing bool // the connection ends after this answer
	broken  bool // a write failed, or Close was called
	tunnel  bool
}

func (a *answer) reset() {
	a.sent, a.used, a.begun, a.chunked, a.noBody, a.remain = 0, false, false, false, false, 0
	a.http10, a.closing, a.broken, a.tunnel = false, false, false, false
}

func (a *answer) acquire() {
	if a.buf == nil {
		a.buf = GetBuffer(smallBuffer)
		a.queued = (*a.buf)[:0]
	}
}

func (a *answer) release() {
	if a.buf == nil {
		return
	}
	a.queued = (*a.buf)[:0]
}

var errBroken = errors.New("the connection to the client is closed")

// sendContinue sends 100 Continue, unless the final answer has begun.
func (a *answer) sendContinue() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.begun || a.http10 {
		return nil
	}
	_, err := a.c.sock.Write([]byte("HTTP/1.1 100 Continue\r\n\r\n"))
	return err
}

// Interim implements exchange.Responder. HTTP/1.0 has no interim answers
// (RFC 9110, section 15.2).
func (a *answer) Interim(status int, fields []exchange.Field) error {
	if a.http10 {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.acquire()
	a.queued = AppendStatus(a.queued, status)
	a.appendFields(fields, "")
	a.queued = append(a.queued, "\r\n"...)
	return a.flush()
}

func (a *answer) appendFields(fields []exchange.Field, id string) (date bool) {
	for i := range fields {
		f := &fields[i]
		switch {
		case f.ID.HopByHop(), f.ID == exchange.XRequestID && id != "":
			continue
		case f.ID == exchange.Date:
			date = true
		}
		a.queued = AppendField(a.queued, f.Name, f.Value)
	}
	if id != "" {
		a.queued = append(a.queued, "X-Request-Id: "...)
		a.queued = append(a.queued, id...)
		a.queued = append(a.queued, "\r\n"...)
	}
	return date
}

// Begin implements exchange.Responder.
func (a *answer) Begin(h *exchange.AnswerHead) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.broken {
		return errBroken
	}
	a.begun = true
	a.acquire()
	// What the client has not sent yet cannot be told from its next request.
	if a.c.server.draining.Load() || !a.c.body.ended.Load() {
		a.closing = true
	}
	a.noBody, a.remain = h.NoBody, h.Length
	a.queued = AppendStatus(a.queued, h.Status)
	if !a.appendFields(h.Fields, h.RequestID) {
		a.queued = a.c.server.appendDate(a.queued, a.c.x.Now)
	}
	switch {
	case h.Status == 101:
		a.queued = append(a.queued, "Connection: Upgrade\r\nUpgrade: "...)
		a.queued = append(a.queued, a.c.x.Upgrade...)
		a.queued = append(a.queued, "\r\n\r\n"...)
		return nil
	case h.Status < 200 || h.Status == 204:
	case h.Length >= 0:
		a.queued = AppendLength(a.queued, h.Length)
	case h.NoBody:
	case a.http10:
		a.closing = true
	default:
		a.chunked = true
		a.queued = append(a.queued, "Transfer-Encoding: chunked\r\n"...)
	}
	switch {
	case a.closing:
		a.queued = append(a.queued, "Connection: close\r\n"...)
	case a.http10:
		a.queued = append(a.queued, "Connection: keep-alive\r\n"...)
	}
	a.queued = append(a.queued, "\r\n"...)
	return nil
}

// Write implements exchange.Responder. Bytes beyond the announced length are an
// error: they would be read as the next answer.
func (a *answer) Write(p []byte) (int, error) {
	if a.broken {
		return 0, errBroken
	}
	if a.noBody || len(p) == 0 {
		return len(p), nil
	}
	if a.remain >= 0 {
		if int64(len(p)) > a.remain {
			return 0, errors.New("the answer is longer than its Content-Length")
		}
		a.remain -= int64(len(p))
	}
	a.acquire()
	a.sent += int64(len(p))
	if a.chunked {
		a.queued = AppendChunkHead(a.queued, len(p))
	}
	if len(a.queued)+len(p) <= flushAt {
		a.queued = append(a.queued, p...)
		if a.chunked {
			a.queued = append(a.queued, "\r\n"...)
		}
		return len(p), nil
	}
	if a.c.secure != nil {
		return len(p), a.wrote(a.writeSecure(p))
	}
	a.vecMem[0], a.vecMem[1] = a.queued, p
	a.vec = a.vecMem[:2]
	if a.chunked {
		a.vecMem[2] = crlf
		a.vec = a.vecMem[:3]
	}
	err := a.c.sock.WriteParts(&a.vec)
	a.vecMem = [3][]byte{}
	a.queued = (*a.buf)[:0]
	return len(p), a.wrote(err)
}

var crlf = []byte("\r\n")

// Flush implements exchange.Responder.
func (a *answer) Flush() error {
	if a.broken {
		return errBroken
	}
	if len(a.queued) == 0 {
		return nil
	}
	return a.flush()
}

func (a *answer) flush() error {
	var err error
	if a.c.driving {
		_, err = a.c.sock.WriteNow(a.queued)
	} else {
		_, err = a.c.sock.Write(a.queued)
	}
	a.queued = (*a.buf)[:0]
	return a.wrote(err)
}

func (a *answer) wrote(err error) error {
	a.used = a.used || a.begun
	if err != nil {
		a.broken = true
	}
	return err
}

// End implements exchange.Responder.
func (a *answer) End(trailers []exchange.Field) error {
	if a.broken {
		return errBroken
	}
	if a.chunked {
		a.queued = AppendLastChunk(a.queued, trailers)
	} else if a.remain > 0 && !a.noBody {
		return exchange.ErrShort
	}
	return a.Flush()
}

// Close implements exchange.Responder.
func (a *answer) Close() {
	a.broken, a.closing = true, true
	if !a.c.driving { // else serve does it, right after the handler
		_ = a.c.sock.Close()
	}
}

// CloseAfter implements exchange.Responder.
func (a *answer) CloseAfter() { a.closing = true }

// Sent implements exchange.Responder.
func (a *answer) Sent() int64 { return a.sent }

// Gone implements exchange.Responder.
func (a *answer) Gone() bool { return a.c.sock.Gone() }

// Tunnel implements exchange.Responder.
func (a *answer) Tunnel(app io.Closer) (exchange.Tunnel, error) {
	if err := a.Flush(); err != nil {
		return nil, err
	}
	a.tunnel = true
	a.c.app.Store(&app)
	a.c.sock.ClearDeadlines()
	a.c.reading = readIdle // no deadlines any more
	return &tunnel{c: a.c}, nil
}

// tunnel is the connection after a switch of protocols; what was read ahead
// comes first. One goroutine may read while another writes.
type tunnel struct{ c *conn }

func (t *tunnel) Read(p []byte) (int, error) {
	if u := t.c.in.Unread(); len(u) > 0 {
		n := copy(p, u)
		t.c.in.Consume(n)
		return n, nil
	}
	return t.c.sock.Read(p)
}

func (t *tunnel) Write(p []byte) (int, error) { return t.c.sock.Write(p) }

func (t *tunnel) Close() error { return t.c.sock.Close() }

func (t *tunnel) Expire(after time.Duration) { _ = t.c.sock.SetReadDeadline(time.Now().Add(after)) }

func (t *tunnel) CloseWrite() error { return t.c.sock.CloseWrite() }
