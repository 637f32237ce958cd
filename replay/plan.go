package replay

import (
	"time"

	"github.com/holdfast-edge/holdfast/accesslog"
)

// Plan is what a selection found, and what is to be done about it. Matched is
// Delivered + the sums of LeftOut and Cannot + len(Items).
type Plan struct {
	Items        []Item        // what is to be sent, in order of id
	Destinations []Destination // what Item.Dest indexes
	PerDest      []int         // items for each of them
	AllFailed    bool          // no item was answered well
	Bytes        int64         // of the bodies of the items

	Matched       int
	Delivered     int
	DeliveredRuns []string         // the runs that did it, in the order they were met
	Reasons       [reasons]int     // how many were left out or cannot be resent, by Reason
	Examples      [reasons]Example // the first record of each
	Genuine       []int            // the statuses of what was left out as Genuine4xx, ascending
	Groups        []Group          // the items, in the order of their first record
	Days          []Day            // the items by local day, in order
	Samples       []Example        // the first item of the first few groups
	Unreplayable  []Unreplayable   // CannotBeResent, if it was asked for

	// AlsoOK and AlsoPayload count what was answered 2xx or 3xx by another app
	// than today's and not taken in: all, and those that have a payload.
	AlsoOK, AlsoPayload int
	AlsoNotLooked       bool // there are too many records to count them by the way

	From, Until time.Time // what was searched; zero means no bound
	Stats       accesslog.ScanStats
	Took        time.Duration
}

// Of is the number of records in a class.
func (p *Plan) Of(c Class) int {
	switch c {
	case AlreadyDelivered:
		return p.Delivered
	case ToSend:
		return len(p.Items)
	}
	n := 0
	for r := NoReason + 1; r < reasons; r++ {
		if r.Class() == c {
			n += p.Reasons[r]
		}
	}
	return n
}

// Remaining is how many of the records that are not to be sent now still wait:
// what cannot be resent, and what --limit cut off.
func (p *Plan) Remaining() int { return p.Of(CannotBeResent) + p.Reasons[OverLimit] }

// Group counts the items that have the same host, way of failing and destinations.
type Group struct {
	Host, Why, Then, Now string
	Count                int
}

// Day counts the items of one day.
type Day struct {
	Date  time.Time // its midnight
	Count int
}

// Example is one record, to be shown.
type Example struct {
	ID                accesslog.ID
	Method, Host, URI string
	Cut               bool // the clear text was: Method, Host, URI are only its beginning
	TLS               bool
	Bytes             int64
	ContentType       string
	Status            int
	Outcome           accesslog.Outcome
	Reason            string
	Destination       string
	Time              time.Time
}

// Unreplayable is one record that cannot be sent, and why.
type Unreplayable struct {
	Example
	Why Reason
}

func example(e *accesslog.Entry, dest string) Example {
	x := Example{
		ID: e.ID, Method: e.Request.Method, Host: e.Request.Host, URI: e.Request.URI, Cut: e.Request.Cut, TLS: e.Request.TLS != nil,
		Bytes: e.Body.Bytes, Status: e.Status, Outcome: e.Outcome, Reason: e.Reason, Destination: dest, Time: e.Time,
	}
	if v := e.Request.Headers["Content-Type"]; len(v) > 0 {
		x.ContentType = v[0]
	}
	return x
}
