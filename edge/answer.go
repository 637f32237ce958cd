package edge

import (
	"errors"
	"os"
	"strconv"
	"time"

	"github.com/holdfast-edge/holdfast/accesslog"
	"github.com/holdfast-edge/holdfast/configs"
	"github.com/holdfast-edge/holdfast/edge/exchange"
	"github.com/holdfast-edge/holdfast/edge/http1"
)

// Statuses that are recorded but never sent.
const (
	statusDropped    = 444 // closed without an answer, as configured
	statusClientGone = 499 // the client left first
)

// begin queues the head of an answer. Every answer passes here: one that is a
// failure is on disk, with its payload, before its first byte can leave.
func (f *flight) begin(h *exchange.AnswerHead) error {
	f.status = h.Status
	if f.failed() {
		f.commit()
	}
	h.RequestID = f.idText
	return f.x.Answer.Begin(h)
}

// refuseMalformed answers what could not be understood.
func (f *flight) refuseMalformed() {
	bad := f.x.Malformed
	if bad.Status == statusClientGone {
		f.lost(bad.Reason)
		return
	}
	f.refuse(bad.Status, accesslog.Rejected, bad.Reason)
}

// refuse answers without asking any app.
func (f *flight) refuse(status int, o accesslog.Outcome, reason string) {
	f.fail(status, o, reason)
	if status == statusDropped {
		f.commit()
		f.x.Answer.Close()
		return
	}
	f.answerPlain(status)
}

// fail notes how the exchange ended. What was noted first stays.
func (f *flight) fail(status int, o accesslog.Outcome, reason string) {
	if f.outcome == accesslog.OK {
		f.outcome, f.reason = o, reason
	}
	if !f.committed {
		f.status = status
	}
}

// lost notes that the client left; nothing can be sent any more.
func (f *flight) lost(reason string) {
	f.fail(statusClientGone, accesslog.ClientAbort, reason)
	if !f.committed {
		f.commit()
	}
	f.x.Answer.Close()
}

// answerPlain sends an answer of the edge's own: one line that names the status.
func (f *flight) answerPlain(status int) {
	x := f.x
	text := strconv.AppendInt(nil, int64(status), 10)
	text = append(text, ' ')
	if x.Malformed != nil && x.Malformed.Tell != "" {
		text = append(text, x.Malformed.Tell...)
	} else {
		text = append(text, statusText(status)...)
	}
	text = append(text, '\n')
	h := exchange.AnswerHead{Status: status, Fields: plainFields, Length: int64(len(text)),
		NoBody: string(x.Method) == "HEAD"}
	if x.Malformed != nil || !f.routed {
		x.Answer.CloseAfter()
	}
	if f.begin(&h) != nil {
		return
	}
	if _, err := x.Answer.Write(text); err == nil {
		_ = x.Answer.End(nil)
	}
}

var plainFields = []exchange.Field{
	{Name: []byte("Content-Type"), Value: []byte("text/plain; charset=utf-8"), ID: exchange.ContentType},
	{Name: []byte("X-Content-Type-Options"), Value: []byte("nosniff")},
}

// bodyFailed answers a request whose body could not be read.
func (f *flight) bodyFailed(err error) {
	f.bodyErr = err
	status, outcome, reason := bodyFault(err)
	if outcome == accesslog.ClientAbort {
		f.lost(reason)
		return
	}
	f.refuse(status, outcome, reason)
}

// bodyFault says how an exchange ends whose body could not be read.
func bodyFault(err error) (status int, o accesslog.Outcome, reason string) {
	var bad *exchange.Malformed
	switch {
	case errors.Is(err, errTooLarge):
		return 413, accesslog.Rejected, errTooLarge.Error()
	case errors.As(err, &bad):
		return bad.Status, accesslog.Rejected, bad.Reason
	case errors.Is(err, os.ErrDeadlineExceeded):
		return 408, accesslog.Rejected, "the body did not arrive within limits.body_timeout"
	}
	return statusClientGone, accesslog.ClientAbort, "the client left while it sent the body"
}

var errTooLarge = errors.New("the body is larger than limits.max_body")

// readRest reads what is left of the body into the capture, for a record that is
// about to be committed: for at most body_timeout in total and up to what is kept. A
// client that waits for 100 Continue is only asked for its body where a site names
// the host.
func (f *flight) readRest() {
	x := f.x
	f.endUpload()
	if x.Malformed != nil || f.bodyErr != nil || f.keep == configs.CaptureNone ||
		x.ExpectContinue && (!f.routed || f.status == 413) {
		return
	}
	x.Body.SetDeadline(time.Now().Add(f.gen.limits.BodyTimeout))
	buf := http1.GetBuffer(64 << 10)
	defer http1.PutBuffer(buf)
	for !f.capture.Truncated() {
		n, err := x.Body.Read(*buf)
		_, _ = f.capture.Write((*buf)[:n])
		if err != nil {
			f.bodyErr = err
			return
		}
	}
}
