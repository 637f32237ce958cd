package recovery

import (
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/integration_test/edgetest"
)

// refusesToStart runs an edge that must not start, and must say why and what to do.
func refusesToStart(t *testing.T, e *edgetest.Edge, words ...string) {
	t.Helper()
	r := e.RunFor(20*time.Second, "edge", "run")
	said := r.Stdout + r.Stderr
	if r.Code != 1 {
		t.Errorf("exit %d, want 1\n%s", r.Code, said)
	}
	for _, word := range append(words, "hint") {
		if !strings.Contains(said, word) {
			t.Errorf("it does not say %q:\n%s", word, said)
		}
	}
	if strings.Contains(said, "goroutine ") {
		t.Errorf("it panics:\n%s", said)
	}
}

// one app behind one host.
func simple(a *app, more string) string {
	return config(`
apps: {queue: %q}
sites:
  - {hosts: [queue.example.com], app: queue}
%s`, a.URL, more)
}

func post(i int, host string) *request {
	return &request{method: "POST", target: fmt.Sprintf("/event?n=%d", i), body: fmt.Appendf(nil, "body %d", i),
		fields: []field{{"Host", " " + host}, {"X-Case", " " + strconv.Itoa(i)}}}
}

func posts(n int, host string) []*request {
	var out []*request
	for i := range n {
		out = append(out, post(i, host))
	}
	return out
}

// A data directory has one edge; the second one says who has it.
func TestTwoEdgesOnOneDirectory(t *testing.T) {
	queue := newApp(t)
	first := edgetest.Start(t, simple(queue, ""))
	defer sound(t, first)
	second := edgetest.New(t, simple(queue, "data: "+filepath.Join(first.Dir, "data")+"\n"))
	refusesToStart(t, second, strconv.Itoa(first.PID()))
	// With the same file, both the port and the data are taken.
	refusesToStart(t, first, strconv.Itoa(first.PID()))

	// The first one did not notice.
	queue.down()
	failed := send(t, first.Addr, posts(5, "queue.example.com"))
	answered(t, failed, 502)
	queue.up(t)
	replayed(t, first, "--yes").expect(t, "the first edge's", 0, 5, 5, 0, 0, 0)
	recovered(t, failed, queue.requests(), 1)
	first.Stop()
	second.Start()
	defer sound(t, second)
	answered(t, send(t, second.Addr, posts(1, "queue.example.com")), 200)
	replayed(t, second, "--yes").expect(t, "in the second edge's hands", 0, 0, 0, 5, 0, 0)
}

// A port that is taken is named, and the data directory is free again afterwards.
func TestPortTaken(t *testing.T) {
	queue := newApp(t)
	e := edgetest.New(t, simple(queue, ""))
	ln, err := net.Listen("tcp", e.Addr)
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(e.Addr)
	refusesToStart(t, e, port, "listen.http")
	_ = ln.Close()
	e.Start()
	defer sound(t, e)
	answered(t, send(t, e.Addr, posts(1, "queue.example.com")), 200)
}

// Two replays at once send everything once.
func TestReplayTwiceAtOnce(t *testing.T) {
	queue := newApp(t)
	e := edgetest.Start(t, simple(queue, ""))
	defer sound(t, e)
	queue.down()
	const n = 60
	failed := send(t, e.Addr, posts(n, "queue.example.com"))
	answered(t, failed, 502)
	queue.up(t)
	queue.answers(func(*message) reply { return reply{status: 200, delay: 50 * time.Millisecond} })

	args := []string{"--since", "1h", "--json", "--yes", "--rate", "none"}
	first := e.Go(time.Minute, "replay", args...)
	until(t, "the first replay sends", func() bool { return queue.count() > 0 })
	// The second finds the first at work: it says so and sends nothing.
	second := e.RunFor(time.Minute, "replay", args...)
	if c := queue.count(); c == 0 || c >= n {
		t.Logf("the first replay was not at work while the second ran: the app had %d", c)
	} else if second.Code != 1 || !strings.Contains(second.Stderr, "hint") {
		t.Errorf("the second replay: exit %d\n%s%s", second.Code, second.Stdout, second.Stderr)
	}
	r, err := first.Wait()
	if err != nil {
		t.Fatal(err)
	}
	parseReplay(t, r).expect(t, "the first", 0, n, n, 0, 0, 0)
	recovered(t, failed, queue.requests(), 1)
	replayed(t, e, "--yes").expect(t, "afterwards", 0, 0, 0, n, 0, 0)
	nothing(t, queue, "afterwards, the app")
}

// A replay that is killed leaves at most what was in flight unknown; the next one
// does the rest, and nothing twice that was delivered.
func TestReplayKilled(t *testing.T) {
	rng := seeded(t)
	queue := newApp(t)
	e := edgetest.Start(t, simple(queue, ""))
	defer sound(t, e)
	queue.down()
	const n = 80
	failed := send(t, e.Addr, posts(n, "queue.example.com"))
	answered(t, failed, 502)
	queue.up(t)
	queue.answers(func(*message) reply { return reply{status: 200, delay: 5 * time.Millisecond} })

	unknown := 0
	for round := range edgetest.Size(3, 12) {
		c := e.Go(time.Minute, "replay", "--since", "1h", "--json", "--yes", "--rate", "none", "--concurrency", "2")
		until(t, "replay sends", func() bool { return queue.count() > round*6 })
		time.Sleep(time.Duration(rng.IntN(20)) * time.Millisecond)
		_ = c.Signal(syscall.SIGKILL)
		if _, err := c.Wait(); err != nil {
			t.Fatal(err)
		}
		unknown += 2
	}
	last := replayed(t, e, "--yes", "--rate", "none")
	got := queue.requests()
	times := map[string]int{}
	for _, m := range got {
		id, _ := one(m.fields, "X-Request-Id")
		times[id]++
	}
	maybe := last.Cannot.Reasons["unknown"]
	if maybe > unknown || last.Cannot.Total != maybe || last.AlreadyDelivered+last.Delivered+maybe != n {
		t.Errorf("%d may be unknown: %+v", unknown, last.summary)
	}
	for id, c := range times {
		if c != 1 {
			t.Errorf("%s was sent %d times", id, c)
		}
	}
	if len(times) < n-maybe {
		t.Errorf("the app has %d of %d, %d are unknown", len(times), n, maybe)
	}
	// The operator says that they may be sent again.
	again := replayed(t, e, "--yes", "--rate", "none", "--resend-unknown")
	again.expect(t, "unknown ones", 0, maybe, maybe, n-maybe, 0, 0)
	if n := len(queue.requests()); n != maybe {
		t.Errorf("%d were sent again, want %d", n, maybe)
	}
}
