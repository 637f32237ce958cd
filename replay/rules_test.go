package replay

import (
	"testing"

	"github.com/holdfast-edge/holdfast/accesslog"
)

// todayText is the configuration of the tests' today.
const todayText = `
listen: {http: ":80"}
apps:
  main: http://127.0.0.1:4000
  external: http://127.0.0.1:3000
  renamed: http://127.0.0.1:5000
  safe: {upstreams: [http://127.0.0.1:6000], idempotent: true}
sites:
  - {hosts: [queue.test], app: main}
  - {hosts: [stats.test], app: external}
  - {hosts: [renamed.test], app: renamed}
  - {hosts: [safe.test], app: safe}
  - hosts: [mixed.test]
    routes:
      - {path: /api, app: main}
      - {path: /hello, respond: {status: 200, body: hi}}
`

func TestEveryRule(t *testing.T) {
	cfg := loadConfig(t, todayText)
	gen := cfg.Generation()
	type named = Named
	down := fact{}
	tests := []struct {
		name   string
		fact   fact
		s      Standing
		rules  Rules
		class  Class
		reason Reason
		why    string
		to     string
	}{
		// What is sent by default.
		{name: "app down", fact: down, class: ToSend, why: "app down, 502-504", to: "main"},
		{name: "timeout", fact: fact{outcome: accesslog.Timeout, status: 504}, class: ToSend, why: "app down, 502-504", to: "main"},
		{name: "503 by the app", fact: fact{outcome: accesslog.Upstream5xx, status: 503, upstream: "127.0.0.1:4000"}, class: ToSend, why: "app down, 502-504", to: "main"},
		{name: "500", fact: fact{outcome: accesslog.Upstream5xx, status: 500, upstream: "127.0.0.1:4000"}, class: ToSend, why: "500, app may have acted", to: "main"},
		{name: "501", fact: fact{outcome: accesslog.Upstream5xx, status: 501}, class: ToSend, why: "501, app may have acted", to: "main"},
		{name: "408", fact: fact{outcome: accesslog.Upstream4xx, status: 408}, class: ToSend, why: "408, not at that time", to: "main"},
		{name: "429", fact: fact{outcome: accesslog.Upstream4xx, status: 429}, class: ToSend, why: "429, not at that time", to: "main"},
		{name: "client left with a whole body", fact: fact{outcome: accesslog.ClientAbort, status: 499}, class: ToSend, why: "client left, body whole", to: "main"},
		{name: "edge killed", fact: fact{outcome: accesslog.EdgeCrash, status: 0}, class: ToSend, why: "edge was killed", to: "main"},
		{name: "no route then, served now", fact: fact{outcome: accesslog.NoRoute, status: 421, host: "stats.test", match: "none"}, class: ToSend, why: "no route then, 421", to: "external"},
		{name: "no path then, served now", fact: fact{outcome: accesslog.NoRoute, status: 404, host: "mixed.test", site: "mixed.test", uri: "/api/x"}, class: ToSend, why: "no route then, 404", to: "main"},
		{name: "two readings then, one now", fact: fact{outcome: accesslog.Rejected, status: 400, site: "queue.test", uri: "/a%2fb"}, class: ToSend, why: "no route then, 400", to: "main"},
		{name: "TLS name of another site then", fact: fact{outcome: accesslog.SNIMismatch, status: 421, tls: "queue.test", site: "queue.test"}, class: ToSend, why: "no route then, 421", to: "main"},
		{name: "401 by the wrong app", fact: fact{outcome: accesslog.Upstream4xx, status: 401, host: "stats.test", site: "s", app: "monitor", upstream: "127.0.0.1:19999"}, class: ToSend, why: "misrouted, 401", to: "external"},
		{name: "down, and another app today", fact: fact{host: "stats.test", site: "s", app: "monitor"}, class: ToSend, why: "misrouted, 502-504", to: "external"},
		{name: "local 405 then, an app now", fact: fact{outcome: accesslog.Rejected, status: 405, site: "queue.test", route: "/event"}, class: ToSend, why: "misrouted, 405", to: "main"},
		{name: "DELETE", fact: fact{method: "DELETE"}, class: ToSend, why: "app down, 502-504", to: "main"},

		// What is left out by default, and taken in when it is named.
		{name: "GET", fact: fact{method: "GET"}, class: LeftOut, reason: SafeMethod},
		{name: "GET, misrouted", fact: fact{method: "GET", host: "stats.test", site: "s", app: "monitor"}, class: LeftOut, reason: SafeMethod},
		{name: "HEAD", fact: fact{method: "HEAD"}, class: LeftOut, reason: SafeMethod},
		{name: "OPTIONS", fact: fact{method: "OPTIONS"}, class: LeftOut, reason: SafeMethod},
		{name: "GET by --status", fact: fact{method: "GET"}, rules: Rules{Named: named{Answer: true}}, class: LeftOut, reason: SafeMethod},
		{name: "GET by --method", fact: fact{method: "GET"}, rules: Rules{Named: named{Method: true}}, class: ToSend, why: "app down, 502-504", to: "main"},
		{name: "GET by --id", fact: fact{method: "GET"}, rules: Rules{Named: named{ID: true}}, class: ToSend, why: "app down, 502-504", to: "main"},
		{name: "genuine 401", fact: fact{outcome: accesslog.Upstream4xx, status: 401, upstream: "127.0.0.1:4000"}, class: LeftOut, reason: Genuine4xx},
		{name: "genuine 404 by --status", fact: fact{outcome: accesslog.Upstream4xx, status: 404}, rules: Rules{Named: named{Answer: true}}, class: ToSend, why: "genuine 404, asked for", to: "main"},
		{name: "genuine 422 by --host", fact: fact{outcome: accesslog.Upstream4xx, status: 422}, rules: Rules{Named: named{Request: true}}, class: LeftOut, reason: Genuine4xx},
		{name: "GET and 404, only one named", fact: fact{outcome: accesslog.Upstream4xx, status: 404, method: "GET"}, rules: Rules{Named: named{Answer: true}}, class: LeftOut, reason: SafeMethod},
		{name: "GET and 404, both named", fact: fact{outcome: accesslog.Upstream4xx, status: 404, method: "GET"}, rules: Rules{Named: named{Answer: true, Method: true}}, class: ToSend, why: "genuine 404, asked for", to: "main"},
		{name: "a renamed app is the same app", fact: fact{outcome: accesslog.Upstream4xx, status: 403, host: "renamed.test", site: "s", app: "old", upstream: "127.0.0.1:5000"}, class: LeftOut, reason: Genuine4xx},
		{name: "refused then and now", fact: fact{outcome: accesslog.NoRoute, status: 421, host: "nobody.test"}, class: LeftOut, reason: RefusedAgain},
		{name: "refused then and now, named", fact: fact{outcome: accesslog.NoRoute, status: 421, host: "nobody.test"}, rules: Rules{Named: named{Answer: true, Request: true, ID: true}}, class: LeftOut, reason: RefusedAgain},
		{name: "refused today", fact: fact{host: "nobody.test"}, class: LeftOut, reason: RefusedToday},
		{name: "answered by the edge today", fact: fact{host: "mixed.test", uri: "/hello"}, class: LeftOut, reason: NoAppToday},
		{name: "malformed", fact: fact{outcome: accesslog.Rejected, status: 400, host: "???"}, class: LeftOut, reason: MalformedThen},
		{name: "malformed, named", fact: fact{outcome: accesslog.Rejected, status: 400, host: "queue.test"}, rules: Rules{Named: named{Answer: true}}, class: LeftOut, reason: MalformedThen},
		{name: "too large for the edge", fact: fact{outcome: accesslog.Rejected, status: 413, site: "queue.test", app: "main", incomplete: true}, class: LeftOut, reason: Genuine4xx},
		{name: "TLS name of another site, still", fact: fact{outcome: accesslog.SNIMismatch, status: 421, tls: "stats.test", site: "queue.test"}, class: LeftOut, reason: RefusedAgain},

		// What did not fail.
		{name: "200", fact: fact{outcome: accesslog.OK, status: 200, upstream: "127.0.0.1:4000"}, class: NotMatched},
		{name: "200 by --id", fact: fact{outcome: accesslog.OK, status: 200, upstream: "127.0.0.1:4000"}, rules: Rules{Named: named{ID: true}}, class: LeftOut, reason: NotFailed},
		{name: "queued", fact: fact{outcome: accesslog.Queued, status: 202}, class: NotMatched},
		{name: "200 by the wrong app", fact: fact{outcome: accesslog.OK, status: 200, host: "stats.test", site: "s", app: "monitor", upstream: "127.0.0.1:19999"}, class: NotMatched},
		{name: "200 by the wrong app, --misrouted", fact: fact{outcome: accesslog.OK, status: 200, host: "stats.test", site: "s", app: "monitor", upstream: "127.0.0.1:19999"}, rules: Rules{Misrouted: true}, class: ToSend, why: "misrouted, 200", to: "external"},
		{name: "200 by the right app, --misrouted", fact: fact{outcome: accesslog.OK, status: 200, upstream: "127.0.0.1:4000"}, rules: Rules{Misrouted: true}, class: NotMatched},
		{name: "wrong 200 without payload, --misrouted", fact: fact{outcome: accesslog.OK, status: 200, host: "stats.test", site: "s", app: "monitor", noPayload: true}, rules: Rules{Misrouted: true}, class: CannotBeResent, reason: NoPayload},

		// What cannot be resent.
		{name: "truncated", fact: fact{body: "0123456789", truncated: true}, class: CannotBeResent, reason: Truncated},
		{name: "incomplete", fact: fact{body: "0123", incomplete: true}, class: CannotBeResent, reason: Incomplete},
		{name: "client left in the middle", fact: fact{outcome: accesslog.ClientAbort, status: 499, incomplete: true}, class: CannotBeResent, reason: Incomplete},
		{name: "body timeout", fact: fact{outcome: accesslog.Rejected, status: 408, site: "queue.test", app: "main", incomplete: true}, class: CannotBeResent, reason: Incomplete},
		{name: "no payload", fact: fact{noPayload: true}, class: CannotBeResent, reason: NoPayload},
		{name: "truncated GET", fact: fact{method: "GET", body: "0123456789", truncated: true}, class: LeftOut, reason: SafeMethod},
		{name: "named and truncated", fact: fact{body: "0123456789", truncated: true}, rules: Rules{Named: named{ID: true}}, class: CannotBeResent, reason: Truncated},

		// What the ledger says.
		{name: "delivered", fact: down, s: Standing{State: Delivered, Status: 200}, class: AlreadyDelivered},
		{name: "delivered, named", fact: down, s: Standing{State: Delivered}, rules: Rules{Named: named{ID: true}, ResendUnknown: true, Target: "http://x"}, class: AlreadyDelivered},
		{name: "failed before", fact: down, s: Standing{State: Failed, Status: 500}, class: ToSend, why: "app down, 502-504", to: "main"},
		{name: "skipped before", fact: down, s: Standing{State: Skipped}, class: ToSend, why: "app down, 502-504", to: "main"},
		{name: "unknown POST", fact: down, s: Standing{State: Unknown}, class: CannotBeResent, reason: MaybeSent},
		{name: "unknown POST, --resend-unknown", fact: down, s: Standing{State: Unknown}, rules: Rules{ResendUnknown: true}, class: ToSend, why: "app down, 502-504", to: "main"},
		{name: "unknown POST by --id", fact: down, s: Standing{State: Unknown}, rules: Rules{Named: named{ID: true}}, class: CannotBeResent, reason: MaybeSent},
		{name: "unknown PUT", fact: fact{method: "PUT"}, s: Standing{State: Unknown}, class: ToSend, why: "app down, 502-504", to: "main"},
		{name: "unknown PATCH", fact: fact{method: "PATCH"}, s: Standing{State: Unknown}, class: CannotBeResent, reason: MaybeSent},
		{name: "unknown post, lower case", fact: fact{method: "put"}, s: Standing{State: Unknown}, class: CannotBeResent, reason: MaybeSent},
		{name: "unknown POST, idempotent app", fact: fact{host: "safe.test", site: "safe.test", app: "safe"}, s: Standing{State: Unknown}, class: ToSend, why: "app down, 502-504", to: "safe"},
		{name: "unknown POST to a target instead of the idempotent app", fact: fact{host: "safe.test", site: "safe.test", app: "safe"}, s: Standing{State: Unknown}, rules: Rules{Target: "http://127.0.0.1:1"}, class: CannotBeResent, reason: MaybeSent},
		{name: "rejected 401 before", fact: down, s: Standing{State: Rejected, Status: 401, App: "main", Generation: gen}, class: ToSend, why: "app down, 502-504", to: "main"},
		{name: "rejected 422 before", fact: down, s: Standing{State: Rejected, Status: 422, App: "main", Generation: gen}, class: CannotBeResent, reason: SetAside},
		{name: "rejected 422 under another configuration", fact: down, s: Standing{State: Rejected, Status: 422, App: "main", Generation: "ffffffff"}, class: ToSend, why: "app down, 502-504", to: "main"},
		{name: "rejected 422 by another app", fact: down, s: Standing{State: Rejected, Status: 422, App: "external", Generation: gen}, class: ToSend, why: "app down, 502-504", to: "main"},
		{name: "rejected 422 by --id", fact: down, s: Standing{State: Rejected, Status: 422, App: "main", Generation: gen}, rules: Rules{Named: named{ID: true}}, class: ToSend, why: "app down, 502-504", to: "main"},
		{name: "rejected 422, continued", fact: down, s: Standing{State: Rejected, Status: 422, App: "main", Generation: gen}, rules: Rules{Continue: true}, class: CannotBeResent, reason: SetAside},
		{name: "genuine 404, continued", fact: fact{outcome: accesslog.Upstream4xx, status: 404, method: "GET"}, rules: Rules{Continue: true}, class: ToSend, why: "genuine 404, asked for", to: "main"},

		// A target.
		{name: "target", fact: down, rules: Rules{Target: "http://127.0.0.1:1"}, class: ToSend, why: "app down, 502-504", to: "http://127.0.0.1:1"},
		{name: "target, refused then and now", fact: fact{outcome: accesslog.NoRoute, status: 421, host: "nobody.test"}, rules: Rules{Target: "http://127.0.0.1:1"}, class: LeftOut, reason: RefusedAgain},
		{name: "target, refused, named by host", fact: fact{outcome: accesslog.NoRoute, status: 421, host: "nobody.test"}, rules: Rules{Target: "http://127.0.0.1:1", Named: named{Request: true}}, class: ToSend, why: "no route then, 421", to: "http://127.0.0.1:1"},
		{name: "target, 421, named by outcome", fact: fact{outcome: accesslog.NoRoute, status: 421, host: "nobody.test"}, rules: Rules{Target: "http://127.0.0.1:1", Named: named{Answer: true}}, class: ToSend, why: "no route then, 421", to: "http://127.0.0.1:1"},
	}
	dir := t.TempDir()
	shelf := newShelf(t, dir)
	ids := make([]accesslog.ID, len(tests))
	for i, test := range tests {
		ids[i] = shelf.add(test.fact)
	}
	shelf.close()
	entries := readAllEntries(t, dir)
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.rules.Config = cfg
			j := test.rules.Judge(entries[ids[i]], test.s)
			if j.Class != test.class || j.Reason != test.reason {
				t.Fatalf("class %d, reason %q; want %d, %q", j.Class, j.Reason.Key(), test.class, test.reason.Key())
			}
			if j.Class == ToSend && (j.Why != test.why || j.Destination.String() != test.to) {
				t.Errorf("%q to %q; want %q to %q", j.Why, j.Destination, test.why, test.to)
			}
		})
	}
}

func readAllEntries(t *testing.T, dir string) map[accesslog.ID]*accesslog.Entry {
	t.Helper()
	reader, _ := openReader(t, dir)
	out := map[accesslog.ID]*accesslog.Entry{}
	_, err := reader.Scan(t.Context(), accesslog.Filter{}, func(e *accesslog.Entry) error { out[e.ID] = e; return nil })
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestClassify(t *testing.T) {
	want := map[State][]int{
		Delivered: {200, 201, 202, 204, 206, 300, 301, 302, 304, 308, 399},
		Rejected:  {400, 401, 403, 404, 405, 409, 410, 411, 412, 413, 414, 415, 417, 418, 421, 422, 423, 424, 426, 428, 431, 451, 499},
		Failed:    {408, 425, 429, 500, 501, 502, 503, 504, 511, 599, 0, 100, 101, 199, 600, 999},
	}
	for state, statuses := range want {
		for _, status := range statuses {
			if got := Classify(status); got != state {
				t.Errorf("%d: %v, want %v", status, got, state)
			}
		}
	}
}

func TestEveryReasonHasAClassAndAName(t *testing.T) {
	seen := map[string]bool{}
	for r := NoReason + 1; r < reasons; r++ {
		if c := r.Class(); c != LeftOut && c != CannotBeResent {
			t.Errorf("reason %d is in class %d", r, c)
		}
		if k := r.Key(); k == "" || seen[k] {
			t.Errorf("reason %d is called %q", r, k)
		}
		seen[r.Key()] = true
	}
	for s := range states {
		if got, err := ParseState(s.String()); err != nil || got != s {
			t.Errorf("%v: %v, %v", s, got, err)
		}
	}
	if _, err := ParseState("asleep"); err == nil {
		t.Error("a state of no name was parsed")
	}
}
