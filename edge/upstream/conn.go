package upstream

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/holdfast-edge/holdfast/edge/exchange"
	"github.com/holdfast-edge/holdfast/edge/http1"
	"github.com/holdfast-edge/holdfast/edge/socket"
)

const (
	// maxAnswerHead bounds the head of an answer, in bytes.
	maxAnswerHead = 256 << 10
	// maxInterim bounds how many 1xx answers may come before the final one.
	maxInterim = 100
	// tick is how often a wait for the app looks whether the client is still there.
	tick = time.Second
)

// Conn is a connection to an upstream with one exchange on it. One goroutine owns
// it; a second may write the request's body while the owner reads the answer.
type Conn struct {
	endpoint *Endpoint
	sock     *socket.Conn
	in       http1.Buffer
	head     http1.Response
	body     http1.Decoder
	reused   bool
	expires  time.Time
	life     time.Duration // how long it may stay idle after this answer
	app      *App          // that acquired it
	from     *address      // where it leads, if its endpoint has a name

	// Of the wait for the app: until when (Unix nanoseconds, 0 for ever), whom to ask
	// whether it is still worth it, and whether to stop.
	limit       atomic.Int64
	client      Client
	interrupted atomic.Bool
	endless     atomic.Bool // the answer may be silent for any time
	streaming   bool        // the head of the answer was read: each read has the whole limit
	armed       time.Time   // the read deadline that is set
	now         time.Time   // when the clock was last looked at
	got         bool        // a byte of the answer has arrived
	pending     int         // bytes of the request the app had not taken when last asked, -1: not asked

	// Of the read under way, and of the request that leaves with it.
	step   func() bool // made once
	into   []byte
	n      int
	err    error
	ask    []byte // not written yet
	asked  int    // bytes of the request that were written by the step
	askErr error  // why it was not written whole
	// stale: the idle connection had been closed, or something had arrived unasked,
	// which is not to be taken for the answer.
	stale bool
}

// errStale is why a request was not written to a connection that the app had closed
// while it was idle.
var errStale = errors.New("the app closed the idle connection")

func newConn(e *Endpoint, sock *socket.Conn) *Conn {
	c := &Conn{endpoint: e, sock: sock}
	c.step = c.exchange
	c.in.Reset(c)
	return c
}

// use makes the connection one of app's exchanges.
func (c *Conn) use(app *App) {
	c.app = app
	c.sock.SetStall(app.Response)
}

// Upstream is the name of the endpoint.
func (c *Conn) Upstream() string { return c.endpoint.Name }

// Host is what the Host field of a request has to say here, "" for what the client sent.
func (c *Conn) Host() string { return c.endpoint.host }

// Reused reports whether the connection had carried an exchange before.
func (c *Conn) Reused() bool { return c.reused }

// Now is when the connection last looked at the clock.
func (c *Conn) Now() time.Time { return c.now }

// Client is asked whether the wait for the app is still worth it.
type Client interface {
	// Gone reports, without blocking, whether the client has left.
	Gone() bool
	// Flush sends what is queued for the client. It is called before every wait
	// for the app, so that nothing the app has said waits for what it says next.
	Flush() error
}

// Interim takes the informational answers of an app. An error means that the
// client is gone.
type Interim interface {
	Interim(status int, fields []exchange.Field) error
}

// Watch makes every wait for the app flush what the client has not been sent, and ask
// about once a second whether it is still there. nil ends both.
func (c *Conn) Watch(client Client) { c.client = client }

// Await starts the clock of the app's answer: from now on it has the app's response
// time to make progress. Safe for concurrent use.
func (c *Conn) Await() { c.await(time.Now()) }

func (c *Conn) await(now time.Time) {
	c.limit.Store(now.UnixNano() + int64(c.app.Response))
	if c.endless.Load() {
		c.limit.Store(0)
	}
}

// AwaitForever lets the app take its time.
func (c *Conn) AwaitForever() { c.limit.Store(0) }

// Interrupt makes the read under way, and all later ones, fail with ErrInterrupted.
// Safe for concurrent use.
func (c *Conn) Interrupt() {
	c.interrupted.Store(true)
	_ = c.sock.SetReadDeadline(time.Unix(1, 0))
}

// CutWrites makes writes fail from now on, the one under way too. Safe for
// concurrent use.
func (c *Conn) CutWrites() { c.sock.CutWrites() }

// Write sends bytes of the request. It fails when the app takes none for the
// app's response time.
func (c *Conn) Write(p []byte) (int, error) { return c.sock.Write(p) }

// Ask starts the clock of the answer and gives the connection a whole request, which
// leaves with the next read: that saves asking the poller whether the answer is there
// before there can be one. message stays untouched until ReadHead returns; Asked says
// then what became of it.
func (c *Conn) Ask(message []byte) {
	c.await(c.now)
	c.pending = -1
	c.ask, c.asked, c.askErr = message, 0, nil
}

// Start writes the head of a request whose body follows by Write. It reports whether
// that worked; if not, Asked says why, and ReadHead is worth a try all the same.
func (c *Conn) Start(head []byte) bool {
	c.await(c.now)
	c.pending = -1
	c.asked, c.askErr = 0, nil
	if c.stale = c.reused && !c.sock.Quiet(); c.stale {
		c.askErr = errStale
		return false
	}
	c.asked, c.askErr = c.sock.Write(head)
	return c.askErr == nil
}

// Asked returns how many bytes Ask or Start have written, and why not all of them.
func (c *Conn) Asked() (int, error) { return c.asked, c.askErr }

// Read reads from the app, in waits of at most a second, so that it can look
// whether the client is still there. Errors: ErrTimeout, ErrClientGone,
// ErrInterrupted, io.EOF, or the connection's.
func (c *Conn) Read(p []byte) (int, error) {
	c.into = p
	if c.client != nil && c.client.Flush() != nil {
		return 0, ErrClientGone
	}
	if c.streaming {
		// The client may have taken long with what came before.
		c.now = time.Now()
		if c.limit.Load() != 0 {
			c.await(c.now)
		}
	}
	for {
		limit := c.limit.Load()
		until := c.now.Add(tick)
		if limit != 0 && until.UnixNano() > limit {
			if c.now.UnixNano() >= limit && !c.takes() {
				return 0, ErrTimeout
			}
			until = time.Unix(0, c.limit.Load())
		}
		// A deadline that still has half a tick to go is left as it is.
		if c.armed.Sub(c.now) < tick/2 || c.armed.After(until) {
			if err := c.sock.SetReadDeadline(until); err != nil {
				return 0, err
			}
			c.armed = until
		}
		if c.interrupted.Load() {
			return 0, ErrInterrupted
		}
		if c.stale {
			return 0, io.EOF
		}
		c.n, c.err = 0, nil
		err := c.sock.Drive(c.step)
		if err == nil {
			err = c.err
		}
		c.now = time.Now()
		if c.n > 0 {
			c.got = true
			return c.n, nil
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return 0, err
		}
		c.armed = time.Time{}
		if c.client != nil && c.client.Gone() {
			return 0, ErrClientGone
		}
		c.takes()
	}
}

// takes reports whether the app has taken some of the request since it was last asked.
// The kernel may hold so much of a body that a slow app needs longer than its
// response time to read it; its time begins anew with each part it takes.
func (c *Conn) takes() bool {
	if c.limit.Load() == 0 || c.streaming {
		return false // the upload under way watches itself; or an answer is coming
	}
	before, now := c.pending, c.sock.Unacknowledged()
	c.pending = now
	if now < before || before < 0 && now > 0 {
		c.await(c.now)
		return true
	}
	return false
}

// exchange is the step of sock.Drive: it writes the request, if there is one, and
// waits; then it reads once.
func (c *Conn) exchange() (done bool) {
	if c.ask != nil {
		message := c.ask
		c.ask = nil
		if c.stale = c.reused && !c.sock.QuietNow(); c.stale {
			c.askErr, c.err = errStale, io.EOF
			return true
		}
		c.asked, c.askErr = c.sock.WriteNow(message)
		if c.askErr == nil {
			return false
		}
		// There may be an answer all the same: an app may answer and close before
		// it has read everything.
	}
	var again bool
	c.n, again, c.err = c.sock.TryRead(c.into)
	return !again
}

// ReadHead reads the head of the final answer to a request with the given method.
// 1xx answers that concern the client go to interim (100 is not among
// them: the edge has sent its own). The head is valid until StreamBody or Release.
// Errors: ErrTimeout, ErrClientGone, ErrInterrupted, ErrMalformed, ErrClosed.
func (c *Conn) ReadHead(method []byte, interim Interim) (*http1.Response, error) {
	for range maxInterim {
		if err := c.readHead(); err != nil {
			return nil, err
		}
		h := &c.head
		switch {
		case h.Status == 101 || h.Status >= 200:
			h.Body(&c.body, &c.in, method)
			c.life = keepAlive(h.Fields, idleTime)
			return h, nil
		case h.Status != 100:
			if err := interim.Interim(h.Status, h.Fields); err != nil {
				return nil, fmt.Errorf("%w: %w", ErrClientGone, err)
			}
		}
		c.in.Unpin()
	}
	return nil, malformed("too many interim answers")
}

func (c *Conn) readHead() error {
	c.head.Reset()
	for {
		buf := c.in.Unread()
		n, bad := c.head.Parse(buf)
		switch {
		case bad != nil:
			return malformed(bad.Reason)
		case n > 0:
			c.in.Pin(n)
			return nil
		case len(buf) > maxAnswerHead:
			return malformed("the head is too large")
		}
		moves := c.in.Moves
		if err := c.in.Fill(); err != nil {
			return closed(err)
		}
		if c.in.Moves != moves {
			c.head.Reset()
		}
	}
}

// Answered reports whether any byte of an answer has arrived.
func (c *Conn) Answered() bool { return c.got }

// StreamBody lets the head go, for Body to use its memory. endless says that the app may be silent for any
// time; else it has its response time between one part and the next.
func (c *Conn) StreamBody(endless bool) {
	c.streaming = true
	c.endless.Store(endless)
	if endless {
		c.AwaitForever()
	} else if c.limit.Load() != 0 {
		c.await(c.now)
	}
	c.in.Unpin()
}

// Body reads the body of the answer. Its errors are those of BodyError.
func (c *Conn) Body() *http1.Decoder { return &c.body }

// BodyError translates an error of Body, which is then one of ReadHead's.
func BodyError(err error) error {
	var bad *exchange.Malformed
	if errors.As(err, &bad) {
		return malformed(bad.Reason)
	}
	return closed(err)
}

func malformed(reason string) error { return fmt.Errorf("%w: %s", ErrMalformed, reason) }

// closed translates an error of Read.
func closed(err error) error {
	switch err {
	case ErrTimeout, ErrClientGone, ErrInterrupted:
		return err
	case io.EOF, io.ErrUnexpectedEOF:
		return ErrClosed
	}
	return fmt.Errorf("%w: %w", ErrClosed, err)
}

// Release ends the exchange. The connection is kept for reuse if the request was
// written whole, the answer was read to its end, and both sides want it kept.
func (c *Conn) Release(written bool) {
	e := c.endpoint
	e.active.Add(-1)
	c.app.well(e)
	gate := c.app.gate // left when the connection is in the pool: it is not counted twice
	keep := written && c.body.Done() && !c.head.Close && c.head.Status != 101 &&
		!c.interrupted.Load() && !c.sock.WasCut() && len(c.in.Unread()) == 0
	c.in.Free()
	if !keep || c.life <= 0 {
		_ = c.sock.Close()
		gate.leave()
		return
	}
	c.client, c.got, c.streaming = nil, false, false
	c.endless.Store(false)
	c.limit.Store(0)
	c.expires = c.now.Add(c.life)
	e.put(c)
	gate.leave()
}

// Discard ends the exchange and the connection. broke says that the app broke it off.
func (c *Conn) Discard(broke bool) {
	c.endpoint.active.Add(-1)
	if broke && !c.reused {
		c.app.broke(c.endpoint)
	}
	c.in.Free()
	_ = c.sock.Close()
	c.app.gate.leave()
}

// Detach hands the connection over after a 101 answer, with what was read ahead.
// The exchange stays counted until Detached.Close.
func (c *Conn) Detach() *Detached {
	c.sock.ClearDeadlines()
	return &Detached{c: c}
}

// Detached is a connection after a switch of protocols. One goroutine may read
// while another writes.
type Detached struct {
	c      *Conn
	closed atomic.Bool
}

// Read returns what was read ahead first.
func (d *Detached) Read(p []byte) (int, error) {
	if u := d.c.in.Unread(); len(u) > 0 {
		n := copy(p, u)
		d.c.in.Consume(n)
		return n, nil
	}
	return d.c.sock.Read(p)
}

func (d *Detached) Write(p []byte) (int, error) { return d.c.sock.Write(p) }

// Expire makes reads fail from a time on.
func (d *Detached) Expire(after time.Duration) { _ = d.c.sock.SetReadDeadline(time.Now().Add(after)) }

// CloseWrite half-closes towards the app.
func (d *Detached) CloseWrite() error {
	return d.c.sock.CloseWrite()
}

// Close ends the connection; more than once does nothing.
func (d *Detached) Close() error {
	if d.closed.Swap(true) {
		return nil
	}
	d.c.endpoint.active.Add(-1)
	defer d.c.app.gate.leave()
	return d.c.sock.Close()
}

// keepAlive shortens a lifetime to what the app announced (the Keep-Alive field is
// described in RFC 2068, section 19.7.1.1), less a second for the way.
func keepAlive(fields []exchange.Field, life time.Duration) time.Duration {
	for i := range fields {
		if fields[i].ID != exchange.KeepAlive {
			continue
		}
		_, v, ok := bytes.Cut(fields[i].Value, []byte("timeout="))
		if !ok {
			continue
		}
		end := 0
		for end < len(v) && v[end] >= '0' && v[end] <= '9' {
			end++
		}
		if n, err := strconv.Atoi(string(v[:end])); err == nil {
			life = min(life, time.Duration(n)*time.Second-time.Second)
		}
	}
	return life
}
