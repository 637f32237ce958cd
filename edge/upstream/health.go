package upstream

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/holdfast-edge/holdfast/edge/exchange"
)

// How checks decide. Each upstream is asked once per interval, on a connection of its
// own, and has the interval to answer, but within these bounds.
const (
	checksToFail = 3 // failures in a row that take an upstream out
	checksToWell = 2 // successes in a row that bring it back
	checkLeast   = time.Second
	checkMost    = 5 * time.Second
)

// check is what the upstreams of an app are asked; without a path, nothing.
type check struct {
	path     string
	interval time.Duration
}

// HealthState is what the checks of an upstream say of it.
type HealthState string

// The states. An upstream begins unchecked, and is used like a well one.
//
//	unchecked ──1 success──► well ◄──2 successes── slow
//	    │                     │ ▲                   ▲
//	    │ 3 failures          │ └──2 successes──┐   │ 3 timeouts and nobody else
//	    └────────────────────►└──3 failures──► failing, or slow
//
// Failing takes an upstream out: it gets requests only when no other upstream is left.
// An upstream that merely does not answer in time is slow, which changes nothing, as long
// as no other upstream of its app could do its work; when there is one, it is failing.
//
// Checks and the marks that requests leave (mark.go) are two opinions. An upstream is
// preferred if neither is against it. They meet in one place: a check that succeeded
// ends a mark that was set before it began, unless the mark is for answers that were
// broken off, because a check cannot tell whether those are over. A failed check sets no
// mark and makes none longer, and no answered request brings a failing upstream back:
// what well means there is what the check says.
const (
	Unchecked HealthState = "unchecked"
	Well      HealthState = "well"
	Slow      HealthState = "slow"
	Failing   HealthState = "failing"
)

// Health is what the checks of an upstream say.
type Health struct {
	State HealthState
	Since time.Time
	Cause error // of the last check that failed, in the state slow or failing
	Only  bool  // it is the only upstream of its app: it gets requests in any case
}

// vitals are the health of an endpoint and what leads to the next one. Guarded by
// App.judge.
type vitals struct {
	Health
	failures, timeouts, successes int // in a row
}

// watch checks an endpoint until ctx is done.
func (e *Endpoint) watch(ctx context.Context, a *App) {
	// Not all at once when the edge starts, and never in step for long.
	pause := rand.N(min(a.check.interval, time.Second))
	for {
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
		began := time.Now()
		err := e.examine(ctx, a)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			a.reached(e, began)
		}
		a.judged(e, err)
		pause = max(0, a.check.interval-time.Since(began)) + rand.N(a.check.interval/10)
	}
}

// judged takes in the result of a check.
func (a *App) judged(e *Endpoint, err error) {
	a.judge.Lock()
	h := &e.health
	was := h.State
	if err == nil {
		h.failures, h.timeouts = 0, 0
		h.successes++
		if was == "" || h.successes >= checksToWell {
			h.State = Well
		}
		if h.State == Well {
			h.Cause = nil
		}
	} else {
		h.successes, h.Cause = 0, err
		h.failures++
		if isSlow(err) {
			h.timeouts++
		} else {
			h.timeouts = 0
		}
		switch {
		case h.failures < checksToFail:
		case h.timeouts < checksToFail || a.othersWell(e): // the last few were not all slow
			h.State = Failing
		case was != Failing:
			h.State = Slow
		}
	}
	changed := h.State != was
	if changed {
		h.Since, h.Only = time.Now(), len(a.endpoints) == 1
		e.sick.Store(h.State == Failing)
	}
	now := h.Health
	a.judge.Unlock()
	if changed && (was != "" || now.State != Well) && a.Checked != nil {
		a.Checked(e.Name, now)
	}
}

// othersWell reports whether another endpoint can do the work of e.
func (a *App) othersWell(e *Endpoint) bool {
	now := time.Now().UnixNano()
	for _, o := range a.endpoints {
		if o != e && o.health.State != Failing && o.health.State != Slow && o.deadUntil.Load() <= now {
			return true
		}
	}
	return false
}

// errSlow is that a check was not answered in time.
var errSlow = errors.New("the health check was not answered in time")

func isSlow(err error) bool {
	return errors.Is(err, errSlow) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}

// examine asks an endpoint once. nil means that it is well.
func (e *Endpoint) examine(ctx context.Context, a *App) error {
	ctx, cancel := context.WithTimeout(ctx, min(max(a.check.interval, checkLeast), checkMost))
	defer cancel()
	sock, _, err := e.connect(ctx, a, nil)
	if err != nil {
		return err
	}
	c := newConn(e, sock)
	c.now = time.Now()
	c.use(a)
	defer func() {
		c.in.Free()
		_ = sock.Close()
	}()
	stop := context.AfterFunc(ctx, func() {
		c.Interrupt()
		c.CutWrites()
	})
	defer stop()
	host := e.host
	if host == "" {
		host = e.self
	}
	_, err = c.Write([]byte("GET " + a.check.path + " HTTP/1.1\r\nHost: " + host +
		"\r\nUser-Agent: holdfast-health\r\nAccept: */*\r\nConnection: close\r\n\r\n"))
	if err == nil {
		c.Await()
		head, readErr := c.ReadHead([]byte("GET"), nobody{})
		if err = readErr; err == nil && (head.Status < 200 || head.Status >= 400) {
			err = fmt.Errorf("the health check is answered with %d", head.Status)
		}
	}
	if err != nil && (ctx.Err() != nil || errors.Is(err, ErrTimeout)) {
		return errSlow
	}
	return err
}

// nobody waits for interim answers.
type nobody struct{}

func (nobody) Interim(int, []exchange.Field) error { return nil }
