package replay

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-edge/holdfast/accesslog"
)

// lane is all that goes to one destination. It belongs to the goroutine of
// Engine.Run.
//
// A lane begins closed: one item, the canary, goes out alone, and the others
// follow when it was answered. An app that is not there closes the lane again:
// one try at a time, with growing pauses, until it answers or is given up. The
// first answers are on trial: if all of the first StopAfter are the same bad
// one, the configuration is probably wrong, the lane is given up and its items
// go back to pending. A redirect counts as such a one unless it is no surprise;
// the items that got it stay delivered.
type lane struct {
	dest     Destination
	items    []Item // in order of id; those from next on were not taken yet
	next     int
	retry    []Item // taken, not sent after all; in order of id
	inflight int

	open    bool      // the last canary was answered
	wake    time.Time // nothing is taken before
	tries   int       // of an app that is not there, in a row
	greeted bool      // Canary was told
	trial   bool      // the first answers were all alike and bad so far
	held    []Delivery
	back    int // answered, and pending again
	stop    *Stop
}

func (l *lane) head() (Item, bool) {
	if len(l.retry) > 0 {
		return l.retry[0], true
	}
	if l.next < len(l.items) {
		return l.items[l.next], true
	}
	return Item{}, false
}

// take removes the head.
func (l *lane) take() Item {
	l.inflight++
	if len(l.retry) > 0 {
		item := l.retry[0]
		l.retry = l.retry[1:]
		return item
	}
	l.next++
	return l.items[l.next-1]
}

// giveBack makes item the lane's again, in its place.
func (l *lane) giveBack(item Item) {
	at, _ := slices.BinarySearchFunc(l.retry, item, func(a, b Item) int { return compareIDs(a.ID, b.ID) })
	l.retry = slices.Insert(l.retry, at, item)
}

func (l *lane) left() int { return len(l.retry) + len(l.items) - l.next }

func compareIDs(a, b accesslog.ID) int { return slices.Compare(a[:], b[:]) }

// coordinator decides what is sent next and what an answer means. It belongs to
// the goroutine of Engine.Run.
type coordinator struct {
	lanes       []*lane
	observer    Observer
	book        Book
	pauses      []time.Duration
	stopAfter   int
	concurrency int
	redirects   bool          // 3xx answers are no cause for doubt
	interval    time.Duration // between two requests; 0: none
	slot        time.Time     // the next request goes out no earlier
	now         func() time.Time
	stopping    bool // nothing is taken any more
	fatal       error
	report      Report
}

func (e *Engine) coordinator(items []Item) *coordinator {
	c := &coordinator{
		observer: e.Observer, book: e.Book, now: e.now,
		pauses: e.Options.Pauses, stopAfter: cmp.Or(e.Options.StopAfter, stopAfter),
		concurrency: cmp.Or(e.Options.Concurrency, 1), redirects: e.Options.Redirects,
	}
	if c.pauses == nil {
		c.pauses = Pauses()
	}
	if e.Options.Rate > 0 {
		c.interval = time.Duration(float64(time.Second) / e.Options.Rate)
	}
	for _, d := range e.Destinations {
		c.lanes = append(c.lanes, &lane{dest: d, trial: true})
	}
	for _, item := range items {
		l := c.lanes[item.Dest]
		l.items = append(l.items, item)
	}
	return c
}

// next is the lane whose head goes out now: the one with the lowest id of those
// that may. Without one, wait says when to ask again; below 0, not before
// something in flight is answered, and never if nothing is.
func (c *coordinator) next(now time.Time) (_ *lane, wait time.Duration) {
	var best *lane
	var bestItem Item
	wait = -1
	for _, l := range c.lanes {
		item, ok := l.head()
		if !ok || l.stop != nil || l.inflight > 0 && !l.open || l.trial && len(l.held)+l.inflight >= c.stopAfter {
			continue
		}
		if d := l.wake.Sub(now); d > 0 {
			if wait < 0 || d < wait {
				wait = d
			}
			continue
		}
		if best == nil || compareIDs(item.ID, bestItem.ID) < 0 {
			best, bestItem = l, item
		}
	}
	if best == nil || c.interval == 0 {
		return best, wait
	}
	if d := c.slot.Sub(now); d > 0 {
		return nil, d
	}
	// Timers wake late; up to a tenth of a second is caught up so that the rate
	// is kept on average.
	if late := now.Add(-100 * time.Millisecond); c.slot.Before(late) {
		c.slot = late
		if c.interval > 100*time.Millisecond {
			c.slot = now
		}
	}
	c.slot = c.slot.Add(c.interval)
	return best, 0
}

// judge takes the end of an attempt into account.
func (c *coordinator) judge(out outcome) {
	l := out.lane
	l.inflight--
	switch {
	case out.fatal != nil:
		if c.fatal == nil {
			c.fatal = out.fatal
		}
		c.stopping = true
		// What the disk holds is not known: all that was or may have been sent is
		// unknown to the next run.
		if out.d.State == Pending || out.d.State == Skipped {
			l.giveBack(out.item)
			return
		}
		out.d.State, out.d.Reason = Unknown, out.fatal.Error()
		c.settle(out.d)
	case out.notSent != nil:
		l.giveBack(out.item)
		c.absent(l, out.notSent.Error(), 0, "")
	case out.d.State == Unknown:
		c.endTrial(l)
		c.settle(out.d)
		c.absent(l, out.d.Reason, 0, "")
		if l.tries >= unknownTries {
			c.giveUp(l, &Stop{Reason: fmt.Sprintf("%d in a row were sent and not answered", l.tries), Example: out.d.ID})
		}
	case out.d.State == Skipped || out.d.Attempt == 0:
		c.settle(out.d)
	default:
		c.answered(l, out.item, out.d)
	}
}

// answered judges a real answer.
func (c *coordinator) answered(l *lane, item Item, d Delivery) {
	suspect := d.State != Delivered || Redirect(d.Status) && !item.Redirected && !c.redirects
	if !l.greeted {
		l.greeted = true
		c.observer.Canary(d)
	}
	switch {
	case l.stop != nil && l.stop.Answered > 0 && d.Status == l.stop.Status:
		c.takeBack(l, d) // was in flight when the lane was given up
		return
	case l.trial && suspect && (len(l.held) == 0 || l.held[0].Status == d.Status):
		l.held = append(l.held, d)
	default:
		c.endTrial(l)
		c.settle(d)
	}
	if notNow(d.Status) {
		c.absent(l, fmt.Sprintf("answered %d", d.Status), d.Status, d.Upstream)
	} else {
		l.open, l.tries, l.wake = true, 0, time.Time{}
	}
	if l.trial && len(l.held) >= c.stopAfter && l.stop == nil {
		held := l.held
		l.held = nil
		c.giveUp(l, &Stop{Answered: len(held), Status: d.Status, Upstream: d.Upstream, Example: held[0].ID})
		for _, h := range held {
			c.takeBack(l, h)
		}
		c.observer.Stopped(*l.stop)
	}
}

// endTrial settles what was held back.
func (c *coordinator) endTrial(l *lane) {
	if !l.trial {
		return
	}
	l.trial = false
	for _, d := range l.held {
		c.settle(d)
	}
	l.held = nil
}

// takeBack makes an answered item pending again, with no attempt counted.
// What was delivered stays so.
func (c *coordinator) takeBack(l *lane, d Delivery) {
	if d.State == Delivered {
		c.settle(d)
		return
	}
	d.State, d.Reason, d.At = Pending, "the first answers were all the same", c.now()
	if err := c.book.Result(d); err != nil && c.fatal == nil {
		c.fatal, c.stopping = err, true
	}
	l.back++
	l.stop.Left++
	c.settle(d)
}

// absent pauses a lane whose app is not there, and gives it up after the last pause.
func (c *coordinator) absent(l *lane, why string, status int, upstream string) {
	if l.stop != nil || c.stopping {
		return
	}
	now := c.now()
	if l.wake.After(now) {
		return // another one of the same moment
	}
	l.open = false
	if l.tries++; l.tries > len(c.pauses) {
		c.giveUp(l, &Stop{Status: status, Upstream: upstream, Reason: why})
		return
	}
	pause := c.pauses[l.tries-1]
	l.wake = now.Add(pause)
	if _, more := l.head(); more {
		c.observer.Waiting(l.dest, pause, why)
	}
}

// giveUp stops a lane. Stops of a trial are announced by the caller.
func (c *coordinator) giveUp(l *lane, s *Stop) {
	if l.stop != nil {
		return
	}
	s.Destination, s.Left = l.dest, l.left()
	l.stop = s
	if s.Answered == 0 {
		c.observer.Stopped(*s)
	}
}

// settle reports the end of an item, for this run: as the ledger has it. What may
// have arrived by an earlier attempt stays unknown, whatever became of this one.
func (c *coordinator) settle(d Delivery) {
	if d.State != Delivered && d.State != Unknown && c.book.Of(d.ID).State == Unknown {
		if d.Reason == "" && d.Status != 0 {
			d.Reason = fmt.Sprintf("answered %d, but an earlier attempt got no answer", d.Status)
		} else if d.Reason == "" {
			d.Reason = "an earlier attempt got no answer"
		}
		d.State = Unknown
	}
	c.report.Counts[d.State]++
	if d.State == Delivered && Redirect(d.Status) {
		c.report.Redirected++
	}
	c.observer.Settled(d)
}

func (c *coordinator) interrupt() { c.stopping, c.report.Interrupted = true, true }

// finish settles what is held and leaves the rest pending.
func (c *coordinator) finish() Report {
	for _, l := range c.lanes {
		c.endTrial(l)
		if l.stop != nil {
			l.stop.Left = l.left() + l.back
			c.report.Stops = append(c.report.Stops, *l.stop)
		}
		for item, ok := l.head(); ok; item, ok = l.head() {
			l.take()
			c.settle(Delivery{ID: item.ID, State: Pending, App: l.dest.String(), At: c.now()})
		}
	}
	return c.report
}
