package edge

import (
	"runtime/debug"
	"sync"
	"unsafe"

	"github.com/holdfast-edge/holdfast/accesslog"
	"github.com/holdfast-edge/holdfast/configs"
	"github.com/holdfast-edge/holdfast/edge/exchange"
	"github.com/holdfast-edge/holdfast/edge/upstream"
	"github.com/holdfast-edge/holdfast/routing"
)

// serve is the path of one request through the edge, whatever its protocol. The
// protocol has decoded it; when serve returns, it has been answered or broken off,
// and is recorded.
func (e *Edge) serve(x *exchange.Exchange) {
	f := e.open(x) // capture is opened first: refusals are recorded too
	defer e.close(f)
	switch {
	case x.Malformed != nil:
		f.openCapture()
		f.refuseMalformed()
	case !f.route(): // host -> site -> route, or a refusal
	case f.decision.App == "":
		f.answerLocally()
	default:
		f.forward(f.gen.apps[f.decision.App])
	}
}

// flight is one exchange on its way through the chain, with what each step found
// out. It is pooled; nothing may keep it after close.
type flight struct {
	edge *Edge
	gen  *generation
	x    *exchange.Exchange

	id       accesslog.ID
	idText   string
	client   clientOf
	decision routing.Decision
	keep     configs.Capture
	capture  *accesslog.Capture
	up       *upload // while a second goroutine reads the body

	outcome                accesslog.Outcome
	status                 int
	upstream               string
	reason                 string
	routed                 bool  // a site names the host
	bodyErr                error // io.EOF: the whole body was read
	cut                    bool  // the app did not get the whole request
	committed              bool  // the captured record is on disk, or could not be put there
	tunnelRead, tunnelSent int64 // bytes after a switch of protocols
	headers                [3]accesslog.Header
	record                 accesslog.Record
	payload                accesslog.Payload
	origin                 upstream.Origin
	head                   exchange.AnswerHead // here, because it would escape
	message                []byte              // the request as it leaves; its memory is kept
}

var flights = sync.Pool{New: func() any { return new(flight) }}

// maxMessage is how large a message a flight makes in memory of its own, in bytes.
const maxMessage = 8 << 10

// unmatchedBody is how much of a body is kept for hosts that no site names, in bytes.
const unmatchedBody = 64 << 10

// open starts the record of an exchange.
func (e *Edge) open(x *exchange.Exchange) *flight {
	f := flights.Get().(*flight)
	*f = flight{edge: e, gen: e.live.Load(), x: x, outcome: accesslog.OK, message: f.message[:0]}
	f.id = e.ids.Next(x.Arrival)
	// The text is the id itself: it lives as long as the flight does.
	f.idText = unsafe.String(&f.id[0], len(f.id))
	f.findClient()
	return f
}

// openCapture decides how much of the body the record may keep.
func (f *flight) openCapture() {
	limit := f.gen.cfg.Log.MaxBody
	if !f.routed {
		limit = min(limit, unmatchedBody)
	}
	if f.keep == configs.CaptureNone {
		limit = 0
	}
	f.capture = f.edge.store.NewCapture(limit)
}

// route finds out what answers. If nothing does it refuses and returns false.
func (f *flight) route() bool {
	x := f.x
	f.decision = f.gen.table.Resolve(x.Host, x.Method, x.Target)
	if r := f.decision.Route; r != nil {
		f.keep = r.Data.(*configs.Route).Capture
	} else if s := f.decision.Site; s != nil {
		f.keep = s.Data.(*configs.Site).Capture
	}
	f.routed = f.decision.Site != nil
	f.openCapture()
	if f.routed && !f.secured() {
		return false
	}
	switch f.decision.Verdict {
	case routing.Served:
	case routing.BadHost:
		f.refuse(400, accesslog.Rejected, "the host is malformed")
		return false
	case routing.Ambiguous:
		f.refuse(400, accesslog.Rejected, "the path can be read in two ways that lead to different routes")
		return false
	case routing.BadTarget:
		f.refuse(400, accesslog.Rejected, "the path is malformed")
		return false
	case routing.NoPath:
		f.refuse(404, accesslog.NoRoute, "no route of the site matches the path")
		return false
	default:
		f.refuse(f.gen.cfg.Unmatched.Respond, accesslog.NoRoute, "no site names the host")
		return false
	}
	if limit := f.gen.cfg.Limits.MaxBody; x.Length > limit {
		f.refuse(bodyFault(errTooLarge))
		return false
	}
	return true
}

// close ends the record: the outcome is known. A panic in the chain ends this
// exchange only.
func (e *Edge) close(f *flight) {
	if v := recover(); v != nil {
		e.log.Error().Interface("panic", v).Str("id", f.idText).Bytes("stack", debug.Stack()).
			Msg("a bug: the request was broken off and recorded")
		f.fail(502, accesslog.UpstreamDown, "internal error")
		defer f.x.Answer.Close() // when it is recorded
	}
	if f.capture == nil {
		f.openCapture()
	}
	f.endUpload()
	if !f.committed && (f.failed() || f.keep == configs.CaptureAll) {
		f.commit()
	}
	f.fillRecord()
	e.store.Append(&f.record)
	f.capture.Release()
	flights.Put(f)
}

// failed is the contract's definition of a failed request.
func (f *flight) failed() bool { return accesslog.Failed(f.outcome, f.status) }
