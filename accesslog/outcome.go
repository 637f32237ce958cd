package accesslog

import (
	"errors"
	"fmt"
)

// Outcome says how an exchange ended. The zero Outcome means that nobody said,
// and counts as a failure.
type Outcome uint8

// The outcomes of the contract.
const (
	OK           Outcome = iota + 1 // answered by an app or by the edge, status below 400
	Upstream4xx                     // the app answered 4xx
	Upstream5xx                     // the app answered 5xx
	UpstreamDown                    // no upstream took the request, or its answer was malformed
	Timeout                         // the app did not answer in time
	NoRoute                         // no site names the host, or no route of it the path
	SNIMismatch                     // the TLS name and Host belong to different sites
	ClientAbort                     // the client went away
	Rejected                        // malformed, over a limit, or not allowed
	Queued                          // taken for later delivery
	EdgeCrash                       // the edge died while it was in flight
	outcomeEnd
)

// ErrBadOutcome is returned by ParseOutcome.
var ErrBadOutcome = errors.New("not an outcome")

// String returns the name the contract gives the outcome, "unknown" for others.
func (o Outcome) String() string {
	switch o {
	case OK:
		return "ok"
	case Upstream4xx:
		return "upstream_4xx"
	case Upstream5xx:
		return "upstream_5xx"
	case UpstreamDown:
		return "upstream_down"
	case Timeout:
		return "timeout"
	case NoRoute:
		return "no_route"
	case SNIMismatch:
		return "sni_mismatch"
	case ClientAbort:
		return "client_abort"
	case Rejected:
		return "rejected"
	case Queued:
		return "queued"
	case EdgeCrash:
		return "edge_crash"
	}
	return "unknown"
}

// ParseOutcome reads the name of an outcome, exactly as String writes it. The
// name "unknown" is an error; it is only read back from records.
func ParseOutcome(s string) (Outcome, error) {
	for o := OK; o < outcomeEnd; o++ {
		if o.String() == s {
			return o, nil
		}
	}
	return 0, fmt.Errorf("%w: %q (one of ok, upstream_4xx, upstream_5xx, upstream_down, timeout, no_route, "+
		"sni_mismatch, client_abort, rejected, queued, edge_crash)", ErrBadOutcome, clip(s, 64))
}

// MarshalText returns String.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText is ParseOutcome, and accepts "unknown".
func (o *Outcome) UnmarshalText(text []byte) error {
	if string(text) == "unknown" {
		*o = 0
		return nil
	}
	parsed, err := ParseOutcome(string(text))
	if err != nil {
		return err
	}
	*o = parsed
	return nil
}

// Failed reports whether an exchange that ended so failed: every outcome but OK
// and Queued, and every status of 400 or more.
func Failed(o Outcome, status int) bool {
	return o != OK && o != Queued || status >= 400
}
