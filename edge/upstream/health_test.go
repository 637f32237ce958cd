package upstream

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/configs"
)

// Each letter is a check of the endpoint with that number: its result and the state
// that follows.
func TestJudged(t *testing.T) {
	down := errors.New("refused")
	tests := []struct {
		name      string
		endpoints int
		checks    string // pairs: endpoint, then + (well), - (failed) or . (timed out)
		want      string // the states at the end
		told      string
	}{
		{"well", 1, "0+ 0+", "well", ""},
		{"two failures are none", 2, "0+ 0- 0- 0+ 0- 0- 0+", "well unchecked", ""},
		{"three are", 2, "0+ 0- 0- 0-", "failing unchecked", "0 failing"},
		{"from the start", 2, "0- 0- 0-", "failing unchecked", "0 failing"},
		{"back after two", 2, "0- 0- 0- 0+ 0- 0+ 0+", "well unchecked", "0 failing, 0 well"},
		{"one success is not enough", 2, "0- 0- 0- 0+ 0- 0+", "failing unchecked", "0 failing"},
		{"slow with another", 2, "0+ 0. 0. 0.", "failing unchecked", "0 failing"},
		{"slow alone", 1, "0+ 0. 0. 0. 0. 0.", "slow", "0 slow"},
		{"slow alone and down then", 1, "0+ 0. 0. 0. 0-", "failing", "0 slow, 0 failing"},
		{"slow alone and well again", 1, "0. 0. 0. 0+ 0+", "well", "0 slow, 0 well"},
		{"both slow: one stays", 2, "0. 1. 0. 1. 0. 1. 0. 1.", "failing slow", "0 failing, 1 slow"},
		{"slow while the other is down", 2, "1- 1- 1- 0. 0. 0.", "slow failing", "1 failing, 0 slow"},
		{"and out when the other is back", 2, "1- 1- 1- 0. 0. 0. 1+ 1+ 0.", "failing well", "1 failing, 0 slow, 1 well, 0 failing"},
		{"out stays out when the other goes", 2, "0. 0. 0. 1- 1- 1- 0. 0.", "failing failing", "0 failing, 1 failing"},
		{"down alone", 1, "0- 0- 0-", "failing", "0 failing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var urls, told, got []string
			for i := range tt.endpoints {
				urls = append(urls, fmt.Sprintf("http://127.0.0.1:%d", i+1))
			}
			a := newApp(t, nil, urls...)
			a.Checked = func(url string, h Health) {
				n := int(url[len(url)-1] - '1')
				told = append(told, fmt.Sprint(n, " ", h.State))
				if (h.Cause == nil) != (h.State == Well) || h.Since.IsZero() || h.Only != (tt.endpoints == 1) {
					t.Errorf("%+v", h)
				}
			}
			for c := range strings.FieldsSeq(tt.checks) {
				result := map[byte]error{'+': nil, '-': down, '.': errSlow}[c[1]]
				a.judged(a.endpoints[c[0]-'0'], result)
			}
			for _, e := range a.endpoints {
				state := e.health.State
				if state == "" {
					state = Unchecked
				}
				got = append(got, string(state))
				if e.sick.Load() != (state == Failing) {
					t.Errorf("%s: sick %v", state, e.sick.Load())
				}
			}
			if g := strings.Join(got, " "); g != tt.want {
				t.Errorf("states %s, want %s", g, tt.want)
			}
			if g := strings.Join(told, ", "); g != tt.told {
				t.Errorf("told %s, want %s", g, tt.told)
			}
		})
	}
}

// A success ends a mark for refused connections that was there before the check began,
// and no other.
func TestReached(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		cause error
		began time.Time
		ends  bool
	}{
		{errors.New("refused"), now.Add(time.Second), true},
		{errors.New("refused"), now.Add(-time.Second), false},
		{ErrClosed, now.Add(time.Second), false},
	} {
		a := newApp(t, nil, "http://127.0.0.1:1")
		e := a.endpoints[0]
		a.refused(e, tt.cause)
		a.reached(e, tt.began)
		if ended := e.deadUntil.Load() == 0; ended != tt.ends {
			t.Errorf("%v, a check that began %v after now: ended %v", tt.cause, tt.began.Sub(now), ended)
		}
	}
}

// checkedApp answers health checks as it is told, and requests always.
type checkedApp struct {
	*server
	mu    sync.Mutex
	check string        // the answer to a check
	delay time.Duration // before it
	heads []string      // of checks
	asked atomic.Int32  // requests that were none
}

func newChecked(t *testing.T, network, address string) *checkedApp {
	c := &checkedApp{check: "200 OK"}
	c.server = listen(t, network, address, func(nc net.Conn) {
		readHeads(nc, func(head string) bool {
			if !strings.HasPrefix(head, "GET /healthz") {
				c.asked.Add(1)
				_, err := io.WriteString(nc, okAnswer)
				return err == nil
			}
			c.mu.Lock()
			c.heads = append(c.heads, head)
			check, delay := c.check, c.delay
			c.mu.Unlock()
			time.Sleep(delay)
			_, err := io.WriteString(nc, "HTTP/1.1 "+check+"\r\nContent-Length: 0\r\n\r\n")
			return err == nil
		})
	})
	return c
}

func (c *checkedApp) set(check string, delay time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.check, c.delay = check, delay
}

func (c *checkedApp) checks() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.heads)
}

func fast(c *configs.App) {
	c.Health = configs.Health{Path: "/healthz?x", Interval: 100 * time.Millisecond}
}

// state is what the status says of an upstream.
func state(a *App, i int) HealthState { return a.Status().Upstreams[i].Health }

func TestChecks(t *testing.T) {
	t.Parallel()
	one, two := newChecked(t, "tcp", "127.0.0.1:0"), newChecked(t, "tcp", "127.0.0.1:0")
	a := newApp(t, func(c *configs.App) { fast(c); c.Host = "app.internal" }, one.url("http"), two.url("http"))
	a.Start()
	eventually(t, "both are well", func() bool { return state(a, 0) == Well && state(a, 1) == Well })
	one.mu.Lock()
	h := one.heads[0]
	one.mu.Unlock()
	if !strings.HasPrefix(h, "GET /healthz?x HTTP/1.1\r\nHost: app.internal\r\n") || !strings.Contains(h, "Connection: close\r\n") {
		t.Errorf("%q", h)
	}
	for _, bad := range []string{"500 No", "404 Not Found", "401 No", "103 Early Hints"} {
		two.set(bad, 0)
		if bad == "103 Early Hints" { // and nothing after it
			two.set("HTTP/3 what", 0)
		}
		eventually(t, "the second is out: "+bad, func() bool { return state(a, 1) == Failing })
		was := two.asked.Load()
		for range 20 {
			if _, _, err := ask(a); err != nil {
				t.Fatal(err)
			}
		}
		if n := two.asked.Load(); n != was {
			t.Errorf("%d requests went to an upstream that is out", n-was)
		}
		two.set("302 Found", 0)
		eventually(t, "the second is back", func() bool { return state(a, 1) == Well })
	}
	// All out: requests go through all the same.
	one.set("503 No", 0)
	two.set("503 No", 0)
	eventually(t, "both are out", func() bool { return state(a, 0) == Failing && state(a, 1) == Failing })
	for range 10 {
		if status, _, err := ask(a); err != nil || status != 200 {
			t.Errorf("%d %v", status, err)
		}
	}
	if s := a.Status().Upstreams[0]; s.HealthError != "the health check is answered with 503" || s.HealthSince == nil {
		t.Errorf("%+v", s)
	}
	a.Close()
	n := one.checks()
	time.Sleep(300 * time.Millisecond)
	if m := one.checks(); m != n {
		t.Errorf("%d checks after the end", m-n)
	}
}

// The one promise: a single upstream that is merely slow is never taken out.
func TestSlowAlone(t *testing.T) {
	t.Parallel()
	one := newChecked(t, "tcp", "127.0.0.1:0")
	one.set("200 OK", 1200*time.Millisecond) // over the second that a check may take
	a := newApp(t, fast, one.url("http"))
	a.Start()
	eventually(t, "it is slow", func() bool { return state(a, 0) == Slow })
	if a.endpoints[0].sick.Load() {
		t.Error("taken out")
	}
	if status, _, err := ask(a); err != nil || status != 200 {
		t.Errorf("%d %v", status, err)
	}
	one.set("200 OK", 0)
	eventually(t, "it is well", func() bool { return state(a, 0) == Well })
}

// A check brings an upstream back that had refused connections, before its mark ends.
func TestCheckEndsMark(t *testing.T) {
	t.Parallel()
	one, two := newChecked(t, "tcp", "127.0.0.1:0"), newChecked(t, "tcp", "127.0.0.1:0")
	address := two.Addr().String()
	_ = two.Close()
	a := newApp(t, fast, one.url("http"), "http://"+address)
	e := a.endpoints[1]
	for e.backoff.Load() < int64(8*time.Second) { // marked for long
		a.refused(e, errors.New("refused"))
		e.mu.Lock()
		e.marked = e.marked.Add(-time.Minute)
		e.mu.Unlock()
	}
	newChecked(t, "tcp", address)
	began := time.Now()
	a.Start()
	eventually(t, "the mark is gone", func() bool { return e.deadUntil.Load() == 0 })
	if d := time.Since(began); d > 3*time.Second {
		t.Errorf("after %v", d)
	}
}

// An upstream that fails every other check is not taken out and put back all the time.
func TestFlapping(t *testing.T) {
	t.Parallel()
	one, two := newChecked(t, "tcp", "127.0.0.1:0"), newChecked(t, "tcp", "127.0.0.1:0")
	a := newApp(t, fast, one.url("http"), two.url("http"))
	var changes atomic.Int32
	a.Checked = func(string, Health) { changes.Add(1) }
	a.Start()
	for i := range 16 {
		two.set([]string{"200 OK", "503 No"}[i%2], 0)
		n := two.checks()
		eventually(t, "a check", func() bool { return two.checks() > n })
	}
	if n := changes.Load(); n != 0 {
		t.Errorf("%d changes", n)
	}
}
