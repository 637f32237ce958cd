package edge

import (
	"errors"
	"io"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/holdfast-edge/holdfast/edge/http1"
	"github.com/holdfast-edge/holdfast/edge/upstream"
)

// upload is a body that is still arriving while the app already answers: a second
// goroutine reads it from the client, keeps it, and passes it on. The first one
// reads the answer meanwhile, because an app may answer early, and one that is not
// read from may stop reading.
type upload struct {
	f       *flight
	conn    *upstream.Conn
	done    chan struct{}
	ended   atomic.Bool // the goroutine is about to return; err is set
	stopped atomic.Bool // nothing more goes to the app
	failed  atomic.Bool // the exchange has failed: the body is only read for the record
	settled atomic.Bool // the answer is complete and was no failure
	since   time.Time   // that it was; valid after settled
	written bool        // the app has all of it; valid after done
	err     error       // io.EOF when the body was read to its end; valid after ended
}

const (
	// chunkRoom is what a chunk's size line needs in front of its data, in bytes.
	chunkRoom = 16
	// An upload begins with a small buffer, in bytes, and gets a large one when it has
	// filled that: to announce a body costs a client nothing.
	uploadFirst, uploadBuffer = 8 << 10, 128 << 10
	// settledRate is how many bytes a second, on average, must come of a body whose
	// answer is complete. Nobody waits for it any more, so it may not go on for ever.
	settledRate = 32 << 10
)

func (f *flight) startUpload(conn *upstream.Conn) {
	u := &upload{f: f, conn: conn, done: make(chan struct{})}
	f.up = u
	conn.AwaitForever() // the app's time starts when it has everything
	conn.Watch(u)
	go u.run()
}

// Gone implements upstream.Client. While the body is read, reading finds out.
func (u *upload) Gone() bool { return u.ended.Load() && u.f.x.Answer.Gone() }

// Flush implements upstream.Client.
func (u *upload) Flush() error { return u.f.x.Answer.Flush() }

func (u *upload) run() {
	defer close(u.done)
	defer u.recovered()
	x := u.f.x
	mem := http1.GetBuffer(uploadFirst)
	defer func() { http1.PutBuffer(mem) }()
	limit := u.f.gen.cfg.Limits.MaxBody
	var total, late int64 // bytes; late: since the answer was complete
	for u.err == nil {
		data := (*mem)[chunkRoom : len(*mem)-2]
		n, err := x.Body.Read(data)
		total += int64(n)
		if total > limit {
			err = errTooLarge
		}
		if n > 0 {
			_, _ = u.f.capture.Write(data[:n])
			u.pass(*mem, n, x.Length < 0)
		}
		if n == len(data) && len(*mem) < uploadBuffer {
			http1.PutBuffer(mem)
			mem = http1.GetBuffer(uploadBuffer)
		}
		if u.settled.Load() && !u.stopped.Load() {
			late += int64(n)
			u.bound(late)
		}
		if err == nil && u.stopped.Load() && (u.settled.Load() || u.f.capture.Truncated()) {
			err = errEnough
		}
		u.err = err
	}
	if u.err == io.EOF && !u.stopped.Load() {
		u.written = true
		if x.Length < 0 {
			_, err := u.conn.Write(http1.AppendLastChunk((*mem)[:0], x.Body.Trailers()))
			u.written = err == nil
		}
	}
	u.ended.Store(true)
	if u.err == io.EOF || u.err == errEnough || u.failed.Load() {
		u.conn.Await()
	} else {
		u.conn.Interrupt()
	}
}

// bound sets the deadline of an upload whose answer is complete and of which n bytes
// have come since: body_timeout without a byte, or with too few of them in all.
func (u *upload) bound(n int64) {
	limit := u.f.gen.limits.BodyTimeout
	until := u.since.Add(limit + time.Duration(n/settledRate)*time.Second)
	if next := time.Now().Add(limit); next.Before(until) {
		until = next
	}
	u.f.x.Body.SetDeadline(until)
}

// recovered ends the upload, not the process, on a bug.
func (u *upload) recovered() {
	if v := recover(); v != nil {
		u.f.edge.log.Error().Interface("panic", v).Str("id", u.f.idText).Bytes("stack", debug.Stack()).
			Msg("a bug: an upload was broken off")
		u.err = errors.New("internal error")
		u.ended.Store(true)
		u.conn.Interrupt()
	}
}

// errEnough ends an upload that nobody wants any more.
var errEnough = errors.New("nothing more of the body is kept or passed on")

// pass sends n bytes that lie in mem behind chunkRoom to the app.
func (u *upload) pass(mem []byte, n int, chunked bool) {
	if u.stopped.Load() {
		return
	}
	p := mem[chunkRoom : chunkRoom+n]
	if chunked {
		var line [chunkRoom]byte
		head := http1.AppendChunkHead(line[:0], n)
		start := chunkRoom - len(head)
		copy(mem[start:], head)
		mem[chunkRoom+n], mem[chunkRoom+n+1] = '\r', '\n'
		p = mem[start : chunkRoom+n+2]
	}
	if _, err := u.conn.Write(p); err != nil {
		// It may have answered before it stopped reading; that answer is awaited.
		u.stopped.Store(true)
		u.conn.Await()
	}
}

// endUpload waits for the second goroutine. If the exchange has failed, the rest of
// the body is read for the record, as readRest does. If the app has said yes before it
// had everything, it still gets the rest, unless it takes no more, or its client
// trickles it.
func (f *flight) endUpload() {
	u := f.up
	if u == nil {
		return
	}
	f.up = nil
	switch {
	case u.ended.Load():
	case f.failed():
		u.failed.Store(true)
		u.stopped.Store(true)
		u.conn.CutWrites()
		f.x.Body.SetDeadline(time.Now().Add(f.gen.limits.BodyTimeout))
	default:
		u.since = time.Now()
		u.bound(0)
		u.settled.Store(true)
		if u.stopped.Load() {
			f.x.Body.SetDeadline(time.Unix(1, 0))
		}
	}
	<-u.done
	f.bodyErr = u.err
	f.cut = f.cut || !u.written
}
