package replay

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfast-edge/holdfast/accesslog"
)

// Payloads opens what was recorded of a request. It is safe for concurrent use.
type Payloads interface {
	// Open gives the record's payload; the caller closes its Body. Any error but
	// ctx's own means that this record cannot be sent, and is the reason given.
	Open(ctx context.Context, id accesslog.ID) (*Recorded, error)
}

// Recorded is an opened payload and when its request arrived.
type Recorded struct {
	Time    time.Time
	Payload *accesslog.Opened
}

// Book is where an Engine writes what it does; *Run is one. It is safe for
// concurrent use.
type Book interface {
	// Of is where a record stands, all earlier runs included.
	Of(id accesslog.ID) Standing
	// Intent and Result are durable once they return nil. Intent fails with
	// ErrDelivered for a record that was delivered. Any other error of either is
	// the end of the run.
	Intent(d Delivery) error
	Result(d Delivery) error
}

// Observer is told how a run goes. Its methods are called one at a time, and the
// engine waits for them.
type Observer interface {
	// Settled is called once for every item. State is never Attempting; Pending
	// is an item that was left for another time.
	Settled(d Delivery)
	// Canary tells how the first answer of a lane looked.
	Canary(d Delivery)
	// Waiting says that dest is not there now and is tried again after pause.
	Waiting(dest Destination, pause time.Duration, why string)
	// Stopped says that a lane was given up.
	Stopped(s Stop)
}

// Stop is why sending to one destination was given up.
type Stop struct {
	Destination Destination
	Answered    int    // how many of the first answers were alike; 0 if the app was down
	Status      int    // which answer that was, or the last one of an app that is down
	Upstream    string // who gave it
	Left        int    // how many stay pending
	Reason      string // in words, for an app that is down
	Example     accesslog.ID
}

// Item is one record to send.
type Item struct {
	ID   accesslog.ID
	Dest int32 // index into Engine.Destinations
	// Redirected says that the live try was answered 3xx: another one is no surprise.
	Redirected bool
}

// Options say how an Engine sends. Zero values mean what the comments say.
type Options struct {
	Rate        float64         // requests per second; 0: as fast as it goes
	Concurrency int             // in flight at once; 0: 1
	Redirects   bool            // 3xx answers are what these apps give to what they took
	StopAfter   int             // give a lane up when its first answers are alike and bad; 0: 20
	Pauses      []time.Duration // between tries of an app that is not there; nil: Pauses()
	Now         func() time.Time
}

// Pauses are the waits between tries of an app that is not there: a restart of it
// is waited for, an outage is not.
func Pauses() []time.Duration {
	return []time.Duration{250 * time.Millisecond, time.Second, 4 * time.Second, 10 * time.Second}
}

const (
	stopAfter    = 20
	unknownTries = 3       // an unknown costs a record, so fewer tries than there are pauses
	inMemory     = 1 << 20 // bodies up to this many bytes are held while they are sent
)

// Engine sends items, in their order for each destination, and writes the ledger.
type Engine struct {
	Sender       Sender
	Payloads     Payloads
	Book         Book
	Observer     Observer
	Destinations []Destination
	Options      Options
}

// Report is how a run ended. The counts add up to the number of items.
type Report struct {
	Counts      [states]int // by State
	Redirected  int         // of the delivered ones, answered 3xx
	Stops       []Stop
	Interrupted bool // stop was closed, or ctx ended, before all was tried
}

// Of is the number of items that ended in s.
func (r *Report) Of(s State) int { return r.Counts[s] }

// outcome is what a worker hands back.
type outcome struct {
	lane    *lane
	item    Item
	d       Delivery
	notSent error // certainly not sent, no fault of the record
	fatal   error // the ledger cannot be written
}

// Run sends items, which are in order of id, and returns when all are settled,
// given up, or left because stop was closed. Those in flight are waited for;
// only the end of ctx cuts them off. The error is the ledger's: what the Report
// says is true all the same, as far as it was written.
func (e *Engine) Run(ctx context.Context, items []Item, stop <-chan struct{}) (Report, error) {
	c := e.coordinator(items)
	done := make(chan outcome, c.concurrency)
	inflight := 0
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		wait := time.Hour
		for !c.stopping && inflight < c.concurrency {
			l, w := c.next(e.now())
			if l == nil {
				wait = w
				break
			}
			item := l.take()
			inflight++
			go func() { done <- e.attempt(ctx, l, item) }()
		}
		if inflight == 0 && (c.stopping || wait < 0) {
			break
		}
		if wait >= 0 {
			timer.Reset(wait)
		}
		select {
		case out := <-done:
			inflight--
			c.judge(out)
		case <-timer.C:
		case <-stop:
			c.interrupt()
			stop = nil
		case <-ctx.Done():
			c.interrupt()
			// Those in flight see it too; only they are waited for.
			for ; inflight > 0; inflight-- {
				c.judge(<-done)
			}
		}
	}
	return c.finish(), c.fatal
}

func (e *Engine) now() time.Time {
	if e.Options.Now != nil {
		return e.Options.Now()
	}
	return time.Now()
}

// attempt sends one item once and writes the ledger. It runs on its own goroutine.
func (e *Engine) attempt(ctx context.Context, l *lane, item Item) outcome {
	out := outcome{lane: l, item: item}
	out.d = Delivery{ID: item.ID, App: l.dest.String(), Attempt: e.Book.Of(item.ID).Attempts + 1}
	rec, err := e.open(ctx, item.ID)
	if err != nil {
		if ctx.Err() != nil {
			out.notSent = ctx.Err()
			return out
		}
		out.d.Attempt = 0
		return e.close(out, Skipped, err.Error())
	}
	defer rec.Payload.Body.Close()

	intended := false
	var bookErr error
	committed := func() error {
		d := out.d
		d.At = e.now()
		if bookErr = e.Book.Intent(d); bookErr == nil {
			intended = true
		}
		return bookErr
	}
	start := e.now()
	req := &Request{ID: item.ID, Attempt: out.d.Attempt, RecordedAt: rec.Time, Payload: rec.Payload}
	answer, err := e.Sender.Send(ctx, l.dest, req, committed)
	out.d.Duration = e.now().Sub(start)
	if answer.Duration > 0 {
		out.d.Duration = answer.Duration
	}
	out.d.Upstream = answer.Upstream
	switch {
	case err == nil && intended:
		out.d.Status = answer.Status
		return e.close(out, Classify(answer.Status), "")
	case err == nil:
		// An answer to a request that was never announced: a Sender that broke
		// its promise. It may have been sent.
		out.d.State = Unknown
		out.fatal = fmt.Errorf("sending %s: an answer without an intent in the ledger", item.ID)
		return out
	case bookErr != nil:
		return e.refused(out, bookErr)
	}
	return e.failed(out, intended, err)
}

// refused ends an attempt whose intent could not be written: nothing was sent.
func (e *Engine) refused(out outcome, err error) outcome {
	if isDelivered(err) {
		out.d.State, out.d.Attempt, out.d.Reason = Delivered, 0, "already delivered"
		return out
	}
	out.fatal = err
	return out
}

// failed ends an attempt that got no answer.
func (e *Engine) failed(out outcome, intended bool, err error) outcome {
	switch kindOf(err, intended) {
	case ErrUnsendable:
		if !intended {
			out.d.Attempt = 0
		}
		return e.close(out, Skipped, err.Error())
	case ErrNotSent:
		if intended { // close the open intent, uncounted
			out = e.close(out, Pending, err.Error())
		}
		out.notSent = err
		return out
	}
	return e.close(out, Unknown, err.Error())
}

// close writes the result.
func (e *Engine) close(out outcome, s State, reason string) outcome {
	out.d.State, out.d.Reason, out.d.At = s, reason, e.now()
	if err := e.Book.Result(out.d); err != nil {
		out.fatal = err
	}
	return out
}
