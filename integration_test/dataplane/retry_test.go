package dataplane

import (
	"bytes"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/integration_test/edgetest"
)

// A cluster is an edge in front of one app with several upstreams.
type cluster struct {
	*suite
	apps []*app
}

// newCluster starts n scripted upstreams and an edge that knows them as one app
// (many.test), as one that recognises a repeated Idempotency-Key (keyed.test), and
// each alone (0.test, 1.test, ...).
func newCluster(t *testing.T, n int) *cluster {
	t.Helper()
	c := &cluster{}
	var urls, single, sites []string
	for i := range n {
		a := newApp(t)
		c.apps = append(c.apps, a)
		urls = append(urls, fmt.Sprintf("%q", "http://"+a.addr))
		single = append(single, fmt.Sprintf("  app%d: %q\n", i, "http://"+a.addr))
		sites = append(sites, fmt.Sprintf("  - {hosts: [%d.test], app: app%d}\n", i, i))
	}
	list := strings.Join(urls, ", ")
	e := edgetest.Start(t, fmt.Sprintf(`
listen: {http: ADDR}
data: data
apps:
  many: {upstreams: [%s], timeouts: {connect: 2s, response: 20s}}
  keyed: {upstreams: [%s], timeouts: {connect: 2s, response: 20s}, idempotent: true}
%ssites:
  - {hosts: [many.test], app: many}
  - {hosts: [keyed.test], app: keyed}
%s`, list, list, strings.Join(single, ""), strings.Join(sites, "")))
	c.suite = &suite{t: t, edge: e, app: c.apps[0]}
	t.Cleanup(func() { e.Sound(t) })
	return c
}

// on plays s on every upstream.
func (c *cluster) on(target string, s script) {
	for _, a := range c.apps {
		a.on(target, s)
	}
}

// requests returns what came to each upstream.
func (c *cluster) requests(target string) (all []*message, per []int) {
	for _, a := range c.apps {
		r := a.requests(target)
		all = append(all, r...)
		per = append(per, len(r))
	}
	return all, per
}

// TestRetry: a request is sent to another upstream only where that cannot make it
// happen twice. Every upstream counts what it gets.
func TestRetry(t *testing.T) {
	s := newCluster(t, 3)
	cases := map[string]func(t *testing.T){}
	small, large := pattern(1000), pattern(200_000)
	// failsOnce breaks off the first request and answers those that follow.
	failsOnce := func(how script) script {
		var n atomic.Int32
		return func(c *call) bool {
			if n.Add(1) == 1 {
				return how(c)
			}
			return answerOK(c)
		}
	}
	afterHead := func(*call) bool { return false }
	afterBody := func(c *call) bool { c.readBody(); return false }
	resets := func(c *call) bool { c.readBody(); return c.reset() }
	inAnswer := func(c *call) bool { c.readBody(); c.write("HTTP/1.1 200 OK\r\nContent-"); return false }

	for i, tc := range []struct {
		method, host string
		body         []byte
		how          script
		tries        int // how often it is sent
		status       int
	}{
		{"GET", "many.test", nil, afterHead, 2, 200},
		{"GET", "many.test", nil, resets, 2, 200},
		{"HEAD", "many.test", nil, afterHead, 2, 200},
		{"OPTIONS", "many.test", nil, afterHead, 2, 200},
		{"PUT", "many.test", small, afterBody, 2, 200},
		{"DELETE", "many.test", small, afterBody, 2, 200},
		{"POST", "many.test", nil, afterHead, 1, 502},
		{"POST", "many.test", small, afterHead, 1, 502},
		{"POST", "many.test", small, afterBody, 1, 502},
		{"POST", "many.test", small, resets, 1, 502},
		{"POST", "many.test", small, inAnswer, 1, 502},
		{"PATCH", "many.test", small, afterBody, 1, 502},
		{"PROPFIND", "many.test", nil, afterHead, 1, 502},
		{"POST", "many.test", large, afterBody, 1, 502},
		{"PUT", "many.test", large, afterBody, 1, 502}, // it is not in memory any more
		{"GET", "many.test", nil, inAnswer, 1, 502},    // the app has begun to answer
		{"POST", "keyed.test", small, afterBody, 2, 200},
		{"PATCH", "keyed.test", small, afterBody, 2, 200},
		{"POST", "keyed.test", large, afterBody, 1, 502},
		{"GET", "keyed.test", nil, afterHead, 2, 200},
	} {
		path := fmt.Sprintf("/retry/%d", i)
		s.on(path, failsOnce(tc.how))
		if tc.status == 200 {
			s.expect(path, "ok", 200, wantedBody{})
		} else {
			s.expect(path, "upstream_down", 502, whole(tc.body))
		}
		cases[fmt.Sprintf("%d %s %d bytes to %s", i, tc.method, len(tc.body), tc.host)] = func(t *testing.T) {
			c := s.dial(t)
			head := request(tc.method, path, tc.host)
			if tc.body != nil {
				head = request(tc.method, path, tc.host, fmt.Sprintf("Content-Length: %d", len(tc.body)))
			}
			wait := c.sendAside([]byte(head + string(tc.body)))
			defer wait()
			if m := c.answer(tc.method); m.status() != tc.status {
				t.Errorf("got %q, want %d", m.start, tc.status)
			}
			all, per := s.requests(path)
			if len(all) != tc.tries {
				t.Fatalf("the upstreams got it %v times, want %d in all", per, tc.tries)
			}
			keys := map[string]bool{}
			for _, r := range all {
				if r.framing != "" && r.err == nil && !bytes.Equal(r.body, tc.body) {
					t.Errorf("an upstream got %d bytes of %d", len(r.body), len(tc.body))
				}
				keys[r.get("Idempotency-Key")] = true
			}
			wantKey := tc.host == "keyed.test" && tc.method != "GET"
			if len(keys) != 1 || keys[""] == wantKey {
				t.Errorf("keys: %v", keys)
			}
		}
	}
	s.on("/retry/never", afterHead)
	s.expect("/retry/never", "upstream_down", 502, wantedBody{})
	cases["no upstream answers"] = func(t *testing.T) {
		c := s.dial(t)
		c.send(request("GET", "/retry/never", "many.test"))
		if m := c.answer("GET"); m.status() != 502 {
			t.Errorf("got %q", m.start)
		}
		if all, per := s.requests("/retry/never"); len(all) < 2 || len(all) > 3 {
			t.Errorf("the upstreams got it %v times", per)
		}
	}
	cases["a client's own key is kept"] = func(t *testing.T) {
		c := s.dial(t)
		c.send(post("/retry/own-key", "keyed.test", small, "idempotency-key: mine"))
		c.answer("POST")
		if all, _ := s.requests("/retry/own-key"); len(all) != 1 || all[0].get("Idempotency-Key") != "mine" {
			t.Errorf("the upstreams got %+v", all)
		}
	}
	s.run(cases)
}

// TestLeastConnections: a new request goes where the fewest are under way.
func TestLeastConnections(t *testing.T) {
	const each = 4
	s := newCluster(t, 3)
	var begun atomic.Int32
	held := func(release chan struct{}) script {
		return func(c *call) bool {
			begun.Add(1)
			select {
			case <-release:
			case <-time.After(patience):
			}
			return answerOK(c)
		}
	}
	second, rest := make(chan struct{}), make(chan struct{})
	defer close(rest)
	s.apps[0].on("/hold", held(rest))
	s.apps[1].on("/hold", held(second))
	s.apps[2].on("/hold", held(rest))
	// hold starts n requests, one after the other, and returns how many each upstream has.
	hold := func(n int) []int {
		for range n {
			c, was := s.dial(t), begun.Load()
			c.send(request("GET", "/hold", "many.test"))
			for end := time.Now().Add(patience); begun.Load() == was; time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("no upstream got the request")
				}
			}
		}
		_, per := s.requests("/hold")
		return per
	}
	if per := hold(3 * each); fmt.Sprint(per) != "[4 4 4]" {
		t.Errorf("12 requests went to %v", per)
	}
	s.apps[1].on("/hold", held(rest))
	close(second)
	time.Sleep(200 * time.Millisecond) // the answers are through
	if per := hold(each); fmt.Sprint(per) != "[4 8 4]" {
		t.Errorf("after the four on the second were answered, four more went to %v", per)
	}
}

// TestPassiveMarking: an upstream that refuses connections is passed over after that,
// and gets requests again when it is back.
func TestPassiveMarking(t *testing.T) {
	s := newCluster(t, 2)
	send := func() int {
		c := s.dial(t)
		c.send(post("/marked", "many.test", []byte("x")))
		return c.answer("POST").status()
	}
	s.apps[1].down()
	for i := range 20 {
		if status := send(); status != 200 {
			t.Fatalf("request %d got %d while one of two upstreams was down", i, status)
		}
	}
	if _, per := s.requests("/marked"); per[0] != 20 {
		t.Fatalf("the upstreams got %v", per)
	}
	s.apps[1].up(t)
	var back time.Duration
	for start, n := time.Now(), 0; ; n++ {
		if status := send(); status != 200 {
			t.Fatalf("got %d", status)
		}
		if len(s.apps[1].requests("/marked")) > 0 {
			back = time.Since(start)
			break
		}
		if time.Since(start) > 15*time.Second {
			t.Fatal("the upstream that came back gets no requests")
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Logf("back in use after %v", back.Round(time.Millisecond))
	if all, _ := s.requests("/marked"); len(all) < 21 {
		t.Errorf("%d requests", len(all))
	}

	// All down: 502 and recorded; the only upstream of an app is never passed over.
	s.apps[0].down()
	s.apps[1].down()
	for range 2 {
		if status := send(); status != 502 {
			t.Errorf("got %d with all upstreams down", status)
		}
	}
	s.apps[0].up(t)
	c := s.dial(t)
	c.send(post("/alone", "0.test", []byte("x")))
	if m := c.answer("POST"); m.status() != 200 {
		t.Errorf("the app with one upstream got %q right after it was back", m.start)
	}
}

// TestConnectTimeout: an upstream that does not even refuse costs the connect timeout,
// once, and no request.
func TestConnectTimeout(t *testing.T) {
	deaf := deafAddr(t)
	a := newApp(t)
	e := edgetest.Start(t, fmt.Sprintf(`
listen: {http: ADDR}
data: data
apps:
  half: {upstreams: ["http://%s", "http://%s"], timeouts: {connect: 500ms, response: 5s}}
  none: {upstreams: ["http://%[1]s"], timeouts: {connect: 500ms, response: 5s}}
sites:
  - {hosts: [half.test], app: half}
  - {hosts: [none.test], app: none}
`, deaf, a.addr))
	s := &suite{t: t, edge: e, app: a}
	start := time.Now()
	for range 4 {
		c := s.dial(t)
		c.send(post("/deaf", "half.test", []byte("hello")))
		if m := c.answer("POST"); m.status() != 200 || string(m.body) != "hello" {
			t.Errorf("got %+v", m)
		}
	}
	within(t, start, 0, time.Second)
	if n := len(a.requests("/deaf")); n != 4 {
		t.Errorf("the other upstream got %d requests", n)
	}
	start = time.Now()
	c := s.dial(t)
	c.send(post("/deaf/none", "none.test", []byte("hello")))
	if m := c.answer("POST"); m.status() != 502 {
		t.Errorf("got %q", m.start)
	}
	within(t, start, 400*time.Millisecond, 500*time.Millisecond)
	s.expect("/deaf/none", "upstream_down", 502, whole([]byte("hello")))
	s.check()
}

// deafAddr is the address of a listener that answers no SYN: its queue is full.
func deafAddr(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", sa.(*syscall.SockaddrInet4).Port)
	fillQueue(t, addr)
	return addr
}
