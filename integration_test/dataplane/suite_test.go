package dataplane

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/integration_test/edgetest"
)

// The limits of a suite's edge, and of its apps.
const (
	headerTimeout = 2 * time.Second
	bodyTimeout   = 2 * time.Second
	idleTimeout   = 3 * time.Second
	response      = 2 * time.Second // of the app named quick
	maxHeader     = 16 << 10
	maxBody       = 8 << 20
)

// A suite is one edge in front of one scripted app, known under two names: quick.test
// has a short response time, patient.test a long one. Its cases run side by side, and
// each has a path of its own.
type suite struct {
	t    *testing.T
	edge *edgetest.Edge
	app  *app

	mu   sync.Mutex
	want []wanted
}

// wanted is what the record of a path must say.
type wanted struct {
	path    string
	outcome string
	status  int
	body    wantedBody
}

// wantedBody is what a record must say of the body.
type wantedBody struct {
	kind  int
	bytes []byte
}

const (
	anyBody = iota
	wholeBody
	partOfBody // incomplete; what is there is the beginning of bytes
)

func whole(body []byte) wantedBody  { return wantedBody{wholeBody, body} }
func partOf(body []byte) wantedBody { return wantedBody{partOfBody, body} }

// newSuite starts an edge. more is added to the configuration.
func newSuite(t *testing.T, more string) *suite {
	t.Helper()
	return newSizedSuite(t, maxBody, more)
}

// newSizedSuite is newSuite with another limits.max_body, in bytes.
func newSizedSuite(t *testing.T, maxBody int, more string) *suite {
	t.Helper()
	a := newApp(t)
	e := edgetest.Start(t, fmt.Sprintf(`
listen: {http: ADDR}
data: data
limits: {header_timeout: %v, body_timeout: %v, idle_timeout: %v, max_header: %dB, max_body: %dB}
apps:
  quick: {upstreams: ["http://%[6]s"], timeouts: {connect: 2s, response: %[7]v}}
  patient: {upstreams: ["http://%[6]s"], timeouts: {connect: 2s, response: 25s}}
sites:
  - {hosts: [quick.test], app: quick}
  - {hosts: [patient.test], app: patient}
%[8]s`, headerTimeout, bodyTimeout, idleTimeout, maxHeader, maxBody, a.addr, response, more))
	t.Cleanup(func() { e.Sound(t) })
	return &suite{t: t, edge: e, app: a}
}

// run plays the cases side by side and then looks at their records.
func (s *suite) run(cases map[string]func(t *testing.T)) {
	s.t.Run("cases", func(t *testing.T) {
		for name, c := range cases {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				c(t)
			})
		}
	})
	s.check()
}

// dial connects to the edge.
func (s *suite) dial(t testing.TB) *client { return dial(t, s.edge.Addr) }

// expect states the one record there must be of the path, once all cases are through.
func (s *suite) expect(path, outcome string, status int, body wantedBody) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.want = append(s.want, wanted{path, outcome, status, body})
}

// check compares the records with what was expected of them.
func (s *suite) check() {
	s.t.Run("records", func(t *testing.T) {
		time.Sleep(300 * time.Millisecond) // access lines are written within 100 ms
		records := map[string][]edgetest.Record{}
		for _, r := range s.edge.Records("--payload") {
			path, _, _ := strings.Cut(r.Request.URI, "?")
			records[path] = append(records[path], r)
		}
		for _, w := range s.want {
			if rs := records[w.path]; len(rs) != 1 {
				t.Errorf("%s: %d records, want 1", w.path, len(rs))
			} else if err := w.fits(&rs[0]); err != nil {
				t.Errorf("%s: %v", w.path, err)
			}
		}
	})
}

func (w *wanted) fits(r *edgetest.Record) error {
	if r.Outcome != w.outcome || r.Status != w.status {
		return fmt.Errorf("recorded as %s %d (%s), want %s %d", r.Outcome, r.Status, r.Reason, w.outcome, w.status)
	}
	switch w.body.kind {
	case wholeBody:
		if !r.Body.Complete || r.Body.Truncated || r.Body.Bytes != int64(len(w.body.bytes)) || !bytes.Equal(r.Body.Base64, w.body.bytes) {
			return fmt.Errorf("recorded body: %d bytes, %d kept, complete %v, truncated %v; want the %d sent",
				r.Body.Bytes, len(r.Body.Base64), r.Body.Complete, r.Body.Truncated, len(w.body.bytes))
		}
	case partOfBody:
		if r.Body.Complete || !bytes.HasPrefix(w.body.bytes, r.Body.Base64) || len(r.Body.Base64) == 0 {
			return fmt.Errorf("recorded body: %d bytes, %d kept, complete %v; want a part that says so",
				r.Body.Bytes, len(r.Body.Base64), r.Body.Complete)
		}
	}
	return nil
}

// within fails the test if more than the limit and some slack for a busy machine went
// by since start, or less than least.
func within(t testing.TB, start time.Time, least, limit time.Duration) {
	t.Helper()
	const slack = 4 * time.Second
	if d := time.Since(start); d > limit+slack || d < least {
		t.Errorf("took %v, want %v to %v", d.Round(time.Millisecond), least, limit)
	}
}

// waitFor waits until the channel is closed.
func waitFor(t testing.TB, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		t.Error("waited in vain")
	}
}
