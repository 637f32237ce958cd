package differential

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/holdfast-edge/holdfast/integration_test/differential/generate"
	"github.com/holdfast-edge/holdfast/integration_test/differential/rfc"
	"github.com/holdfast-edge/holdfast/integration_test/edgetest"
)

// sampled are how many of the streams go through nginx and haproxy.
func sampled() int { return edgetest.Size(10_000, 100_000) }

// batch is how many requests, as we send them on, share a connection.
const batch = 8

// TestProxies sends streams, and what we make of them, through nginx and haproxy, and
// compares what arrives behind them with what we read.
func TestProxies(t *testing.T) {
	t.Parallel()
	s := seed(t)
	t.Logf("HOLDFAST_SEED=%d", s)
	tally := newTally(requestRefusals(), requestReadings())
	var wg sync.WaitGroup
	for name, all := range map[string][]*lane{"nginx": startNginx(t), "haproxy": startHaproxy(t)} {
		var next atomic.Int64
		for _, l := range all {
			p := &passage{who: name, lane: l, r: newReader(t), tally: tally}
			wg.Go(func() {
				for i := next.Add(1); i <= int64(sampled()); i = next.Add(1) {
					p.pass(generate.Request(s, uint64(i)), uint64(i))
				}
				p.flush()
			})
		}
	}
	wg.Wait()
	tally.report(t, "nginx", "haproxy")
}

// A passage leads through one lane. Not for concurrent use.
type passage struct {
	who   string
	lane  *lane
	r     *reader
	tally *tally
	queue []parcel // what is sent on together
}

// A parcel is a request as we send it on, and what it was.
type parcel struct {
	j judge
	m ourMessage
}

// pass sends the stream as it is, and queues what we make of it.
func (p *passage) pass(c generate.Case, i uint64) {
	j := judge{r: p.r, c: c, number: i, tally: p.tally}
	ours := p.r.read(c.Stream, func() int { return 0 }, origin(i))
	p.original(&j, ours)
	for _, m := range ours {
		if m.refused != "" || m.incomplete {
			continue
		}
		if m.upgrade != "" || rfc.ReadRequest(m.forward).Marks != nil {
			p.alone(parcel{j, m}) // nothing can stand behind it, or it is beyond limits
			continue
		}
		if p.queue = append(p.queue, parcel{j, m}); len(p.queue) == batch {
			p.flush()
		}
	}
}

// original compares what arrives of the stream with what we read in it.
func (p *passage) original(j *judge, ours []ourMessage) {
	p.tally.did("streams through "+p.who, 1)
	answers, err := p.lane.send(j.c.Stream, true)
	got, odd := p.lane.backend.take()
	if err != nil {
		p.tally.note(p.who+" does not end", false, j.example(err))
		return
	}
	answer, _, _ := strings.Cut(answers, "\r\n")
	reads := func(what string, more ...any) {
		p.tally.note(p.who+" reads otherwise: "+what, find(p.tally.readings, p.who, what) != nil, j.example(append(more, answer, odd)...))
	}
	at := 0
	for i := range ours {
		m := &ours[i]
		switch {
		case m.refused != "" || m.incomplete:
			if i < len(got) || len(odd) > 0 {
				what := m.refused
				if m.incomplete {
					what = cutOff
				}
				p.tally.refusedAlone(p.who, what, j.example(answer, odd))
			}
			return
		case i >= len(got):
			if len(odd) > 0 {
				reads("what it sends on is refused by the reference")
			} else if i > 0 && strings.Count(answers, "HTTP/1.1 ") <= len(got) {
				p.tally.readAlone(p.who, "a request behind another one", j.example(answers))
			} else {
				p.tally.readAlone(p.who, peculiarity(p.who, rfc.ReadRequest(j.c.Stream[at:])), j.example(answer, m))
			}
			return
		}
		ref := rfc.ReadRequest(j.c.Stream[at:])
		at += ref.Size
		theirs := arrived(got[i])
		theirs.host, _ = strings.CutSuffix(theirs.host, ":80")
		mine := m.reading()
		mine.host, _ = strings.CutSuffix(mine.host, ":80") // haproxy drops a default port
		d := theirs.differs(mine)
		if d == "the target" && mine.target == "*" && theirs.target == "/" {
			d = "the target of OPTIONS without a path"
		}
		if d == "the target" && strings.Contains(ref.Line, "://") && strings.HasPrefix(mine.target, "/?") {
			d = "the query of an absolute form without a path"
		}
		if d != "" {
			reads(d, theirs, mine)
		}
	}
	if len(got) > len(ours) {
		reads("it reads on where the connection ends", got[len(ours)])
	}
}

// cutOff is the class of what ends too early for us.
const cutOff = "the stream ends before the request does"

func arrived(m *rfc.Message) reading {
	return reading{m.Method, m.Target, strings.ToLower(m.Authority), string(m.Body)}
}

// peculiarity is what is rare about a request, for which a proxy might refuse it.
func peculiarity(who string, m *rfc.Message) string {
	has := func(name, part string) bool {
		v, given := m.Combined(name)
		return given && strings.Contains(strings.ToLower(v), part)
	}
	if who == "haproxy" {
		switch {
		case slices.ContainsFunc(m.Fields, func(f rfc.Field) bool { return len(f.Name) > 255 }):
			return "a field name of more than 255 characters"
		case m.Minor == 0 && m.Framing != rfc.NoBody:
			return "a body in HTTP/1.0"
		case m.Method == "PRI":
			return "the method PRI"
		case has("upgrade", ""):
			return "an Upgrade"
		case strings.Contains(m.Line, "://") && strings.HasPrefix(m.Target, "/?"):
			return "the absolute form without a path"
		}
	} else {
		climbs := strings.ReplaceAll(strings.ToLower(m.Target), "%2e", ".")
		badEscape := "a % without two hexadecimal digits in the target (RFC 3986, 2.1)"
		switch {
		case strings.Trim(m.Method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_") != "":
			return "a method of other characters than capitals, - and _"
		case m.Method == "TRACE":
			return "TRACE"
		case m.Target == "*":
			return "the asterisk form"
		case strings.Contains(m.Target, "%00"):
			return "an escaped NUL in the target"
		case slices.Contains(m.Flaws, badEscape):
			return badEscape
		case strings.HasPrefix(climbs, "/.."):
			return "a target that climbs above the root"
		case strings.Contains(m.Head(), "\t"):
			return "a tab around a value"
		case m.Marked("an expectation that is not 100-continue alone (RFC 9110, 10.1.1)"):
			return "Expect twice"
		}
	}
	return "nothing that we know of; " + strings.Join(slices.Concat(m.Flaws, m.Marks), "; ")
}

// flush sends the queued requests on one connection, and each alone if not all arrive.
func (p *passage) flush() {
	queue := p.queue
	p.queue = nil
	if len(queue) == 0 {
		return
	}
	var stream strings.Builder
	for _, q := range queue {
		stream.WriteString(q.m.forward)
	}
	// The last one ends the connection.
	stream.WriteString("GET /last HTTP/1.1\r\nHost: last.test\r\nConnection: close\r\n\r\n")
	_, err := p.lane.send(stream.String(), false)
	got, odd := p.lane.backend.take()
	whole := err == nil && len(odd) == 0 && len(got) == len(queue)+1
	for i := 0; whole && i < len(queue); i++ {
		whole = p.misread(queue[i], got[i]) == ""
	}
	if whole {
		p.tally.did("requests that we send on, through "+p.who, len(queue))
		return
	}
	agreed := true
	for _, q := range queue {
		agreed = p.alone(q) && agreed
	}
	if agreed {
		p.tally.danger(p.who+" reads what we send on otherwise in a row", queue[0].j.example(err, len(got), len(queue), odd, stream.String()))
	}
}

// misread compares what arrived with what we sent on, also its framing.
func (p *passage) misread(q parcel, m *rfc.Message) string {
	if d := arrived(m).differs(q.m.reading()); d != "" {
		return d
	}
	if len(q.m.body) > 0 && m.Framing == rfc.NoBody {
		return "the framing"
	}
	return ""
}

// alone sends one request as we send it on. It reports whether it was read as we mean it.
func (p *passage) alone(q parcel) bool {
	p.tally.did("requests that we send on, through "+p.who, 1)
	answers, err := p.lane.send(q.m.forward, true)
	got, odd := p.lane.backend.take()
	answer, _, _ := strings.Cut(answers, "\r\n")
	more := q.j.example(answer, err, "sent on:", q.m.forward, got, odd)
	switch {
	case err != nil || len(odd) > 0 || len(got) > 1:
		p.tally.danger(p.who+" finds something else in what we send on", more)
	case len(got) == 0:
		what := peculiarity(p.who, rfc.ReadRequest(q.m.forward))
		p.tally.note(p.who+" refuses what we send on: "+what, find(p.tally.readings, p.who, what) != nil, more)
	default:
		d := p.misread(q, got[0])
		if d != "" {
			p.tally.danger(p.who+" reads what we send on otherwise: "+d, more)
		}
		return d == ""
	}
	return false
}
