package edge

import (
	"errors"
	"net/netip"

	"github.com/rs/zerolog"

	"github.com/holdfast-edge/holdfast/edge/upstream"
)

// watch makes an app tell the operational log what happens to its upstreams. Each
// change is told once.
func (e *Edge) watch(a *upstream.App) {
	a.Marked, a.Resolved, a.Checked, a.Lookups = e.marked, e.resolved, e.checked, e.lookup
}

// marked says when an upstream goes down or comes back.
func (e *Edge) marked(url string, cause error) {
	if cause == nil {
		e.log.Info().Str("upstream", url).Msg("the upstream is back")
		return
	}
	because(e.log.Warn(), url, cause).Msg("the upstream is down; what fails is recorded")
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
