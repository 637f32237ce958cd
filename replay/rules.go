package replay

import (
	"fmt"

	"github.com/holdfast-edge/holdfast/accesslog"
	"github.com/holdfast-edge/holdfast/configs"
	"github.com/holdfast-edge/holdfast/routing"
)

// Class is what becomes of a record that was looked at. Except for NotMatched,
// the numbers of records in the classes add up to those matched.
type Class uint8

// The classes.
const (
	NotMatched       Class = iota // it did not fail, and was not asked for
	AlreadyDelivered              // by an earlier run
	LeftOut                       // by default; a filter that names it takes it in
	CannotBeResent                // as long as nothing else changes
	ToSend
)

// Reason says why a record is left out or cannot be resent. Every reason belongs
// to one class.
type Reason uint8

// The reasons. Their order is the order they are shown in.
const (
	NoReason Reason = iota

	SafeMethod    // GET, HEAD, OPTIONS, TRACE
	Genuine4xx    // the right app said no
	RefusedAgain  // no site, or no route of it, took the request then nor does today
	RefusedToday  // it was taken then, and is refused today
	NoAppToday    // the edge itself answers the request today
	MalformedThen // refused for what it is
	NotFailed     // named by id, answered well
	OverLimit     // beyond --limit

	Truncated  // the body was longer than what was kept
	Incomplete // the client did not send it all
	NoPayload  // nothing was kept
	NoKey      // sealed, and no key at hand opens it
	Damaged    // the record store says that the payload is not what was written
	Gone       // planned by a run that is continued, and no longer in the log
	SetAside   // the app rejected it when it was replayed
	MaybeSent  // unknown: an earlier attempt may have arrived
	reasons
)

// Class is the class that records left for this reason are in.
func (r Reason) Class() Class {
	switch {
	case r == NoReason:
		return ToSend
	case r <= OverLimit:
		return LeftOut
	}
	return CannotBeResent
}

// Key is the reason's name in JSON.
func (r Reason) Key() string {
	return [reasons]string{"", "safe_method", "genuine_4xx", "refused_again", "refused_today", "no_app_today", "malformed", "not_failed", "over_limit",
		"truncated", "incomplete", "no_payload", "no_key", "damaged", "gone", "set_aside", "unknown"}[r]
}

// Rules decide about one record at a time. They are read-only and safe for
// concurrent use.
type Rules struct {
	Config *configs.Config
	// Target, if set, is where everything goes, whatever the routes say.
	Target string
	// Named says what the selection's filters name; what is named is not left
	// out by default.
	Named Named
	// Misrouted takes in what was answered 2xx or 3xx by another app than today's.
	Misrouted bool
	// Continue means that the records are those of a run that is continued: it
	// has chosen them already.
	Continue bool
	// ResendUnknown takes in what may have arrived.
	ResendUnknown bool
}

// Named tells which filters the operator gave.
type Named struct {
	ID      bool // --id
	Method  bool // --method
	Answer  bool // --status or --outcome
	Request bool // --host, --site or --path
}

// Judgement is what the rules say about one record.
type Judgement struct {
	Class  Class
	Reason Reason
	// Why says in a few words why it is sent: "misrouted, 401".
	Why string
	// Then and Now are the destinations, in words.
	Then, Now string
	// Destination is set for ToSend.
	Destination Destination
	// MisroutedOK is set for a record that was answered 2xx or 3xx by another
	// app than today's, whether or not Rules.Misrouted is set.
	MisroutedOK bool
}

// Judge says what becomes of e, which stands in the ledger as s.
func (r *Rules) Judge(e *accesslog.Entry, s Standing) Judgement {
	today := Today(r.Config, e)
	misrouted := Misrouted(r.Config, e, today)
	j := Judgement{Then: then(e), Now: today.App}
	failed := e.Failed()
	// Only a final answer counts as one that was given by the wrong app; what
	// went another way (101) was no request for an app to keep.
	j.MisroutedOK = misrouted && !failed && e.Status >= 200
	if !failed && !r.Named.ID && !r.Continue && !(r.Misrouted && j.MisroutedOK) {
		return j
	}
	if s.State == Delivered {
		j.Class = AlreadyDelivered
		return j
	}
	j.Reason = r.reason(e, s, today, misrouted)
	j.Class = j.Reason.Class()
	if j.Class != ToSend {
		return j
	}
	j.Destination = Destination{App: today.App, URL: r.Target}
	j.Now = j.Destination.String()
	j.Why = why(e, misrouted)
	return j
}

// reason goes through the rules in their order: first what is left out by
// default, so that only records somebody would want are called unsendable.
func (r *Rules) reason(e *accesslog.Entry, s Standing, today routing.Decision, misrouted bool) Reason {
	byID := r.Named.ID || r.Continue
	byAnswer := byID || r.Named.Answer
	// A pinned destination takes what no route does, if it was asked for by name.
	pinned := r.Target != "" && (byAnswer || r.Named.Request)
	clientError := e.Status >= 400 && e.Status < 500
	switch {
	case malformedThen(e):
		return MalformedThen
	case !pinned && today.Verdict != routing.Served && e.App == "":
		return RefusedAgain
	case !pinned && today.Verdict != routing.Served:
		return RefusedToday
	case !pinned && today.App == "":
		return NoAppToday
	case safeMethod(e.Request.Method) && !byID && !r.Named.Method:
		return SafeMethod
	case clientError && !misrouted && !temporary(e) && !byAnswer && !(pinned && refusedThen(e)):
		return Genuine4xx
	case !e.Failed() && !misrouted:
		return NotFailed
	case s.State == Unknown && !r.mayRepeat(e, today):
		return MaybeSent
	case (s.State == Rejected || s.State == Unknown && Classify(s.Status) == Rejected && !r.ResendUnknown) && !r.tryAgain(s, today):
		return SetAside
	}
	return payloadReason(e)
}

// payloadReason says why a payload cannot be sent, as far as the record tells.
func payloadReason(e *accesslog.Entry) Reason {
	switch {
	case !e.Captured():
		return NoPayload
	case e.Body.Truncated:
		return Truncated
	case !e.Body.Complete:
		return Incomplete
	}
	return NoReason
}

// mayRepeat reports whether a request that may have arrived is sent again.
func (r *Rules) mayRepeat(e *accesslog.Entry, today routing.Decision) bool {
	if r.ResendUnknown || IdempotentMethod(e.Request.Method) {
		return true
	}
	app := r.Config.App(today.App)
	return r.Target == "" && app != nil && app.Idempotent
}

// tryAgain reports whether a record that an earlier run brought to an app, which
// did not want it, is brought again. An answer that speaks of the place rather
// than of the request is never held against the record; any other holds until
// the record would go elsewhere or under another configuration.
func (r *Rules) tryAgain(s Standing, today routing.Decision) bool {
	to := Destination{App: today.App, URL: r.Target}.String()
	return r.Named.ID || wrongPlace(s.Status) || s.App != to || s.Generation != r.Config.Generation()
}

// temporary reports whether a 4xx is no verdict on the request: the client left,
// or was asked to come again.
func temporary(e *accesslog.Entry) bool {
	return e.Outcome == accesslog.ClientAbort || Classify(e.Status) == Failed
}

func safeMethod(method string) bool {
	return method == "GET" || method == "HEAD" || method == "OPTIONS" || method == "TRACE"
}

// then is where the record went, in words.
func then(e *accesslog.Entry) string {
	switch {
	case e.App != "":
		return e.App
	case refusedThen(e), e.Outcome == accesslog.Rejected:
		return "refused"
	case e.Site != "":
		return "the edge"
	}
	return "-"
}

// why says why a record is sent.
func why(e *accesslog.Entry, misrouted bool) string {
	switch {
	case refusedThen(e):
		return fmt.Sprintf("no route then, %d", e.Status)
	case e.Outcome == accesslog.UpstreamDown, e.Outcome == accesslog.Timeout, e.Status >= 502 && e.Status <= 504:
		if misrouted {
			return "misrouted, 502-504"
		}
		return "app down, 502-504"
	case misrouted:
		return fmt.Sprintf("misrouted, %d", e.Status)
	case e.Outcome == accesslog.ClientAbort:
		return "client left, body whole"
	case e.Outcome == accesslog.EdgeCrash:
		return "edge was killed"
	case e.Status >= 500:
		return fmt.Sprintf("%d, app may have acted", e.Status)
	case temporary(e):
		return fmt.Sprintf("%d, not at that time", e.Status)
	case e.Status >= 400:
		return fmt.Sprintf("genuine %d, asked for", e.Status)
	}
	return e.Outcome.String()
}
