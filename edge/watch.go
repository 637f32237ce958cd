package edge

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/holdfast-edge/holdfast/edge/upstream"
)

// watch makes an app tell the operational log what happens to its upstreams. Each
// change is told once.
func (e *Edge) watch(a *upstream.App) {
	a.Marked = func(url string, cause error) { e.marked(a.Name, url, cause) }
	a.Checked = func(url string, h upstream.Health) { e.checked(a.Name, url, h) }
	a.Resolved, a.Lookups, a.Own = e.resolved, e.lookup, e.own
}

// flips bounds what is logged of upstreams that go down and come back all the time.
// The first change of each is told at once; what follows within the pause is told as one
// line when the pause is over. Only answers that are broken off can make one flip many
// times a second; any other cause is told as it comes.
type flips struct {
	mu   sync.Mutex
	last map[upstreamOf]*flip // as many as the configurations had
}

// upstreamOf is an upstream of an app: two apps may share an address, and each has
// its own troubles with it.
type upstreamOf struct{ app, url string }

type flip struct {
	told  time.Time
	more  int   // changes since then
	cause error // after the last of them; nil: well
}

// flipPause is how long an upstream's changes are kept together.
const flipPause = 10 * time.Second

// note reports whether a change is to be told at once. often says that such a change can
// come many times a second.
func (f *flips) note(u upstreamOf, cause error, often bool, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	was := f.last[u]
	other := cause != nil && !often
	if was == nil || other || now.Sub(was.told) >= flipPause && was.more == 0 {
		if f.last == nil {
			f.last = make(map[upstreamOf]*flip)
		}
		f.last[u] = &flip{told: now, cause: cause}
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
func (f *flips) due(now time.Time) map[upstreamOf]flip {
	f.mu.Lock()
	defer f.mu.Unlock()
	var over map[upstreamOf]flip
	for u, was := range f.last {
		if now.Sub(was.told) < flipPause {
			continue
		}
		if was.more > 0 {
			if over == nil {
				over = make(map[upstreamOf]flip)
			}
			over[u] = *was
			was.told, was.more = now, 0
			continue
		}
		delete(f.last, u)
	}
	return over
}

// marked says when an upstream goes down or comes back.
func (e *Edge) marked(app, url string, cause error) {
	if !e.flips.note(upstreamOf{app, url}, cause, errors.Is(cause, upstream.ErrClosed), time.Now()) {
		return
	}
	if cause == nil {
		e.log.Info().Str("app", app).Str("upstream", url).Msg("the upstream is back")
		return
	}
	because(e.log.Warn().Str("app", app), url, cause).Msg("the upstream is down; what fails is recorded")
}

// tellFlips says what became of the upstreams that changed too often to tell each time.
func (e *Edge) tellFlips(now time.Time) {
	for u, f := range e.flips.due(now) {
		if f.cause == nil {
			e.log.Warn().Str("app", u.app).Str("upstream", u.url).Int("changes", f.more).Msg("the upstream keeps going down and coming back; it is back now")
			continue
		}
		because(e.log.Warn().Str("app", u.app), u.url, f.cause).Int("changes", f.more).
			Msg("the upstream keeps going down and coming back; it is down now, what fails is recorded")
	}
	for u, f := range e.checkFlips.due(now) {
		ev := e.log.Warn().Str("app", u.app).Str("upstream", u.url).Int("changes", f.more).Bool("passes_now", f.cause == nil)
		ev.Msg("the upstream keeps passing and failing its health check")
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
func (e *Edge) checked(app, url string, h upstream.Health) {
	if !e.checkFlips.note(upstreamOf{app, url}, h.Cause, true, time.Now()) {
		return
	}
	warn := func() *zerolog.Event { return because(e.log.Warn().Str("app", app), url, h.Cause) }
	switch {
	case h.Cause == nil:
		e.log.Info().Str("app", app).Str("upstream", url).Msg("the upstream passes its health check again")
	case h.State == upstream.Slow:
		warn().Msg("the upstream is slow to answer its health check; no other is better, so it stays in use")
	case h.Only:
		warn().Msg("the upstream fails its health check; it is the only one and still gets the requests")
	default:
		warn().Msg("the upstream fails its health check; the others get its requests")
	}
}

// own reports whether clients are accepted on an address of this machine.
func (e *Edge) own(a netip.AddrPort) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, l := range e.listeners {
		t, ok := l.ln.Addr().(*net.TCPAddr)
		if !ok || t.Port != int(a.Port()) {
			continue
		}
		addr := t.AddrPort().Addr()
		switch {
		case addr.Unmap() == a.Addr(), addr == netip.IPv6Unspecified(), addr == netip.IPv4Unspecified() && a.Addr().Is4():
			return true
		}
	}
	return false
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
