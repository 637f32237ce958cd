package recovery

import (
	"bytes"
	"fmt"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// failure is one request that was answered, as the client knows it.
type failure struct {
	*request
	from         string // the client's address
	id           string // X-Request-Id of the answer
	status       int
	began, ended time.Time
}

// send sends the requests over a few connections from different addresses and
// returns how each was answered. Any that is not answered at all fails the test.
func send(t *testing.T, addr string, requests []*request) []*failure {
	t.Helper()
	const connections = 4
	out := make([]*failure, len(requests))
	var wg sync.WaitGroup
	for k := range connections {
		wg.Add(1)
		go func() {
			defer wg.Done()
			c := &client{addr: addr, from: fmt.Sprintf("127.0.%d.%d", k, 10+k)}
			defer c.close()
			for i := k; i < len(requests); i += connections {
				f := &failure{request: requests[i], from: c.from, began: time.Now()}
				a, err := c.do(requests[i], nil)
				if err != nil {
					t.Errorf("request %d (%s %.60s, %d bytes) was not answered: %v", i, requests[i].method, requests[i].target, len(requests[i].body), err)
					continue
				}
				f.ended, f.id, f.status = time.Now(), a.id, a.status
				out[i] = f
			}
		}()
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return out
}

var replayHeader = regexp.MustCompile(`^id=([0-9A-HJKMNP-TV-Z]{18}); recorded-at=(\S+); attempt=([1-9][0-9]*)$`)

// edgeSays are the fields that the edge adds, or puts in place of the client's.
var edgeSays = []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Request-Id", "X-Edge-Replay", "Content-Length", "Transfer-Encoding"}

// same compares what an app got with what the client had sent, byte for byte, and
// checks what the edge added. attempt 0 is the live try.
func same(f *failure, m *message, attempt int) []string {
	var bad []string
	complain := func(format string, args ...any) { bad = append(bad, fmt.Sprintf(format, args...)) }
	if m.method != f.method || m.target != f.target {
		complain("sent %s %q, got %s %q", f.method, f.target, m.method, m.target)
	}
	key, own := f.field("Idempotency-Key")
	var rest []field
	for _, g := range m.fields {
		added := g.is("Idempotency-Key") && !own
		for _, name := range edgeSays {
			added = added || g.is(name)
		}
		if !added {
			rest = append(rest, g)
		}
	}
	if d := cmp.Diff(f.forwarded(), rest, cmp.AllowUnexported(field{})); d != "" {
		complain("the fields differ (-sent +got):\n%s", d)
	}
	if !bytes.Equal(m.body, f.body) {
		complain("sent a body of %d bytes, got %d bytes, or others", len(f.body), len(m.body))
	}
	if d := cmp.Diff(f.trailers, m.trailers, cmp.AllowUnexported(field{})); d != "" {
		complain("the trailers differ (-sent +got):\n%s", d)
	}
	host, _ := f.field("Host")
	want := map[string]string{
		"X-Request-Id": f.id, "X-Forwarded-For": f.from, "X-Forwarded-Proto": "http", "X-Forwarded-Host": host,
	}
	if attempt > 0 {
		want["Idempotency-Key"] = f.id
	}
	if own {
		want["Idempotency-Key"] = key
	}
	for name, v := range want {
		if got := values(m.fields, name); len(got) != 1 || got[0] != v {
			complain("%s is %q, want %q", name, got, v)
		}
	}
	told := values(m.fields, "X-Edge-Replay")
	if attempt == 0 {
		if len(told) > 0 {
			complain("X-Edge-Replay is %q on a live request", told)
		}
		return bad
	}
	if len(told) != 1 || !replayHeader.MatchString(told[0]) {
		complain("X-Edge-Replay is %q", told)
		return bad
	}
	part := replayHeader.FindStringSubmatch(told[0])
	at, err := time.Parse(time.RFC3339Nano, part[2])
	if part[1] != f.id || part[3] != fmt.Sprint(attempt) || err != nil {
		complain("X-Edge-Replay is %q, want id %s, attempt %d", told[0], f.id, attempt)
	}
	// The edge reads the clock when the first byte of the head arrives.
	if at.Before(f.began.Add(-50*time.Millisecond)) || at.After(f.ended.Add(50*time.Millisecond)) {
		complain("recorded-at %v is not between %v and %v", at, f.began, f.ended)
	}
	return bad
}

// recovered checks that the app got each of the failures once, in the order of their
// ids, as it was sent, and nothing else.
func recovered(t *testing.T, want []*failure, got []*message, attempt int) {
	t.Helper()
	last := ""
	for _, m := range got {
		id, _ := one(m.fields, "X-Request-Id")
		if id < last {
			t.Errorf("%s came after %s", id, last)
		}
		last = id
	}
	recoveredInAnyOrder(t, want, got, attempt)
}

func recoveredInAnyOrder(t *testing.T, want []*failure, got []*message, attempt int) {
	t.Helper()
	byID := make(map[string]*failure, len(want))
	for _, f := range want {
		if byID[f.id] != nil {
			t.Errorf("two requests were answered with the id %s", f.id)
		}
		byID[f.id] = f
	}
	if len(got) != len(want) {
		t.Errorf("the app got %d requests, want %d", len(got), len(want))
	}
	shown := 0
	for _, m := range got {
		id, _ := one(m.fields, "X-Request-Id")
		f := byID[id]
		if f == nil {
			t.Errorf("the app got %s %q with the id %q, twice or for no reason", m.method, m.target, id)
			continue
		}
		delete(byID, id)
		for _, bad := range same(f, m, attempt) {
			if shown++; shown <= 10 {
				t.Errorf("%s %s %.60q: %s", id, f.method, f.target, bad)
			}
		}
	}
	for id, f := range byID {
		if shown++; shown <= 10 {
			t.Errorf("the app never got %s, %s %.60q", id, f.method, f.target)
		}
	}
}

// hostOf is the host of a request, as a site names it.
func hostOf(r *request) string {
	h, _ := r.field("Host")
	if name, _, err := net.SplitHostPort(h); err == nil {
		h = name
	}
	return strings.ToLower(h)
}
