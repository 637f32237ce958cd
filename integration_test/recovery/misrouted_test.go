package recovery

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/holdfast-edge/holdfast/integration_test/edgetest"
)

// The wrong app answered 200: nothing failed, and all of it is lost. Where bodies are
// kept of everything, --misrouted finds it.
func TestMisroutedSuccess(t *testing.T) {
	rng := seeded(t)
	queue, monitor := newApp(t), newApp(t)
	hosts := []string{"stats.customer.example"}
	text := config(`
apps: {queue: %q, monitor: %q}
sites:
  - {hosts: [queue.example.com], app: queue}
  - {hosts: [monitor.example.com], app: monitor}
  - {hosts: [stats.customer.example], app: monitor, capture: all}
`, queue.URL, monitor.URL)
	e := edgetest.Start(t, text)
	defer sound(t, e)
	lost := wanted(rng, hosts, append(sizes, largeSizes[:3]...), 28)
	sent := send(t, e.Addr, append(append([]*request(nil), lost...), posts(5, "monitor.example.com")...))
	answered(t, sent, 200)

	repair(t, e, strings.Replace(text, "example], app: monitor, ", "example], app: queue, ", 1), 0, queue)
	plain := replayed(t, e, "--yes")
	plain.expect(t, "plain", 0, 0, 0, 0, 0, 0)
	found := replayed(t, e, "--yes", "--rate", "none", "--misrouted")
	found.expect(t, "--misrouted", 0, len(lost), len(lost), 0, 0, 0)
	recovered(t, sent[:len(lost)], queue.requests(), 1)
	replayed(t, e, "--yes", "--misrouted").expect(t, "again", 0, 0, 0, len(lost), 0, 0)
	nothing(t, queue, "the second time, the queue app")
}

// The repair itself is wrong: the hosts now lead to the monitor. The first answers are
// all the same 401, so sending stops, nothing is burnt, and the next repair works.
func TestWronglyRepaired(t *testing.T) {
	rng := seeded(t)
	queue, monitor := newApp(t), newApp(t)
	hosts := []string{"stats.customer.example"}
	text := config(`
apps: {queue: %q, monitor: %q}
sites:
  - {hosts: [queue.example.com], app: queue}
  - {hosts: [monitor.example.com], app: monitor}
`, queue.URL, monitor.URL)
	e := edgetest.Start(t, text)
	defer sound(t, e)
	monitor.answers(func(*message) reply { return reply{status: 401} })
	failed := send(t, e.Addr, withoutExpect(wanted(rng, hosts, sizes, 33)))
	answered(t, failed, 421)

	wrongly := strings.Replace(text, "[monitor.example.com", "[monitor.example.com, stats.customer.example", 1)
	repair(t, e, wrongly, len(failed), queue, monitor)
	stopped := replayed(t, e, "--yes", "--rate", "none")
	if n := len(monitor.requests()); stopped.code != 3 || stopped.Pending != len(failed) || n != 20 {
		t.Errorf("exit %d, the monitor got %d, %+v; want 3, 20 and all pending", stopped.code, n, stopped.summary)
	}
	rightly := strings.Replace(text, "[queue.example.com", "[queue.example.com, stats.customer.example", 1)
	repair(t, e, rightly, len(failed), queue, monitor)
	replayed(t, e, "--yes", "--rate", "none").expect(t, "in the end", 0, len(failed), len(failed), 0, 0, 0)
	recovered(t, failed, queue.requests(), 1) // none of the attempts at the monitor counts
}

// Behind a trusted proxy a replay says the same of the client as the live try did:
// X-Forwarded-* and X-Request-Id are the proxy's, to which the edge has added its own
// (CONTRACT, section 3).
func TestAccidentBehindTrustedProxy(t *testing.T) {
	queue := newApp(t)
	e := edgetest.Start(t, config(`
trusted_proxies: [127.0.9.0/24]
apps: {queue: {upstreams: [%q], idempotent: true}}
sites:
  - {hosts: [queue.example.com], app: queue}
`, queue.URL))
	defer sound(t, e)
	c := &client{addr: e.Addr, from: "127.0.9.1"}
	defer c.close()
	cases := [][]field{
		{},
		{{"X-Forwarded-For", " 203.0.113.7"}},
		{{"X-Forwarded-For", " 203.0.113.7, 127.0.9.5"}, {"X-Forwarded-Proto", " https"}},
		{{"X-Forwarded-For", " 203.0.113.7"}, {"x-forwarded-FOR", " 127.0.9.5"}, {"X-Forwarded-Host", " shop.example"}},
		{{"X-Forwarded-Proto", " https"}, {"X-Forwarded-Host", " shop.example"}, {"X-Forwarded-Port", " 8443"}},
		{{"X-Request-Id", " proxy-chose-this"}},
		{{"Idempotency-Key", " client-chose-this"}, {"X-Forwarded-For", " 2001:db8::7"}},
	}
	ask := func(want int) (ids []string) {
		for i, fields := range cases {
			r := post(i, "queue.example.com")
			r.fields = append(r.fields, fields...)
			a, err := c.do(r, nil)
			if err != nil || a.status != want {
				t.Fatalf("%v %+v, want %d", err, a, want)
			}
			ids = append(ids, a.id)
		}
		return ids
	}
	liveIDs := ask(200)
	live := queue.requests()
	queue.answers(func(*message) reply { return reply{status: 503} })
	failedIDs := ask(503)
	queue.requests()
	queue.answers(nil)
	replayed(t, e, "--yes", "--rate", "none").expect(t, "replay", 0, len(cases), len(cases), 0, 0, 0)
	sent := queue.requests()
	if len(live) != len(cases) || len(sent) != len(cases) {
		t.Fatalf("the app got %d live and %d replayed requests, want %d each", len(live), len(sent), len(cases))
	}
	for i := range cases {
		// The ids of the edge differ, and nothing else.
		said := func(m *message, id string) []string {
			var out []string
			for _, f := range m.fields {
				if !f.is("X-Edge-Replay") {
					out = append(out, fmt.Sprintf("%s: %s", f.name, strings.ReplaceAll(f.value, id, "<id>")))
				}
			}
			return out
		}
		if d := cmp.Diff(said(live[i], liveIDs[i]), said(sent[i], failedIDs[i])); d != "" {
			t.Errorf("case %d, %q: the replay differs from the live try (-live +replay):\n%s", i, cases[i], d)
		}
	}
}
