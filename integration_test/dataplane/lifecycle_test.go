package dataplane

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/integration_test/edgetest"
)

// TestDrain: on SIGTERM what is under way is finished, also uploads and answers in the
// middle; idle connections end, and nobody new is let in.
func TestDrain(t *testing.T) {
	s := newSuite(t, "")
	s.app.on("/drain/slow", func(c *call) bool {
		c.readBody()
		c.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
		time.Sleep(time.Second)
		c.write("world")
		return true
	})
	idle, busy, upload := s.dial(t), s.dial(t), s.dial(t)
	idle.send(request("GET", "/ok", "patient.test"))
	idle.answer("GET")
	busy.send(request("GET", "/drain/slow", "patient.test"))
	upload.send(request("POST", "/drain/upload", "patient.test", "Content-Length: 10"), "hello")
	time.Sleep(200 * time.Millisecond)

	stopped := make(chan struct{})
	start := time.Now()
	go func() { defer close(stopped); s.edge.Stop() }()
	idle.closed()
	within(t, start, 0, 0)
	if c, err := net.Dial("tcp", s.edge.Listens()); err == nil {
		_ = c.Close()
		t.Error("a new connection is taken while draining")
	}
	upload.send("world")
	if m := upload.answer("POST"); m.status() != 200 || string(m.body) != "helloworld" || m.get("Connection") != "close" {
		t.Errorf("the upload got %+v", m)
	}
	if m := busy.answer("GET"); m.status() != 200 || m.err != nil || string(m.body) != "helloworld" {
		t.Errorf("the slow answer is %+v", m)
	}
	waitFor(t, stopped)
	within(t, start, 0, 2*time.Second)
	s.expect("/drain/slow", "ok", 200, wantedBody{})
	s.expect("/drain/upload", "ok", 200, wantedBody{})
	s.check()
}

// TestReloadKeepsConnections: a reload serves the next request of an open connection by
// the new file, lets those under way end by the old one, and drops nobody.
func TestReloadKeepsConnections(t *testing.T) {
	a := newApp(t)
	config := func(host string) string {
		return fmt.Sprintf("listen: {http: ADDR}\ndata: data\napps: {app: \"http://%s\"}\nsites: [{hosts: [%s], app: app}]\n", a.addr, host)
	}
	e := edgetest.Start(t, config("old.test"))
	t.Cleanup(func() { e.Sound(t) })
	release := make(chan struct{})
	a.on("/held", func(c *call) bool { <-release; return answerOK(c) })
	idle, busy := dial(t, e.Addr), dial(t, e.Addr)
	idle.send(request("GET", "/x", "old.test"))
	idle.answer("GET")
	busy.send(post("/held", "old.test", []byte("hello")))
	time.Sleep(100 * time.Millisecond)

	e.Write("listen: [nonsense\n")
	e.Reload("reload refused")
	idle.send(request("GET", "/x", "old.test"))
	if m := idle.answer("GET"); m.status() != 200 {
		t.Errorf("after a refused reload: %q", m.start)
	}
	if edgetest.OverTLS() {
		close(release)
		return // the connection is the old host's
	}
	e.Write(config("new.test"))
	e.Reload("reloaded")
	idle.send(request("GET", "/x", "new.test"))
	if m := idle.answer("GET"); m.status() != 200 {
		t.Errorf("the new host on the old connection got %q", m.start)
	}
	idle.send(request("GET", "/x", "old.test"))
	if m := idle.answer("GET"); m.status() != 421 {
		t.Errorf("the old host got %q", m.start)
	}
	close(release)
	if m := busy.answer("POST"); m.status() != 200 || string(m.body) != "hello" {
		t.Errorf("what was under way got %+v", m)
	}
	generations := map[string]bool{}
	time.Sleep(300 * time.Millisecond)
	for _, r := range e.Records() {
		generations[r.Generation] = true
		if r.Request.URI == "/held" && (r.Outcome != "ok" || r.Site != "old.test") {
			t.Errorf("what was under way is recorded as %+v", r)
		}
	}
	if len(generations) != 2 {
		t.Errorf("generations in the log: %v", generations)
	}
}

// TestMaxConnections: a burst over the limit waits, and is served as others end.
func TestMaxConnections(t *testing.T) {
	const limit, burst = 4, 40
	a := newApp(t)
	e := edgetest.Start(t, fmt.Sprintf("listen: {http: ADDR}\ndata: data\nlimits: {max_connections: %d}\n"+
		"apps: {app: \"http://%s\"}\nsites: [{hosts: [app.test], app: app}]\n", limit, a.addr))
	t.Cleanup(func() { e.Sound(t) })
	var now, most atomic.Int32
	a.on("/held", func(c *call) bool {
		n := now.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		time.Sleep(100 * time.Millisecond)
		now.Add(-1)
		return answerOK(c)
	})
	// They all wait in the kernel's queue when the edge comes to accept them.
	if err := syscall.Kill(e.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range burst {
		c := dial(t, e.Addr)
		c.send(request("GET", "/held", "app.test", "Connection: close"))
		wg.Go(func() {
			head, err := readHead(c.br)
			if err != nil || head.status() != 200 {
				t.Errorf("got %+v, %v", head, err)
			}
			_ = c.Close()
		})
	}
	if err := syscall.Kill(e.PID(), syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if n := most.Load(); n != limit {
		t.Errorf("%d connections were served at a time, want %d", n, limit)
	}
	if n := len(a.requests("/held")); n != burst {
		t.Errorf("%d requests were served, want %d", n, burst)
	}
}

// TestLargeAnswerHead: heads far larger than a buffer pass, both alone and with a body.
func TestLargeAnswerHead(t *testing.T) {
	s := newSuite(t, "")
	var head strings.Builder
	for i := range 100 {
		fmt.Fprintf(&head, "X-Large-%d: %s\r\n", i, strings.Repeat(string(rune('a'+i%26)), 1000))
	}
	body := pattern(50_000)
	s.app.on("/large-head", raw(true, "HTTP/1.1 200 OK\r\n", head.String(), "Content-Length: 50000\r\n\r\n", string(body)))
	for range 3 {
		c := s.dial(t)
		c.send(request("GET", "/large-head", "quick.test"))
		m := c.answer("GET")
		if m.status() != 200 || len(m.fields) < 102 || string(m.body) != string(body) || m.err != nil {
			t.Fatalf("%s, %d fields, %d bytes, %v", m.start, len(m.fields), len(m.body), m.err)
		}
		for i := range 100 {
			if f := m.fields[i]; f.name != fmt.Sprintf("X-Large-%d", i) || f.value != strings.Repeat(string(rune('a'+i%26)), 1000) {
				t.Fatalf("field %d is %.40s", i, f)
			}
		}
		c.send(request("HEAD", "/ok", "nobody.test"))
		if m := c.answer("HEAD"); m.status() != 421 || m.get("Content-Length") == "" {
			t.Errorf("got %+v", m)
		}
		c.closed() // and no body
	}
}
