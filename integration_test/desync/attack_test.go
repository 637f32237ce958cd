package desync

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// parallel is how many connections attack at once. Most cases that take long only wait.
const parallel = 48

// A verdict is what was found out about one case.
type verdict struct {
	c      testCase
	table  string
	token  string
	talk   conversation
	faults []string
	// canaries are the answers to the ordinary request after the case.
	canaries []answer
}

func (v *verdict) fault(format string, a ...any) {
	v.faults = append(v.faults, fmt.Sprintf(format, a...))
}

func TestAttacks(t *testing.T) {
	l := newLedger()
	alpha, beta, gamma := startApp(t, "alpha", l), startApp(t, "beta", l), startApp(t, "gamma", l)
	var e *attacked
	kind := os.Getenv("HOLDFAST_EDGE_KIND")
	switch kind {
	case "":
		e = startEdge(t, alpha.addr(), beta.addr(), gamma.addr())
	case "nginx":
		e = startNginx(t, alpha.addr(), beta.addr(), gamma.addr())
	default:
		t.Fatalf("HOLDFAST_EDGE_KIND=%s: want nginx, or nothing for the edge", kind)
	}

	vs := attack(t, e, l)
	time.Sleep(300 * time.Millisecond) // for what an app may be told late
	loose := reconcile(vs, l)
	if kind == "" {
		checkRecords(t, e, vs, l)
		for _, f := range loose {
			t.Error(f)
		}
		if s := e.stderr.String(); strings.Contains(s, "DATA RACE") || strings.Contains(s, "panic:") {
			t.Errorf("the edge's stderr:\n%s", s)
		}
	}

	logSlowest(t, vs)
	differ := map[string]int{}
	for _, v := range vs {
		if kind != "" {
			if len(v.faults) > 0 {
				differ[v.table]++
				t.Logf("%s/%s: %s", v.table, v.c.name, strings.Join(v.faults, "; "))
			}
			continue
		}
		t.Run(v.table+"/"+v.c.name, func(t *testing.T) {
			if len(v.c.want) > 1 { // what the edge makes of its freedom, with -v
				t.Log(v.happened(l))
			}
			for _, f := range v.faults {
				t.Errorf("%s\nsent: %s", f, abbreviateWrites(v.c))
			}
		})
	}
	if kind != "" {
		for _, f := range loose {
			t.Log(f)
		}
		n := 0
		for _, d := range differ {
			n += d
		}
		t.Logf("%s differs in %d of %d cases: %v", kind, n, len(vs), differ)
	}
}

// attack plays all cases and judges each conversation by itself.
func attack(t *testing.T, e *attacked, l *ledger) []*verdict {
	only := regexp.MustCompile(os.Getenv("HOLDFAST_DESYNC_ONLY"))
	var vs []*verdict
	for _, tb := range tables() {
		for _, c := range tb.cases {
			if only.MatchString(tb.name + "/" + c.name) {
				tok := token(len(vs))
				vs = append(vs, &verdict{c: c.instantiate(tok), table: tb.name, token: tok})
			}
		}
	}
	// Those that wait start first, so that they do not prolong the end.
	order := slices.Clone(vs)
	slices.SortStableFunc(order, func(a, b *verdict) int { return b.patience() - a.patience() })
	todo := make(chan *verdict)
	var wg sync.WaitGroup
	for range parallel {
		wg.Go(func() {
			for v := range todo {
				v.talk = converse(e.addr, v.c, caseLimit)
				v.judge(l)
				v.canary(e, l)
			}
		})
	}
	for _, v := range order {
		todo <- v
	}
	close(todo)
	wg.Wait()
	if !e.alive() {
		t.Errorf("the process died:\n%s", e.stderr)
	}
	return vs
}

// logSlowest says where the time went.
func logSlowest(t *testing.T, vs []*verdict) {
	slow := slices.Clone(vs)
	slices.SortFunc(slow, func(a, b *verdict) int { return int(b.talk.took - a.talk.took) })
	var sum time.Duration
	for _, v := range slow {
		sum += v.talk.took
	}
	t.Logf("%d cases, %v of waiting at %d at a time; the slowest:", len(vs), sum.Round(time.Second), parallel)
	for _, v := range slow[:min(5, len(slow))] {
		t.Logf("  %v %s/%s", v.talk.took.Round(time.Millisecond), v.table, v.c.name)
	}
}

// patience ranks cases by how long they may take.
func (v *verdict) patience() int {
	n := len(v.c.writes) - 1
	if v.c.partial {
		n++
	}
	return n
}

// judge compares the conversation with the allowed outcomes.
func (v *verdict) judge(l *ledger) {
	if v.talk.err != nil {
		v.fault("the answer is not HTTP: %v", v.talk.err)
	}
	if v.talk.late {
		v.fault("neither answered nor closed within %v", v.talk.took.Round(time.Millisecond))
	}
	for _, s := range v.talk.interim {
		asked := strings.Contains(strings.ToLower(wireKey(v.c)), "100-continue")
		if s != 100 || !asked || v.talk.answers == nil || v.talk.answers[0].status == 421 {
			v.fault("an interim answer %d that nobody asked for, or for no site", s)
		}
	}
	var reqs []*seen
	for _, a := range v.talk.answers {
		if a.app == "" {
			if a.id == "" {
				v.fault("the edge's own answer %d has no X-Request-Id", a.status)
			}
			continue
		}
		r := l.request(a.serial)
		for end := time.Now().Add(3 * time.Second); r == nil && time.Now().Before(end); r = l.request(a.serial) {
			time.Sleep(5 * time.Millisecond) // answered early: the body is still being read
		}
		if r == nil {
			v.fault("answered by %s, serial %d, for a request that never was complete", a.app, a.serial)
			continue
		}
		reqs = append(reqs, r)
		if a.id == "" || r.value("X-Request-Id") != a.id {
			v.fault("the client's X-Request-Id is %q, the app's %q", a.id, r.value("X-Request-Id"))
		}
		if !v.head(a) && a.body != r.app+" "+r.method+" "+r.target {
			v.fault("the answer's body %q is for another request", abbreviate(a.body))
		}
	}
	var why []string
	for _, o := range v.c.want {
		w := v.mismatch(o, l)
		if w == "" {
			why = nil
			break
		}
		why = append(why, fmt.Sprintf("want %v: %s", o, w))
	}
	if len(why) > 0 {
		v.fault("%s\n%s", v.happened(l), strings.Join(why, "\n"))
	}
	if v.c.check != nil && len(reqs) > 0 {
		if err := v.c.check(reqs); err != nil {
			v.fault("%v", err)
		}
	}
}

// head says whether a is the body-less answer of a HEAD request.
func (v *verdict) head(a answer) bool {
	return v.c.head && len(v.talk.answers) > 0 && a == v.talk.answers[0]
}

// mismatch says how the conversation is not o, or "".
func (v *verdict) mismatch(o outcome, l *ledger) string {
	if len(v.talk.answers) != len(o.steps) {
		return fmt.Sprintf("%d answers", len(v.talk.answers))
	}
	for i, s := range o.steps {
		a := v.talk.answers[i]
		if s.fwd == nil {
			if a.app != "" {
				return fmt.Sprintf("answer %d is an app's", i+1)
			}
			if !slices.Contains(s.statuses, a.status) {
				return fmt.Sprintf("answer %d has status %d", i+1, a.status)
			}
			continue
		}
		if a.app == "" {
			return fmt.Sprintf("answer %d is the edge's", i+1)
		}
		r := l.request(a.serial)
		if r == nil {
			return "request not complete"
		}
		got := forwarded{r.app, r.method, r.target, r.value("Host"), r.body}
		if got != *s.fwd {
			return fmt.Sprintf("request %d differs", i+1)
		}
	}
	if o.end == endClosed && !v.talk.closed {
		return "not closed"
	}
	return ""
}

func (v *verdict) happened(l *ledger) string {
	var b strings.Builder
	fmt.Fprintf(&b, "got after %v:", v.talk.took.Round(time.Millisecond))
	for _, a := range v.talk.answers {
		if r := l.request(a.serial); a.app != "" && r != nil {
			fmt.Fprintf(&b, " %d (%s got %s %q host %q body %q)", a.status, r.app, r.method, abbreviate(r.target), r.value("Host"), abbreviate(r.body))
		} else {
			fmt.Fprintf(&b, " %d", a.status)
		}
	}
	if len(v.talk.answers) == 0 {
		b.WriteString(" no answer")
	}
	if v.talk.closed {
		b.WriteString(", closed")
	}
	return b.String()
}

// canary sends an ordinary request on a new connection. That it gets its own answer says that
// the edge lives, and that no upstream connection was left with something in it.
func (v *verdict) canary(e *attacked, l *ledger) {
	target := "/canary/" + v.token
	c := raw("canary", "GET "+target+" HTTP/1.1\r\nHost: "+hostA+"\r\nX-Case: canary\r\n\r\n", forward(toA("GET", target, "")))
	w := &verdict{c: c, talk: converse(e.addr, c, caseLimit)}
	w.judge(l)
	for _, f := range w.faults {
		v.fault("the next ordinary request: %s", f)
	}
	v.canaries = w.talk.answers
}

func abbreviateWrites(c testCase) string {
	var b strings.Builder
	for _, w := range c.writes {
		if w.after > 0 {
			fmt.Fprintf(&b, "(%v later) ", w.after)
		}
		s := w.data
		if len(s) > 600 {
			s = s[:600] + "…"
		}
		fmt.Fprintf(&b, "%q ", s)
	}
	return b.String()
}

// reconcile matches what apps saw with what clients were answered, over all cases. It returns
// the faults that belong to no case.
func reconcile(vs []*verdict, l *ledger) (loose []string) {
	byToken := map[string]*verdict{}
	got := map[int64][]*verdict{}
	for _, v := range vs {
		byToken[v.token] = v
		for _, a := range slices.Concat(v.talk.answers, v.canaries) {
			if a.app != "" {
				got[a.serial] = append(got[a.serial], v)
			}
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	blame := func(r *seen, format string, a ...any) {
		what := fmt.Sprintf(format, a...)
		v := byToken[anyToken.FindString(string(r.raw))]
		if answered := got[r.serial]; v == nil && len(answered) > 0 {
			v = answered[0]
		}
		if v != nil {
			v.fault("%s: %s saw %q", what, r.app, abbreviate(string(r.raw)))
			return
		}
		loose = append(loose, fmt.Sprintf("%s, of no case known: %s saw %q on connection %d", what, r.app, r.raw, r.conn))
	}
	for serial, r := range l.complete {
		if n := len(got[serial]); n != 1 {
			blame(r, "request that %d answers were delivered for", n)
		}
	}
	for _, r := range l.partial {
		if v := byToken[anyToken.FindString(string(r.raw))]; v == nil || !v.c.partial {
			blame(r, "request that was never completed")
		}
	}
	for _, f := range l.faults {
		blame(f.r, "malformed at the app (%s)", f.what)
	}
	for _, g := range l.gamma {
		loose = append(loose, fmt.Sprintf("gamma was contacted: %q", g))
	}
	return loose
}

var anyToken = regexp.MustCompile(`~[0-9]{5}`)
