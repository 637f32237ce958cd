package edge

import (
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/holdfast-edge/holdfast/edge/upstream"
)

// watch makes an app tell the operational log what happens to its upstreams. Each
// change is told once.
func (e *Edge) watch(a *upstream.App) {
	a.Marked, a.Resolved, a.Checked, a.Lookups = e.marked, e.resolved, e.checked, e.lookup
}

// flips bounds what is logged of upstreams that go down and come back all the time.
// The first change of each is told at once; what follows within the pause is told as one
// line when the pause is over. Only answers that are broken off can make one flip many
// times a second; any other cause is told as it comes.
type flips struct {
	mu   sync.Mutex
	last map[string]*flip // by URL: as many as the configurations had
}

type flip struct {
	told  time.Time
	more  int   // changes since then
	cause error // after the last of them; nil: well
}

// flipPause is how long an upstream's changes are kept together.
const flipPause = 10 * time.Second

// note reports whether a change is to be told at once.
func (f *flips) note(url string, cause error, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	was := f.last[url]
	other := cause != nil && !errors.Is(cause, upstream.ErrClosed)
	if was == nil || other || now.Sub(was.told) >= flipPause && was.more == 0 {
		if f.last == nil {
			f.last = make(map[string]*flip)
		}
		f.last[url] = &flip{told: now, cause: cause}
		return true
	}
	// One that goes down and comes back once is told as it happens.
	if was.more == 0 && was.cause != nil && cause == nil {
		was.more, was.cause = -1, nil
		return true
	}
	was.more, was.cause = max(was.more, 0)+1, cause
	return false
}

// due takes those whose pause is over.
func (f *flips) due(now time.Time) map[string]flip {
	f.mu.Lock()
	defer f.mu.Unlock()
	var over map[string]flip
	for url, was := range f.last {
		if now.Sub(was.told) < flipPause {
			continue
		}
		if was.more > 0 {
			if over == nil {
				over = make(map[string]flip)
			}
			over[url] = *was
			was.told, was.more = now, 0
			continue
		}
		delete(f.last, url)
	}
	return over
}

// marked says when an upstream goes down or comes back.
func (e *Edge) marked(url string, cause error) {
	if !e.flips.note(url, cause, time.Now()) {
		return
	}
	if cause == nil {
		e.log.Info().Str("upstream", url).Msg("the upstream is back")
		return
	}
	because(e.log.Warn(), url, cause).Msg("the upstream is down; what fails is recorded")
}

// tellFlips says what became of the upstreams that changed too often to tell each time.
func (e *Edge) tellFlips(now time.Time) {
	for url, f := range e.flips.due(now) {
		if f.cause == nil {
			e.log.Warn().Str("upstream", url).Int("changes", f.more).Msg("the upstream keeps going down and coming back; it is back now")
			continue
		}
		because(e.log.Warn(), url, f.cause).Int("changes", f.more).
			Msg("the upstream keeps going down and coming back; it is down now, what fails is recorded")
	}
}

// resolved says when the name of an upstream stops leading anywhere, and when it leads
// elsewhere.
func (e *Edge) resolved(url string, addresses []netip.Addr, cause error) {
	switch {
	case cause == nil:
		e.log.Info().Str("upstream", url).Strs("addresses", texts(addresses)).Msg("the upstream's name leads to these addresses now")
	case len(addresses) > 0:
		because(e.log.Warn(), url, cause).Strs("addresses", texts(addresses)).
			Msg("the upstream's name can't be looked up; the addresses known so far stay in use")
	default:
		because(e.log.Warn(), url, cause).Msg("the upstream's name has no address; it is looked up again and again")
	}
}

// checked says when the health of an upstream changes.
func (e *Edge) checked(url string, h upstream.Health) {
	switch {
	case h.Cause == nil:
		e.log.Info().Str("upstream", url).Msg("the upstream passes its health check again")
	case h.Only:
		because(e.log.Warn(), url, h.Cause).Msg("the upstream fails its health check; it is the only one and still gets the requests")
	case h.State == upstream.Slow:
		because(e.log.Warn(), url, h.Cause).Msg("the upstream is slow to answer its health check; no other is better, so it stays in use")
	default:
		because(e.log.Warn(), url, h.Cause).Msg("the upstream fails its health check; the others get its requests")
	}
}

// because adds what is wrong, and what to do where that is known.
func because(ev *zerolog.Event, url string, cause error) *zerolog.Event {
	ev = ev.Str("upstream", url).Err(cause)
	var h interface{ Hint() string }
	if errors.As(cause, &h) && h.Hint() != "" {
		ev = ev.Str("hint", h.Hint())
	}
	return ev
}

func texts(addresses []netip.Addr) []string {
	out := make([]string, len(addresses))
	for i, a := range addresses {
		out[i] = a.String()
	}
	return out
}
