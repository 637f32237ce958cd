// Package replay brings recorded requests to the app they should have reached.
//
// It works in four steps, one type each:
//
//	Selection   which records match, and what becomes of each of them   (select)
//	Plan        the sums, and the ids that are to be sent, in order      (plan)
//	Engine      sends them, one lane per app, and judges the answers     (send)
//	Ledger      what was tried and how it ended, on disk                 (ledger)
//
// The order of writes around one attempt is what the promises rest on:
//
//	connection stands -> intent synced -> first byte sent -> answer -> result synced
//
// so whatever has no intent was certainly not sent, and whatever has an intent
// without a result may have arrived: it is "unknown" and never sent again
// without a reason (a method or an app that can tell duplicates apart, or a
// person who says so). What was delivered is never sent again by any run.
//
// The package decides what is sent, when, where and with which attempt number.
// How bytes travel is the Sender's business.
package replay

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast-edge/holdfast/accesslog"
)

// ErrNotSent is wrapped by a Sender's error when certainly no byte of the
// request left: refused, unreachable, no connection in time.
var ErrNotSent = errors.New("not sent")

// ErrUnknown is wrapped by a Sender's error when the request, or a part of it,
// was sent and no whole answer head came back.
var ErrUnknown = errors.New("sent, no answer")

// ErrUnsendable is wrapped by a Sender's error when certainly no byte left
// because of the record itself: its head cannot be read, its body cannot be
// framed. Another try would end the same way, so the record is skipped and the
// app is not suspected.
var ErrUnsendable = errors.New("cannot be sent as it was recorded")

// A Sender delivers one recorded request. It is safe for concurrent use.
type Sender interface {
	// Send delivers r to dest and waits for the head of the answer. committed
	// is called once, after a connection stands and before the first byte
	// leaves; if it fails, nothing is sent and its error is returned. A call of
	// committed may wait for the disk.
	//
	// r and its payload belong to the Sender only during the call; the payload's
	// body is read at most once and closed by the caller. The method, target,
	// headers in order and body are sent as they were recorded, less hop-by-hop
	// fields. Errors wrap ErrNotSent, ErrUnknown or ErrUnsendable.
	Send(ctx context.Context, dest Destination, r *Request, committed func() error) (Answer, error)
}

// Destination is where a request is to go.
type Destination struct {
	App string // an app of the configuration
	URL string // scheme and authority given by --target; "" means the app's upstreams
}

// String names the destination in output and in the ledger.
func (d Destination) String() string {
	if d.URL != "" {
		return d.URL
	}
	return d.App
}

// Request is one recorded request on its way.
type Request struct {
	ID         accesslog.ID
	Attempt    int // 1 for the first replay; the live try was 0
	RecordedAt time.Time
	Payload    *accesslog.Opened
}

// Answer is what the app said.
type Answer struct {
	Status   int
	Upstream string // who answered, host:port
	Duration time.Duration
}
