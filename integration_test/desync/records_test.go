package desync

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

// A record is what `edge logs --json` says of one request (CONTRACT §5).
type record struct {
	ID      string `json:"id"`
	Outcome string `json:"outcome"`
	Status  int    `json:"status"`
	App     string `json:"app"`
	Request struct {
		Method string `json:"method"`
		Host   string `json:"host"`
		URI    string `json:"uri"`
	} `json:"request"`
	Body struct {
		Complete bool `json:"complete"`
	} `json:"body"`
}

// readRecords reads the whole log beside the running edge.
func readRecords(t *testing.T, e *attacked) map[string][]record {
	t.Helper()
	out := e.run(t, "logs", "-c", e.config, "--json", "--since", "1h")
	rs := map[string][]record{}
	d := json.NewDecoder(bytes.NewReader(out))
	for d.More() {
		var r record
		if err := d.Decode(&r); err != nil {
			t.Fatalf("edge logs --json: %v", err)
		}
		rs[r.ID] = append(rs[r.ID], r)
	}
	return rs
}

// longest is how much of a target a line of the log certainly shows, visible what it shows as it is.
const (
	longest = 4 << 10
	visible = "!#$%&'()*+,-./0123456789:;=?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_`abcdefghijklmnopqrstuvwxyz{|}~"
)

// checkRecords holds the log against the answers and against what the apps saw.
func checkRecords(t *testing.T, e *attacked, vs []*verdict, l *ledger) {
	time.Sleep(1200 * time.Millisecond) // access lines are written within 100 ms, synced within 1 s
	rs := readRecords(t, e)
	refused := []string{"rejected", "no_route", "timeout", "client_abort"}
	byToken := map[string][]record{}
	for _, same := range rs {
		for _, r := range same {
			if tok := anyToken.FindString(r.Request.URI); tok != "" {
				byToken[tok] = append(byToken[tok], r)
			}
		}
	}
	forwarded := 0
	for _, v := range vs {
		if v.c.partial && len(v.talk.answers) == 0 {
			// The client left inside a body: nobody was told an id, but it is on record.
			if n := len(byToken[v.token]); n != 2 { // and the canary's
				v.fault("%d records of a request that was cut short", n-1)
			}
			for _, r := range byToken[v.token] {
				if r.Outcome != "ok" && (r.Outcome != "client_abort" || r.Status != 499 || r.Body.Complete) {
					v.fault("record %s of a request that was cut short says %s, status %d, body complete %v", r.ID, r.Outcome, r.Status, r.Body.Complete)
				}
			}
		}
		for _, a := range append(v.talk.answers, v.canaries...) {
			if a.app != "" {
				forwarded++
			}
			if a.id == "" {
				continue // reported already
			}
			if n := len(rs[a.id]); n != 1 {
				v.fault("%d records for %s, answered %d", n, a.id, a.status)
				continue
			}
			r := rs[a.id][0]
			if r.Status != a.status {
				v.fault("record %s says status %d, the client was answered %d", r.ID, r.Status, a.status)
			}
			if a.app == "" {
				if r.Body.Complete && v.c.partial && (a.status == 400 || a.status == 408) {
					v.fault("record %s says complete of a body that was malformed or cut short", r.ID)
				}
				if !slices.Contains(refused, r.Outcome) || (r.Outcome == "no_route") != (a.status == 421) {
					v.fault("record %s of a refusal with %d says %s", r.ID, a.status, r.Outcome)
				}
				continue
			}
			if r.Outcome != "ok" {
				v.fault("record %s of a request that was served says %s", r.ID, r.Outcome)
			}
			q := l.request(a.serial)
			if q == nil || len(q.target) > longest || strings.Trim(q.target, visible) != "" {
				continue
			}
			if r.App != q.app || r.Request.Method != q.method || r.Request.URI != q.target {
				v.fault("record says %s %s %q, the app saw %s %s %q", r.App, r.Request.Method, r.Request.URI, q.app, q.method, q.target)
			}
		}
	}
	ok := 0
	for _, byID := range rs {
		for _, r := range byID {
			if r.App != "" && r.Outcome == "ok" {
				ok++
			}
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if ok != forwarded || ok != len(l.complete) {
		t.Errorf("the log says %d requests were served by apps, the apps say %d, the clients %d", ok, len(l.complete), forwarded)
	}
}
