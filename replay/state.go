package replay

import "fmt"

// State is where a record stands with its delivery.
type State uint8

// The states. Attempting is only ever seen while a run is at work: read back
// from the disk it means Unknown.
const (
	Pending    State = iota // to be sent; also the zero value: never tried
	Attempting              // the intent is on disk, the end is not
	Delivered               // answered 2xx or 3xx; final
	Failed                  // answered, the app could not do it now; sent again by the next run
	Rejected                // answered 4xx: the app does not want it
	Skipped                 // could not be sent; the reason says why
	Unknown                 // sent, no answer; it may have arrived
	states
)

var stateNames = [states]string{"pending", "attempting", "delivered", "failed", "rejected", "skipped", "unknown"}

// String is the state as the ledger and the commands write it.
func (s State) String() string {
	if s < states {
		return stateNames[s]
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// ParseState reads what String writes.
func ParseState(text string) (State, error) {
	for s, name := range stateNames {
		if name == text {
			return State(s), nil
		}
	}
	return 0, fmt.Errorf("no such state: %q", text)
}

// Classify is the state a record is in after the app answered with status.
//
//	2xx, 3xx             Delivered
//	408, 425, 429, 5xx   Failed: it may go well another time (RFC 9110 15.5.9,
//	                     RFC 8470 5.2, RFC 6585 4)
//	other 4xx            Rejected
//
// Anything that is no final status (1xx, 6xx) is the answer of something broken: Failed.
func Classify(status int) State {
	switch {
	case status >= 200 && status < 400:
		return Delivered
	case status == 408, status == 425, status == 429:
		return Failed
	case status >= 400 && status < 500:
		return Rejected
	}
	return Failed
}

// Redirect reports whether status sends the client elsewhere. The record is
// delivered all the same: that is how many apps answer a form they took, and
// sending it again would do it twice. But a login page looks the same.
func Redirect(status int) bool { return status >= 300 && status < 400 && status != 304 }

// wrongPlace reports whether status says that the request reached the wrong app
// or a closed door, rather than that the request itself is bad. Such an answer is
// evidence about the configuration: the record is tried again by the next run.
func wrongPlace(status int) bool {
	return status == 401 || status == 403 || status == 404 || status == 421
}

// notNow reports whether status says that nobody stood behind the answer, or that
// whoever did is too busy: the next request would end the same way, so the lane pauses.
func notNow(status int) bool {
	return status == 429 || status == 502 || status == 503 || status == 504
}

// IdempotentMethod reports whether a method may be sent twice without harm
// (RFC 9110 9.2.2). Methods are case-sensitive.
func IdempotentMethod(method string) bool {
	switch method {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE":
		return true
	}
	return false
}
