package differential

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/edge/exchange"
	"github.com/holdfast-edge/holdfast/edge/http1"
	"github.com/holdfast-edge/holdfast/edge/upstream"
	"github.com/holdfast-edge/holdfast/integration_test/differential/rfc"
	"github.com/holdfast-edge/holdfast/routing"
)

// wire is the connection of a client that has sent everything and then closes. It gives
// out the bytes in pieces.
type wire struct {
	data   string
	piece  func() int // how long the next piece is; 0: all
	closed chan struct{}
	once   sync.Once
}

func (w *wire) Read(p []byte) (int, error) {
	if w.data == "" {
		return 0, io.EOF
	}
	if n := w.piece(); n > 0 && n < len(p) {
		p = p[:n]
	}
	n := copy(p, w.data)
	w.data = w.data[n:]
	return n, nil
}

func (w *wire) Write(p []byte) (int, error)      { return len(p), nil }
func (w *wire) Close() error                     { w.once.Do(func() { close(w.closed) }); return nil }
func (w *wire) LocalAddr() net.Addr              { return peer }
func (w *wire) RemoteAddr() net.Addr             { return peer }
func (w *wire) SetDeadline(time.Time) error      { return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

var peer = net.TCPAddrFromAddrPort(netip.MustParseAddrPort("192.0.2.1:7777"))

// ourMessage is what the edge makes of one request.
type ourMessage struct {
	// One of three: refused for a reason, cut off by the end of the stream, or read.
	refused    string
	incomplete bool

	method, target, host string
	length               int64 // -1: chunked
	body                 string
	trailers             []rfc.Field
	persist              bool
	expect               bool
	upgrade              string
	fields               int

	forward string // what the app is sent
}

// maxHeader is limits.max_header as it is by default.
const maxHeader = 32 << 10

// reader is a server of the edge's data plane that notes what it is asked. Not for
// concurrent use.
type reader struct {
	server http1.Server
	origin upstream.Origin
	got    []ourMessage
	panics []any
}

func newReader(t testing.TB) *reader {
	t.Helper()
	r := &reader{}
	t.Cleanup(func() {
		if err := r.server.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	limits := http1.Limits{HeaderTimeout: time.Minute, BodyTimeout: time.Minute, IdleTimeout: time.Minute, MaxHeader: maxHeader}
	r.server.Limits = func() http1.Limits { return limits }
	r.server.Handler = r.handle
	r.server.Panicked = func(v any) { r.panics = append(r.panics, v) }
	return r
}

// read serves a connection with the stream, in pieces, as the edge does.
func (r *reader) read(stream string, piece func() int, o upstream.Origin) []ourMessage {
	r.got, r.origin = nil, o
	w := &wire{data: stream, piece: piece, closed: make(chan struct{})}
	r.server.Start(w, 0)
	<-w.closed
	return r.got
}

// socketEnd is our end of a pair of sockets.
type socketEnd struct {
	*net.UnixConn
	closed chan struct{}
	once   sync.Once
}

func (s *socketEnd) Close() error {
	err := s.UnixConn.Close()
	s.once.Do(func() { close(s.closed) })
	return err
}

// readSocket is read over a pair of sockets, where the data plane takes its own way to the
// operating system.
func (r *reader) readSocket(stream string, piece func() int, o upstream.Origin) ([]ourMessage, error) {
	client, ours, err := pair()
	if err != nil {
		return nil, err
	}
	r.got, r.origin = nil, o
	s := &socketEnd{UnixConn: ours, closed: make(chan struct{})}
	r.server.Start(s, 0)
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = io.Copy(io.Discard, client) })
	for rest := stream; rest != ""; {
		n := len(rest)
		if p := piece(); p > 0 {
			n = min(n, p)
		}
		if _, err := io.WriteString(client, rest[:n]); err != nil {
			break // it was refused before all was sent
		}
		rest = rest[n:]
	}
	_ = client.CloseWrite()
	<-s.closed
	wg.Wait()
	return r.got, client.Close()
}

// pair makes two ends of a stream.
func pair() (a, b *net.UnixConn, err error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	var ends [2]*net.UnixConn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "pair")
		c, err := net.FileConn(f)
		f.Close()
		if err != nil {
			return nil, nil, err
		}
		ends[i] = c.(*net.UnixConn)
	}
	return ends[0], ends[1], nil
}

func (r *reader) handle(x *exchange.Exchange) {
	m := r.message(x)
	r.got = append(r.got, m)
	status := 200
	if m.refused != "" || m.incomplete {
		status = 400
		x.Answer.CloseAfter()
	}
	if x.Answer.Begin(&exchange.AnswerHead{Status: status}) == nil {
		_ = x.Answer.End(nil)
	}
}

// message reads one exchange to its end, and writes it as the edge writes it to an app.
func (r *reader) message(x *exchange.Exchange) (m ourMessage) {
	if bad := x.Malformed; bad != nil {
		if bad.Status == 499 { // the client left
			return ourMessage{incomplete: true}
		}
		return ourMessage{refused: bad.Reason}
	}
	// The head by itself, as it is in the record.
	var again http1.Request
	if err := again.ParseRecorded(x.Head); err != nil {
		return ourMessage{refused: "the recorded head is refused: " + err.Error()}
	}
	m = ourMessage{
		method: string(x.Method), target: string(x.Target), host: string(x.Host), length: x.Length,
		persist: !again.Close, expect: x.ExpectContinue, upgrade: string(x.Upgrade), fields: len(x.Fields),
	}
	if _, err := routing.ParseHost(x.Host); err != nil {
		return ourMessage{refused: err.Error()}
	}
	const small = 64 << 10 // as package edge has it
	body, whole, err := x.Body.Buffered(small)
	if err == nil && !whole {
		body, err = io.ReadAll(x.Body)
	}
	var bad *exchange.Malformed
	switch {
	case errors.As(err, &bad):
		return ourMessage{refused: bad.Reason}
	case err == io.ErrUnexpectedEOF:
		return ourMessage{incomplete: true}
	case err != nil:
		return ourMessage{refused: "an error that nobody expects: " + err.Error()}
	}
	m.body = string(body)
	for _, f := range x.Body.Trailers() {
		m.trailers = append(m.trailers, rfc.Field{Name: string(f.Name), Value: string(f.Value)})
	}
	m.forward = string(r.forward(x, body, whole))
	return m
}

// forward writes the request as package edge sends it: a body that is known in one piece
// behind its head, another in chunks.
func (r *reader) forward(x *exchange.Exchange, body []byte, whole bool) []byte {
	if whole {
		return append(upstream.AppendHead(nil, x, &r.origin, int64(len(body))), body...)
	}
	out := upstream.AppendHead(nil, x, &r.origin, x.Length)
	if x.Length >= 0 {
		return append(out, body...)
	}
	for p := range slices.Chunk(body, 1+len(body)/3) {
		out = append(append(http1.AppendChunkHead(out, len(p)), p...), "\r\n"...)
	}
	return http1.AppendLastChunk(out, x.Body.Trailers())
}

// same reports in what two readings of one stream differ.
func (m *ourMessage) same(o *ourMessage) string {
	switch {
	case m.refused != o.refused:
		return "refusal: " + m.refused + " / " + o.refused
	case m.incomplete != o.incomplete:
		return "completeness"
	case m.method != o.method || m.target != o.target || m.host != o.host:
		return "head"
	case m.length != o.length || m.body != o.body || !slices.Equal(m.trailers, o.trailers):
		return "body"
	case m.persist != o.persist || m.expect != o.expect || m.upgrade != o.upgrade:
		return "connection"
	}
	return ""
}

// reading is what a request is to whoever got it. The framing is left out where a proxy may
// choose it anew.
type reading struct{ method, target, host, body string }

func (m *ourMessage) reading() reading {
	return reading{m.method, m.target, strings.ToLower(m.host), m.body}
}

// differs names the first part in which two readings differ, "" if they agree.
func (a reading) differs(b reading) string {
	switch {
	case a.method != b.method:
		return "the method"
	case a.target != b.target:
		return "the target"
	case a.host != b.host:
		return "the host"
	case a.body != b.body:
		return "the body"
	}
	return ""
}
