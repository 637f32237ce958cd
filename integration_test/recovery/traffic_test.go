package recovery

import (
	"bytes"
	"encoding/json"
	"hash/fnv"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/holdfast-edge/holdfast/integration_test/edgetest"
)

// The traffic of a real server, from its log.
func TestTrafficOfRealLog(t *testing.T) {
	path := filepath.Join(edgetest.Root(), "..", "shared", "data", "access-combined-10k.log")
	if _, err := os.Stat(path); err != nil {
		t.Skipf("the log is not here: %v", err)
	}
	lines := readLog(t, path)
	if len(lines) != 10_000 {
		t.Errorf("%d lines, want 10,000", len(lines))
	}
	traffic(t, share(lines), 559)
}

// share is all lines, or in the small size a tenth of them, and the first line of every
// agent, method and version.
func share(lines []logged) []logged {
	if edgetest.Full() {
		return lines
	}
	met := map[[3]string]bool{}
	return slices.DeleteFunc(lines, func(l logged) bool {
		kind := [3]string{l.agent, l.method, l.version}
		first := !met[kind]
		met[kind] = true
		return !first && l.line%10 != 0
	})
}

// An excerpt of it that is always here, and lines that no client should have sent.
func TestTrafficOfExcerpt(t *testing.T) {
	lines := readLog(t, "testdata/access-excerpt.log")
	for _, l := range lines {
		if !l.sendable {
			t.Errorf("line %d can't be sent: %q", l.line, l.request)
		}
	}
	broken := readLog(t, "testdata/access-broken.log")
	for i := range broken {
		if broken[i].sendable {
			t.Errorf("line %d of the broken ones can be sent: %q", broken[i].line, broken[i].request)
		}
		broken[i].line += len(lines)
	}
	traffic(t, append(lines, broken...), 0)
}

// seen is a request as the app of the traffic saw it.
type seen struct {
	method, host, uri, referer, agent, key string
	body                                   string
}

// shop is an app on net/http: another reader of what the edge sends than the strict
// one. While it is sick it fails about 7 % of the lines, each always the same way.
type shop struct {
	sick atomic.Bool
	mu   sync.Mutex
	done map[int][]seen // answered 2xx, by line
}

// illness is how a line is failed while the app is sick; "" if it is not.
func illness(line int) string {
	h := fnv.New32a()
	_, _ = io.WriteString(h, strconv.Itoa(line))
	switch n := h.Sum32() % 100; {
	case n < 3:
		return "500"
	case n < 5:
		return "503"
	case n < 6:
		return "drop"
	case n < 7:
		return "cut"
	}
	return ""
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	line, _ := strconv.Atoi(r.Header.Get("X-Line"))
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if s.sick.Load() {
		switch illness(line) {
		case "500":
			w.WriteHeader(500)
			return
		case "503":
			w.WriteHeader(503)
			return
		case "drop":
			panic(http.ErrAbortHandler)
		case "cut": // breaks off in the middle of the answer
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write(make([]byte, 500))
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
	}
	s.mu.Lock()
	s.done[line] = append(s.done[line], seen{r.Method, r.Host, r.RequestURI, r.Header.Get("Referer"), r.Header.Get("User-Agent"),
		r.Header.Get("X-Edge-Replay"), string(body)})
	s.mu.Unlock()
	_, _ = io.WriteString(w, "ok")
}

// sight is what the client saw of one line.
type sight struct {
	id     string
	status int
	failed bool
}

const trafficHost = "www.semicomplete.com"

// traffic sends the lines through an edge to an app that is sick, heals the app, and
// has replay bring it everything that failed. agents is how many distinct ones there
// are; 0 does not look.
func traffic(t *testing.T, lines []logged, agents int) {
	s := &shop{done: make(map[int][]seen)}
	server := httptest.NewUnstartedServer(s)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Start()
	defer server.Close()
	s.sick.Store(true)
	e := edgetest.Start(t, config(`
apps: {shop: %q}
sites:
  - {name: shop, hosts: [%s], app: shop}
`, server.URL, trafficHost))
	defer sound(t, e)

	sights := sendLines(t, e.Addr, lines)
	failed, refused, byMethod := 0, 0, map[string]int{}
	for i, got := range sights {
		l := &lines[i]
		switch {
		case !l.sendable:
			refused++
			if got.status != 400 {
				t.Errorf("line %d, %q, was answered %d, want 400", l.line, l.request, got.status)
			}
		case got.failed:
			failed++
			byMethod[l.method]++
		}
		// An answer to HEAD has nothing that could be cut short.
		if ill := illness(l.line); l.sendable && got.failed != (ill != "") && !(ill == "cut" && l.method == "HEAD") {
			t.Errorf("line %d, %s %.80q, was answered %d; the app's way with it is %q", l.line, l.method, l.target, got.status, ill)
		}
	}
	t.Logf("%d lines, %d can't be sent, %d failed: %v", len(lines), refused, failed, byMethod)
	if failed < len(lines)/30 {
		t.Errorf("only %d failed: the app is not as sick as it should be", failed)
	}
	for line, times := range s.done {
		if len(times) != 1 {
			t.Errorf("the app did line %d %d times", line, len(times))
		}
	}

	s.sick.Store(false)
	first := replayed(t, e, "--yes", "--rate", "none", "--method", "GET,HEAD,POST,OPTIONS", "--site", "shop")
	first.expect(t, "first", 0, failed, failed, 0, 0, 0)
	second := replayed(t, e, "--yes", "--rate", "none", "--method", "GET,HEAD,POST,OPTIONS", "--site", "shop")
	second.expect(t, "second", 0, 0, 0, failed, 0, 0)
	for i, got := range sights {
		if lines[i].sendable {
			s.did(t, &lines[i], got)
		}
	}
	records(t, e, lines, sights, agents)
}

// did checks that the app did a line once, as it was sent.
func (s *shop) did(t *testing.T, l *logged, got sight) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	times := s.done[l.line]
	if len(times) != 1 {
		t.Errorf("the app did line %d, %s %.80q, %d times", l.line, l.method, l.target, len(times))
		return
	}
	want := seen{l.method, trafficHost, l.target, strings.Trim(l.referer, " \t"), strings.Trim(l.agent, " \t"), times[0].key, string(l.wire("").body)}
	if l.referer == "-" {
		want.referer = ""
	}
	if l.agent == "-" {
		want.agent = ""
	}
	if times[0] != want {
		t.Errorf("line %d: the app did %+v, want %+v", l.line, times[0], want)
	}
	if (times[0].key != "") != got.failed || got.failed && !strings.HasPrefix(times[0].key, "id="+got.id+";") {
		t.Errorf("line %d, id %s, failed %v: X-Edge-Replay %q", l.line, got.id, got.failed, times[0].key)
	}
}

// sendLines sends all lines over a few connections.
func sendLines(t *testing.T, addr string, lines []logged) []sight {
	t.Helper()
	const connections = 8
	out := make([]sight, len(lines))
	var wg sync.WaitGroup
	for k := range connections {
		wg.Add(1)
		go func() {
			defer wg.Done()
			c := &client{addr: addr}
			defer c.close()
			for i := k; i < len(lines); i += connections {
				l, headed := &lines[i], false
				note := func(a *answer) { out[i].id, out[i].status, headed = a.id, a.status, true }
				var err error
				if l.sendable {
					_, err = c.do(l.wire(trafficHost), note)
				} else {
					_, err = c.raw(l.asLogged(), "GET", note)
				}
				out[i].failed = err != nil || out[i].status >= 400
				if !headed {
					t.Errorf("line %d, %q, was not answered: %v", l.line, l.request, err)
				}
			}
		}()
	}
	wg.Wait()
	return out
}

// asLogged is a request that is none.
func (l *logged) asLogged() []byte {
	return []byte(l.request + "\r\nHost: " + trafficHost + "\r\nReferer: " + l.referer + "\r\nUser-Agent: " + l.agent + "\r\n\r\n")
}

// records checks that every request has one record that says what was sent, and
// counts the agents.
func records(t *testing.T, e *edgetest.Edge, lines []logged, sights []sight, agents int) {
	t.Helper()
	e.Stop() // all lines are on disk then
	r := e.RunFor(patience, "edge", "logs", "--json", "--since", "24h")
	if r.Code != 0 {
		t.Fatalf("edge logs: exit %d\n%s", r.Code, r.Stderr)
	}
	type line struct {
		ID      string
		Status  int
		Outcome string
		Request struct {
			Method, Host, URI string
			Headers           map[string][]string
		}
		UserAgent struct{ Browser, OS string } `json:"user_agent"`
	}
	byID := make(map[string]*line, len(lines))
	distinct, parsed, withAgent := map[string]bool{}, 0, 0
	for text := range bytes.Lines([]byte(r.Stdout)) {
		l := new(line)
		if err := json.Unmarshal(text, l); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if byID[l.ID] != nil {
			t.Errorf("%s has two records", l.ID)
		}
		byID[l.ID] = l
	}
	if len(byID) != len(lines) {
		t.Errorf("%d records, want %d", len(byID), len(lines))
	}
	for i, got := range sights {
		l, rec := &lines[i], byID[got.id]
		if rec == nil {
			t.Errorf("line %d, id %s, has no record", l.line, got.id)
			continue
		}
		if rec.Status != got.status {
			t.Errorf("line %d was answered %d, and the record says %d", l.line, got.status, rec.Status)
		}
		if !l.sendable {
			if rec.Outcome != "rejected" {
				t.Errorf("line %d, %q: outcome %s, want rejected", l.line, l.request, rec.Outcome)
			}
			continue
		}
		if rec.Request.Method != l.method || rec.Request.URI != l.target || rec.Request.Host != trafficHost || (rec.Outcome == "ok") == got.failed {
			t.Errorf("line %d: the record says %+v, want %s %s, failed %v", l.line, *rec, l.method, l.target, got.failed)
		}
		agent, sent := "", l.agent
		if v := rec.Request.Headers["User-Agent"]; len(v) > 0 {
			agent = v[0]
		}
		if sent == "-" {
			sent = ""
		} else {
			withAgent++
		}
		if agent != strings.Trim(sent, " \t") {
			t.Errorf("line %d: the record says the agent %q, want %q", l.line, agent, sent)
		}
		distinct[agent] = true
		if rec.UserAgent.Browser != "" {
			parsed++
		}
	}
	t.Logf("%d distinct agents (no agent is one), a browser was told of %d of %d", len(distinct), parsed, withAgent)
	if agents > 0 && len(distinct) != agents {
		t.Errorf("%d distinct agents, want %d", len(distinct), agents)
	}
	if parsed < withAgent*8/10 {
		t.Errorf("of only %d of %d agents a browser was told", parsed, withAgent)
	}
}
