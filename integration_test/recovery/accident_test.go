package recovery

import (
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-edge/holdfast/integration_test/edgetest"
)

// reading are requests that replay leaves out unless it is told to take them.
func reading(rng *rand.Rand, hosts []string, n int) []*request {
	s := shape{hosts: hosts, methods: []string{"GET", "HEAD", "GET", "OPTIONS"}, sizes: []int{0}}
	var out []*request
	for i := range n {
		r := s.make(rng, i)
		r.framed, r.chunked, r.trailers = false, false, nil
		out = append(out, r)
	}
	return out
}

func wanted(rng *rand.Rand, hosts []string, sizes []int, n int) []*request {
	s := shape{hosts: hosts, methods: writing, sizes: sizes}
	var out []*request
	for i := range n {
		out = append(out, s.make(rng, i))
	}
	return out
}

func withoutExpect(requests []*request) []*request {
	for _, r := range requests {
		r.fields = slices.DeleteFunc(r.fields, func(f field) bool { return f.is("Expect") })
	}
	return requests
}

// of are the failures of some hosts.
func of(all []*failure, hosts ...string) []*failure {
	var out []*failure
	for _, f := range all {
		for _, h := range hosts {
			if hostOf(f.request) == h {
				out = append(out, f)
			}
		}
	}
	return out
}

func answered(t *testing.T, all []*failure, status int) {
	t.Helper()
	for _, f := range all {
		if f.status != status {
			t.Fatalf("%s %.60q was answered %d, want %d", f.method, f.target, f.status, status)
		}
	}
}

// nothing checks that an app was left alone.
func nothing(t *testing.T, a *app, who string) {
	t.Helper()
	for _, m := range a.requests() {
		t.Errorf("%s got %s %.60q of %q", who, m.method, m.target, values(m.fields, "Host"))
	}
}

// repair writes a configuration, reloads it, and shows first that a dry run sends
// nothing.
func repair(t *testing.T, e *edgetest.Edge, text string, toSend int, apps ...*app) {
	t.Helper()
	e.Write(text)
	e.Reload("reloaded")
	dry := replayed(t, e, "--dry-run")
	if dry.code != 0 || dry.ToSend != toSend || !dry.DryRun {
		t.Errorf("the dry run: exit %d, to send %d; want 0, %d\n%+v", dry.code, dry.ToSend, toSend, dry.summary)
	}
	for _, a := range apps {
		nothing(t, a, "during the dry run, an app")
	}
}

// The customer's host is missing from the file. No app is touched; the operator adds
// the host, and all that was kept whole is delivered.
func TestAccidentUnmatchedHost(t *testing.T) {
	rng := seeded(t)
	queue, monitor := newApp(t), newApp(t)
	const small, big = "stats.customer.example", "m.shop.example"
	text := config(`
apps: {queue: %q, monitor: %q}
sites:
  - {hosts: [queue.example.com], app: queue}
  - {hosts: [monitor.example.com], app: monitor}
`, queue.URL, monitor.URL)
	e := edgetest.Start(t, text)
	defer sound(t, e)

	requests := withoutExpect(wanted(rng, []string{small}, sizes, edgetest.Size(44, 440)))
	requests = append(requests, withoutExpect(wanted(rng, []string{big}, sizes, 11))...)
	cut := wanted(rng, []string{big}, largeSizes, 12)
	// A client that waits for 100 Continue is not asked for a body that has nowhere to go.
	for range 3 {
		cut = append(cut, &request{method: "POST", target: "/asks-first", body: []byte("not wanted"),
			fields: []field{{"Host", " " + big}, {"Expect", " 100-continue"}}})
	}
	requests = append(requests, cut...)
	skipped := reading(rng, []string{small, big}, 8)
	requests = append(requests, skipped...)
	failed := send(t, e.Addr, requests)
	answered(t, failed, 421)
	nothing(t, queue, "while the host was missing, the queue app")
	nothing(t, monitor, "while the host was missing, the monitor")

	// Before the repair nothing can be sent, and replay says so.
	before := replayed(t, e, "--yes", "--rate", "none")
	if before.code != 0 || before.ToSend != 0 || before.LeftOut.Total != len(failed) {
		t.Errorf("before the repair: exit %d, %+v", before.code, before.summary)
	}

	repair(t, e, strings.Replace(text, "[queue.example.com]", "[queue.example.com, "+small+", "+big+"]", 1),
		len(requests)-len(cut)-len(skipped), queue, monitor)

	// One host had small bodies only: all of it comes back.
	whole := of(failed[:len(requests)-len(skipped)-len(cut)], small)
	first := replayed(t, e, "--yes", "--rate", "none", "--host", small)
	first.expect(t, small, 0, len(whole), len(whole), 0, 4, 0)
	recovered(t, whole, queue.requests(), 1)

	// Of the other, what no site named was only kept up to 64 KiB. Such payloads are
	// marked and never sent, whatever is asked for.
	rest := of(failed[:len(requests)-len(skipped)-len(cut)], big)
	second := replayed(t, e, "--yes")
	second.expect(t, "all", 3, len(rest), len(rest), len(whole), len(skipped), len(cut))
	recovered(t, rest, queue.requests(), 1)
	if n := second.Cannot.Reasons["truncated"] + second.Cannot.Reasons["incomplete"]; n != len(cut) {
		t.Errorf("%d were called truncated or incomplete, want %d: %v", n, len(cut), second.Cannot.Reasons)
	}
	truncated := map[string]bool{}
	for _, r := range e.Records("--host", big) {
		if r.Body.Truncated || !r.Body.Complete {
			truncated[r.ID] = true
		}
	}
	for _, f := range failed[len(requests)-len(skipped)-len(cut) : len(requests)-len(skipped)] {
		if !truncated[f.id] {
			t.Errorf("%s with a body of %d bytes is not marked", f.id, len(f.body))
		}
	}
	for _, id := range []string{failed[len(requests)-len(skipped)-len(cut)].id, failed[len(requests)-len(skipped)-1].id} {
		forced := replayed(t, e, "--id", id, "--yes")
		forced.expect(t, "a truncated payload, by name", 3, 0, 0, 0, 0, 1)
	}

	third := replayed(t, e, "--yes")
	third.expect(t, "again", 3, 0, 0, len(whole)+len(rest), len(skipped), len(cut))
	fourth := replayed(t, e, "--yes", "--host", small)
	fourth.expect(t, "again, "+small, 0, 0, 0, len(whole), 4, 0)
	nothing(t, queue, "the second time, the queue app")
	nothing(t, monitor, "in the end, the monitor")

	// What the filter names is sent too.
	gets := replayed(t, e, "--yes", "--host", small, "--method", "GET,HEAD,OPTIONS")
	gets.expect(t, "GET, HEAD and OPTIONS", 0, 4, 4, 0, 0, 0)
	recovered(t, of(failed[len(requests)-len(skipped):], small), queue.requests(), 1)
}

// The customers' hosts are given to the monitor by mistake. It asks for a password,
// often before it has read the body. Repaired and reloaded, plain replay finds them
// misrouted.
func TestAccidentWrongApp(t *testing.T) {
	rng := seeded(t)
	queue, monitor := newApp(t), newApp(t)
	hosts := []string{"a.customers.example", "b.customers.example", "stats.customer.example"}
	text := config(`
apps: {queue: %q, monitor: %q}
sites:
  - {name: queue, hosts: [queue.example.com], app: queue}
  - {name: customers, hosts: ["*.customers.example", stats.customer.example], app: monitor}
  - {name: monitor, hosts: [monitor.example.com], app: monitor}
`, queue.URL, monitor.URL)
	e := edgetest.Start(t, text)
	defer sound(t, e)
	monitor.answers(func(m *message) reply {
		n, _ := one(m.fields, "X-Case")
		return reply{status: 401, early: strings.HasSuffix(n, "3") || strings.HasSuffix(n, "6")}
	})

	lost := wanted(rng, hosts, append(sizes, largeSizes...), edgetest.Size(68, 340))
	skipped := reading(rng, hosts, 8)
	// The monitor's own 401s are genuine, today as then.
	genuine := wanted(rng, []string{"monitor.example.com"}, []int{10}, 6)
	failed := send(t, e.Addr, append(append(append([]*request(nil), lost...), skipped...), genuine...))
	answered(t, failed, 401)
	// What goes well leaves no payload behind.
	answered(t, send(t, e.Addr, wanted(rng, []string{"queue.example.com"}, []int{100_000, 1 << 20}, 4)), 200)
	queue.requests()
	for _, m := range monitor.requests() {
		// The live try is as exact as a replay.
		for _, f := range failed {
			if id, _ := one(m.fields, "X-Request-Id"); id == f.id {
				for _, bad := range same(f, m, 0) {
					t.Errorf("live, %s %.60q: %s", f.method, f.target, bad)
				}
			}
		}
	}
	nothing(t, queue, "before the repair, the queue app")

	repair(t, e, strings.Replace(text, "stats.customer.example], app: monitor", "stats.customer.example], app: queue", 1), len(lost), queue, monitor)
	want := failed[:len(lost)]
	first := replayed(t, e, "--yes", "--rate", "none")
	first.expect(t, "first", 0, len(lost), len(lost), 0, len(skipped)+len(genuine), 0)
	if first.LeftOut.Reasons["genuine_4xx"] != len(genuine) || first.LeftOut.Reasons["safe_method"] != len(skipped) {
		t.Errorf("left out: %v", first.LeftOut.Reasons)
	}
	recovered(t, want, queue.requests(), 1)
	second := replayed(t, e, "--yes")
	second.expect(t, "second", 0, 0, 0, len(lost), len(skipped)+len(genuine), 0)
	nothing(t, queue, "the second time, the queue app")
	nothing(t, monitor, "in the end, the monitor")

	// What was too big for a line has a file, and nothing else has.
	files, spilled := 0, 0
	for _, f := range want {
		if len(f.body) > 64<<10 {
			spilled++
		}
	}
	if err := filepath.WalkDir(filepath.Join(e.Dir, "data", "captured", "blobs"), func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files++
		}
		return err
	}); err != nil || files != spilled {
		t.Errorf("%d bodies have files of their own, want %d: %v", files, spilled, err)
	}
}

// The app is down for a while: connections are refused. What it does with what it
// gets when it is up again is its own affair: some is not wanted, and that is said.
func TestAccidentAppDown(t *testing.T) {
	rng := seeded(t)
	queue := newApp(t)
	hosts := []string{"queue.example.com"}
	e := edgetest.Start(t, config(`
apps: {queue: %q}
sites:
  - {hosts: [queue.example.com], app: queue}
`, queue.URL))
	defer sound(t, e)

	good := send(t, e.Addr, wanted(rng, hosts, sizes, 12))
	answered(t, good, 200)
	for _, m := range queue.requests() {
		for _, f := range good {
			if id, _ := one(m.fields, "X-Request-Id"); id == f.id {
				for _, bad := range same(f, m, 0) {
					t.Errorf("live, %s %.60q: %s", f.method, f.target, bad)
				}
			}
		}
	}
	queue.down()
	lost := wanted(rng, hosts, append(sizes, largeSizes...), edgetest.Size(68, 340))
	skipped := reading(rng, hosts, 8)
	failed := send(t, e.Addr, append(append([]*request(nil), lost...), skipped...))
	answered(t, failed, 502)

	// Too early: the app is still down. Nothing is sent and no attempt is counted.
	waiting := e.Go(patience, "replay", "--since", "1h", "--json", "--yes", "--limit", "3")
	until(t, "replay waits for the app", func() bool { return strings.Contains(waiting.Stderr(), "next try in") })
	if err := waiting.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	said, err := waiting.Wait()
	if err != nil {
		t.Fatal(err)
	}
	early := parseReplay(t, said)
	if early.code != 3 || early.Pending != 3 || early.Delivered+early.Failed+early.Unknown+early.Rejected != 0 {
		t.Errorf("while the app was down: exit %d, %+v", early.code, early.summary)
	}

	queue.up(t)
	want := failed[:len(lost)]
	// One of them the app can't do now, one it will never want.
	later, never := want[len(want)/2].id, want[len(want)/3].id
	queue.answers(func(m *message) reply {
		switch id, _ := one(m.fields, "X-Request-Id"); id {
		case later:
			return reply{status: 500}
		case never:
			return reply{status: 422}
		}
		return reply{status: 200}
	})
	first := replayed(t, e, "--yes", "--rate", "none")
	first.expect(t, "first", 3, len(lost), len(lost)-2, 0, len(skipped), 0)
	if first.Failed != 1 || first.Rejected != 1 {
		t.Errorf("failed %d, rejected %d; want 1 and 1", first.Failed, first.Rejected)
	}
	recovered(t, want, queue.requests(), 1)

	queue.answers(nil)
	second := replayed(t, e, "--yes")
	second.expect(t, "second", 3, 1, 1, len(lost)-2, len(skipped), 1)
	recovered(t, []*failure{want[len(want)/2]}, queue.requests(), 2)
	third := replayed(t, e, "--yes", "--id", never)
	third.expect(t, "the one that was not wanted, by name", 0, 1, 1, 0, 0, 0)
	recovered(t, []*failure{want[len(want)/3]}, queue.requests(), 2)
	fourth := replayed(t, e, "--yes")
	fourth.expect(t, "fourth", 0, 0, 0, len(lost), len(skipped), 0)
	nothing(t, queue, "the fourth time, the app")

	private(t, filepath.Join(e.Dir, "data"), "dXNlcjpwYXNzd29yZA==", "second=1", "a=b; c=", "client-1", "127.0.1.11", "127.0.3.13")

	// A replayed request is not a new failure, nor a new record.
	if n := len(e.Records()); n != len(good)+len(failed) {
		t.Errorf("%d records, want %d", n, len(good)+len(failed))
	}
}
