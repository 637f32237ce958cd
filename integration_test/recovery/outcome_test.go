package recovery

import (
	"net"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/integration_test/edgetest"
)

// What was sent and not answered is unknown: it is not sent again by itself, unless
// its method allows that or the operator says so.
func TestReplayUnknown(t *testing.T) {
	queue := newApp(t)
	e := edgetest.Start(t, simple(queue, ""))
	defer sound(t, e)
	queue.down()
	requests := posts(6, "queue.example.com")
	requests[3].method, requests[5].method = "PUT", "DELETE"
	var failed []*failure // one after the other, so that their ids are in this order
	for _, r := range requests {
		failed = append(failed, send(t, e.Addr, []*request{r})...)
	}
	answered(t, failed, 502)
	queue.up(t)
	lost := map[string]bool{failed[1].id: true, failed[3].id: true}
	queue.answers(func(m *message) reply {
		id, _ := one(m.fields, "X-Request-Id")
		return reply{status: 200, drop: lost[id]}
	})
	first := replayed(t, e, "--yes", "--rate", "none")
	if first.code != 4 || first.Unknown != 2 || first.Delivered != 4 {
		t.Errorf("first: exit %d, %+v", first.code, first.summary)
	}
	recovered(t, failed, queue.requests(), 1)

	queue.answers(nil)
	second := replayed(t, e, "--yes", "--rate", "none")
	second.expect(t, "second", 4, 1, 1, 4, 0, 1) // the PUT
	recovered(t, failed[3:4], queue.requests(), 2)
	third := replayed(t, e, "--yes")
	third.expect(t, "third", 4, 0, 0, 5, 0, 1)
	fourth := replayed(t, e, "--yes", "--resend-unknown")
	fourth.expect(t, "fourth", 0, 1, 1, 5, 0, 0)
	recovered(t, failed[1:2], queue.requests(), 2)
	replayed(t, e, "--yes", "--resend-unknown").expect(t, "fifth", 0, 0, 0, 6, 0, 0)
	nothing(t, queue, "in the end, the app")
}

// No edge runs, and the last one was killed: replay takes the file's configuration.
func TestReplayWithoutEdge(t *testing.T) {
	rng := seeded(t)
	queue := newApp(t)
	e := edgetest.Start(t, simple(queue, ""))
	defer sound(t, e)
	queue.down()
	failed := send(t, e.Addr, wanted(rng, []string{"queue.example.com"}, append(sizes, largeSizes...), 51))
	answered(t, failed, 502)
	e.Kill()
	queue.up(t)
	all := replayed(t, e, "--yes", "--rate", "none", "--concurrency", "8")
	all.expect(t, "all", 0, len(failed), len(failed), 0, 0, 0)
	recoveredInAnyOrder(t, failed, queue.requests(), 1)
	e.Start() // finds what replay wrote, and is not confused by it
	replayed(t, e, "--yes").expect(t, "again", 0, 0, 0, len(failed), 0, 0)
	nothing(t, queue, "afterwards, the app")
}

// Clients that give up. One that had sent its whole body is served by replay; of one
// that had not, the part that came is kept and never sent.
func TestClientsThatLeft(t *testing.T) {
	rng := seeded(t)
	queue := newApp(t)
	e := edgetest.Start(t, simple(queue, ""))
	defer sound(t, e)
	queue.answers(func(*message) reply { return reply{status: 200, delay: 20 * time.Second} })
	whole := wanted(rng, []string{"queue.example.com"}, []int{0, 10, 64 << 10, 200_000}, 8)
	var conns []net.Conn
	for _, r := range whole {
		nc, _ := dialed(t, e.Addr)
		if _, err := nc.Write(r.bytes()); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, nc)
	}
	until(t, "the app has all of them", func() bool { return queue.count() == len(whole) })
	const part = 50_000
	for _, size := range []int{60_000, 300_000} {
		nc, _ := dialed(t, e.Addr)
		r := post(100, "queue.example.com")
		r.body = random(rng, size)
		if _, err := nc.Write(r.bytes()[:part]); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, nc)
	}
	time.Sleep(100 * time.Millisecond)
	for _, nc := range conns {
		_ = nc.Close()
	}
	var records []edgetest.Record
	until(t, "all are recorded", func() bool {
		records = e.Records("--payload")
		return len(records) == len(conns)
	})
	ids := map[string]bool{}
	for _, m := range queue.requests() {
		id, _ := one(m.fields, "X-Request-Id")
		ids[id] = true
	}
	for _, r := range records {
		if r.Outcome != "client_abort" || r.Status != 499 || r.Body.Truncated || r.Body.Complete != ids[r.ID] {
			t.Errorf("%s, seen by the app %v: %s, %d, %d bytes, complete %v", r.ID, ids[r.ID], r.Outcome, r.Status, r.Body.Bytes, r.Body.Complete)
		}
		if !r.Body.Complete && (int64(len(r.Body.Base64)) != r.Body.Bytes || r.Body.Bytes == 0 || r.Body.Bytes >= part) {
			t.Errorf("%s: %d bytes came, %d are kept", r.ID, r.Body.Bytes, len(r.Body.Base64))
		}
	}
	queue.answers(nil)
	replayed(t, e, "--yes", "--rate", "none").expect(t, "replay", 3, len(whole), len(whole), 0, 0, 2)
	got := map[string]int{}
	for _, m := range queue.requests() {
		n, _ := one(m.fields, "X-Case")
		got[n+string(m.body)]++
	}
	for _, r := range whole {
		n, _ := r.field("X-Case")
		if got[n+string(r.body)] != 1 {
			t.Errorf("request %s came %d times", n, got[n+string(r.body)])
		}
	}
}

// until waits until something is so.
func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); !so(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never came that %s", what)
		}
	}
}

// A reload that moves the listener: who is connected stays connected.
func TestReloadMovesListener(t *testing.T) {
	queue := newApp(t)
	e := edgetest.Start(t, simple(queue, ""))
	defer sound(t, e)
	other := edgetest.FreeAddr(t)
	c := &client{addr: e.Addr}
	defer c.close()
	for i := range 20 {
		if i == 10 {
			e.Write("listen: {http: " + other + "}\n" + simple(queue, "")[len("listen: {http: ADDR}\n"):])
			e.Reload("reloaded")
		}
		if a, err := c.do(post(i, "queue.example.com"), nil); err != nil || a.status != 200 {
			t.Fatalf("request %d: %v %+v", i, err, a)
		}
	}
	if c.dials != 1 {
		t.Errorf("the client had to connect %d times", c.dials)
	}
	answered(t, send(t, other, posts(4, "queue.example.com")), 200)
	late := &client{addr: e.Addr}
	if err := late.connect(); err == nil {
		late.close()
		t.Error("the address that was given up still accepts")
	}
}
