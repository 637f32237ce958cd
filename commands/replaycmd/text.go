package replaycmd

import (
	"fmt"
	"strings"

	"github.com/holdfast-edge/holdfast/internal/terminal"
	"github.com/holdfast-edge/holdfast/replay"
)

// number is n with commas between thousands.
func number(n int) string { return terminal.Number(int64(n)) }

// count is "1 request", "2 requests".
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return number(n) + " " + thing + "s"
}

// shownURI is how much of an address is shown that the log does not have whole, in
// bytes.
const shownURI = 60

// urlOf is the address a recorded request was sent to; with "…" at its end, not all
// of it.
func urlOf(x *replay.Example) string {
	scheme := "http://"
	if x.TLS {
		scheme = "https://"
	}
	uri := x.URI
	if !strings.HasPrefix(uri, "/") {
		uri = "/" // OPTIONS *
	}
	if x.Cut {
		uri = strings.ToValidUTF8(uri[:min(len(uri), shownURI)], "") + "…"
	}
	return scheme + x.Host + uri
}

// explain is a command that says where a record would go.
func (j *job) explain(x *replay.Example) string {
	if x.Cut {
		return j.config.edge("explain", "--id", x.ID.String())
	}
	return j.config.edge("explain", urlOf(x))
}

// sample is a command that sends about the same request, with the body from
// standard input; or one that shows it, when the log does not have its whole address.
func (j *job) sample(x *replay.Example) string {
	if x.Cut {
		return j.config.edge("logs", "--id", x.ID.String(), "--payload") + "   # " + terminal.Clean(x.Method+" "+urlOf(x))
	}
	words := []string{"curl", "-X", quote(x.Method), quote(urlOf(x)), "-H", quote("Idempotency-Key: " + x.ID.String())}
	if x.ContentType != "" {
		words = append(words, "-H", quote("Content-Type: "+x.ContentType))
	}
	if x.Bytes > 0 {
		words = append(words, "--data-binary", "@-")
	}
	return strings.Join(words, " ") + "   # " + terminal.Bytes(x.Bytes)
}

// label is what a reason is called.
func label(r replay.Reason) string {
	switch r {
	case replay.SafeMethod:
		return "GET, HEAD, OPTIONS"
	case replay.Genuine4xx:
		return "genuine 4xx"
	case replay.RefusedAgain:
		return "refused then and now"
	case replay.RefusedToday:
		return "refused today"
	case replay.NoAppToday:
		return "answered by the edge today"
	case replay.MalformedThen:
		return "malformed, or over a limit"
	case replay.NotFailed:
		return "did not fail"
	case replay.OverLimit:
		return "more than --limit"
	case replay.Truncated:
		return "payload truncated"
	case replay.Incomplete:
		return "payload incomplete"
	case replay.NoPayload:
		return "no payload kept"
	case replay.NoKey:
		return "no key opens the payload"
	case replay.Damaged:
		return "payload damaged"
	case replay.Gone:
		return "no longer in the log"
	case replay.SetAside:
		return "rejected by an earlier run"
	case replay.MaybeSent:
		return "unknown, may have arrived"
	}
	return fmt.Sprintf("reason %d", r)
}

// hint is what to do about the records of a reason.
func (j *job) hint(r replay.Reason) string {
	p := j.plan
	x := &p.Examples[r]
	switch r {
	case replay.SafeMethod:
		return "add --method " + quote(x.Method)
	case replay.Genuine4xx:
		list := strings.Trim(strings.Join(strings.Fields(fmt.Sprint(p.Genuine)), ","), "[]")
		return "add --status " + list
	case replay.RefusedAgain:
		if x.Reason != "" {
			return x.Reason + ": " + j.config.edge("logs", "--outcome", x.Outcome.String())
		}
		return j.config.edge("logs", "--outcome", x.Outcome.String())
	case replay.RefusedToday, replay.NoAppToday:
		return j.explain(x)
	case replay.MalformedThen:
		return j.config.edge("logs", "--outcome", "rejected")
	case replay.NotFailed:
		return fmt.Sprintf("%s was answered %d", x.ID, x.Status)
	case replay.OverLimit:
		return "for the next run"
	case replay.NoKey:
		return "add --key FILE"
	case replay.SetAside:
		return "to send one again: --id " + x.ID.String()
	case replay.MaybeSent:
		return "add --resend-unknown, if the app can tell duplicates apart"
	}
	return j.config.replay(append(j.selection(), "--list", "unreplayable")...)
}
