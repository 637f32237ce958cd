package edge

import (
	"errors"
	"io"

	"github.com/holdfast-edge/holdfast/accesslog"
	"github.com/holdfast-edge/holdfast/edge/exchange"
	"github.com/holdfast-edge/holdfast/edge/http1"
	"github.com/holdfast-edge/holdfast/edge/upstream"
)

const (
	// smallBody is how large a body may be, in bytes, to be read whole before it is
	// sent: it then leaves with its head in one write and can be sent again.
	smallBody = 64 << 10
	// maxTries bounds how often one exchange is sent.
	maxTries = 3
)

// forward brings the exchange to an app and the answer back.
func (f *flight) forward(app *upstream.App) {
	x := f.x
	body, whole, err := x.Body.Buffered(smallBody)
	if len(body) > 0 {
		f.capture.Alias(body)
	}
	if err != nil {
		f.bodyFailed(err)
		return
	}
	if whole {
		f.bodyErr = io.EOF
	}
	conn, head := f.ask(app, body, whole)
	switch {
	case conn == nil: // answered already
	case head.Status == 101:
		f.tunnel(conn, head)
	default:
		f.relay(conn, head)
	}
}

// ask sends the request and waits for the head of the answer, and tries again where
// that cannot do harm. If there is no answer it ends the exchange and returns nil.
func (f *flight) ask(app *upstream.App, body []byte, whole bool) (*upstream.Conn, *http1.Response) {
	x := f.x
	f.origin = upstream.Origin{ID: f.idText, Peer: x.Remote.Addr(), Scheme: f.client.scheme, Trusted: f.client.proxy.IsValid(),
		Key: app.Idempotent && upstream.KeyFor(x.Method)}
	length := x.Length
	if whole {
		length = int64(len(body))
	}
	if n := len(x.Head) + len(body) + 1024; n > maxMessage {
		large := http1.GetBuffer(n)
		f.message = (*large)[:0]
		defer func() {
			f.message = nil
			http1.PutBuffer(large)
		}()
	}
	var tried upstream.Tried
	fresh := false
	var last error
	for try := 1; ; try++ {
		conn, err := app.Acquire(f.edge.cut, x.Answer, x.Now, &tried, fresh)
		if err != nil {
			if last == nil || errors.Is(err, upstream.ErrClientGone) {
				last = err
			}
			if d := (*upstream.DialError)(nil); errors.As(err, &d) {
				f.upstream = d.Upstream
			}
			f.unanswered(last)
			return nil, nil
		}
		f.upstream, f.origin.Host = conn.Upstream(), conn.Host()
		conn.Watch(x.Answer)
		f.message = upstream.AppendHead(f.message[:0], x, &f.origin, length)
		if whole {
			f.message = append(f.message, body...)
			conn.Ask(f.message)
		} else if conn.Start(f.message) {
			f.startUpload(conn)
		}
		// After a failed write there may be an answer all the same: an app may
		// answer and close before it has read everything.
		head, readErr := conn.ReadHead(x.Method, x.Answer)
		x.Now = conn.Now()
		sent, err := conn.Asked()
		f.cut = err != nil
		if readErr == nil && head.Status == 101 && x.Upgrade == nil {
			readErr = upstream.ErrMalformed
		}
		if readErr == nil {
			// An app that answers before it has everything may never read the
			// rest: no other request may be put behind it.
			f.cut = f.cut || f.up != nil && !f.up.ended.Load()
			return conn, head
		}
		nothingSent := err != nil && sent == 0
		harmless := nothingSent || upstream.IdempotentMethod(x.Method) || f.origin.Key
		again := try < maxTries && f.up == nil && harmless &&
			errors.Is(readErr, upstream.ErrClosed) && !conn.Answered()
		broke := errors.Is(readErr, upstream.ErrClosed) || errors.Is(readErr, upstream.ErrMalformed)
		if again && conn.Reused() {
			tried.Untry(app, conn) // it may just have been closed for its age
			fresh = true
		}
		conn.Discard(broke)
		if !again {
			f.unanswered(readErr)
			return nil, nil
		}
		last = readErr
	}
}

// unanswered ends an exchange that got no answer from its app.
func (f *flight) unanswered(err error) {
	if f.up != nil && f.up.ended.Load() {
		f.endUpload()
		if f.bodyErr != io.EOF && f.bodyErr != errEnough { // the upload ended the wait
			f.bodyFailed(f.bodyErr)
			return
		}
	}
	switch {
	case errors.Is(err, upstream.ErrClientGone):
		f.lost("the client left before the app answered")
	case errors.Is(err, upstream.ErrTimeout):
		f.refuse(504, accesslog.Timeout, "the app did not answer within its response timeout")
	case errors.Is(err, upstream.ErrBusy):
		f.refuse(503, accesslog.UpstreamDown, upstream.Reason(err))
	case errors.Is(err, upstream.ErrUnreachable):
		f.refuse(502, accesslog.UpstreamDown, upstream.Reason(err))
	case errors.Is(err, upstream.ErrMalformed):
		f.refuse(502, accesslog.UpstreamDown, "the app's answer is malformed")
	default:
		f.refuse(502, accesslog.UpstreamDown, "the app closed the connection before it answered")
	}
}

// relay streams the answer to the client as it comes.
func (f *flight) relay(conn *upstream.Conn, head *http1.Response) {
	x := f.x
	switch {
	case head.Status >= 500:
		f.outcome = accesslog.Upstream5xx
	case head.Status >= 400:
		f.outcome = accesslog.Upstream4xx
	}
	f.head = exchange.AnswerHead{Status: head.Status, Fields: head.Fields, Length: head.Length(),
		NoBody: !head.HasBody(x.Method)}
	endless := isEventStream(head.Fields)
	if err := f.begin(&f.head); err != nil {
		conn.Discard(false)
		f.lost("the client left before it was answered")
		return
	}
	body := conn.Body()
	conn.StreamBody(endless)
	for {
		p, err := body.Next() // flushes before it waits
		if len(p) > 0 {
			if _, err := x.Answer.Write(p); err != nil {
				f.brokeOff(conn, upstream.ErrClientGone)
				return
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			f.brokeOff(conn, upstream.BodyError(err))
			return
		}
	}
	if err := x.Answer.End(body.Trailers()); err != nil {
		f.brokeOff(conn, upstream.ErrClientGone)
		return
	}
	f.endUpload()
	conn.Release(!f.cut)
}

// brokeOff ends an answer that had begun: what is known is committed before the
// client can see that it was cut short.
func (f *flight) brokeOff(conn *upstream.Conn, err error) {
	conn.Discard(errors.Is(err, upstream.ErrClosed) || errors.Is(err, upstream.ErrMalformed))
	switch {
	case errors.Is(err, upstream.ErrInterrupted): // by the upload, which has ended
		f.endUpload()
		_, outcome, reason := bodyFault(f.bodyErr)
		if outcome == accesslog.ClientAbort {
			f.lost(reason)
			return
		}
		f.fail(f.status, outcome, reason)
	case errors.Is(err, upstream.ErrClientGone):
		f.lost("the client left before the answer was complete")
		return
	case errors.Is(err, upstream.ErrTimeout):
		f.fail(f.status, accesslog.Timeout, "the app stopped in the middle of its answer")
	default:
		f.fail(f.status, accesslog.UpstreamDown, "the app's answer was cut short")
	}
	f.commit()
	f.x.Answer.Close()
}

// isEventStream reports whether an answer may rightly be silent for any time.
func isEventStream(fields []exchange.Field) bool {
	const eventStream = "text/event-stream"
	for i := range fields {
		if v := fields[i].Value; fields[i].ID == exchange.ContentType && len(v) >= len(eventStream) {
			return exchange.Is(v[:len(eventStream)], eventStream)
		}
	}
	return false
}
