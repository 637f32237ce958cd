package replay

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-edge/holdfast/accesslog"
)

// counts is what a plan found, by name.
func counts(p *Plan) map[string]int {
	out := map[string]int{"matched": p.Matched, "to send": len(p.Items)}
	if p.Delivered > 0 {
		out["delivered"] = p.Delivered
	}
	for r, n := range p.Reasons {
		if n > 0 {
			out[Reason(r).Key()] = n
		}
	}
	return out
}

func TestSelectSendAndSelectAgain(t *testing.T) {
	dir := t.TempDir()
	good := newCollector(t, func(_ int, r *http.Request) int {
		if r.URL.Path == "/bad" {
			return 422
		}
		return 204
	})
	cfg := loadConfig(t, `
listen: {http: ":80"}
apps: {main: "`+good.URL+`", other: "http://127.0.0.1:1"}
sites:
  - {hosts: [queue.test], app: main}
  - {hosts: [new.test], app: main}
  - {hosts: [other.test], app: other}
`)
	s := newShelf(t, dir)
	base := time.Now()
	var want []accesslog.ID
	for i := range 30 {
		f := fact{body: "visit", uri: "/event?n=" + string(rune('a'+i%26)), at: base.Add(time.Duration(i) * time.Second)}
		switch i {
		case 3:
			f.body = strings.Repeat("x", 100)
			f.truncated = true
		case 4:
			f.method = "GET"
		case 5:
			f.outcome, f.status, f.upstream = accesslog.Upstream4xx, 404, "127.0.0.1:9"
		case 6:
			f.outcome, f.status, f.host = accesslog.NoRoute, 421, "nobody.test"
		case 7:
			f.outcome, f.status, f.host = accesslog.NoRoute, 421, "new.test"
		case 8:
			f.outcome, f.status = accesslog.OK, 200
		case 9:
			f.outcome, f.status, f.app, f.upstream, f.site = accesslog.OK, 200, "wrong", "127.0.0.1:9", "queue.test"
		case 10:
			f.noPayload = true
		case 11:
			f.at = base.Add(24 * time.Hour) // and the clock is set back after it
		case 12:
			f.uri = "/bad"
		case 13:
			f.body = strings.Repeat("0123456789abcdef", 1<<15) // a blob
		}
		id := s.add(f)
		if i < 3 || i == 7 || i > 10 {
			want = append(want, id)
		}
	}
	s.close()

	l := openLedger(t, dir)
	rules := Rules{Config: cfg}
	p := selectAll(t, dir, l, rules)
	if diff := cmp.Diff(map[string]int{"matched": 28, "to send": 23, "truncated": 1, "safe_method": 1, "genuine_4xx": 1, "refused_again": 1, "no_payload": 1}, counts(p)); diff != "" {
		t.Fatalf("first plan (-want +got):\n%s", diff)
	}
	slices.SortFunc(want, compareIDs)
	if diff := cmp.Diff(want, itemIDs(p.Items)); diff != "" {
		t.Errorf("to send:\n%s", diff)
	}
	if p.AlsoOK != 1 || p.AlsoPayload != 1 || len(p.Days) != 2 || p.Bytes != 22*5+16<<15 || !slices.Equal(p.Genuine, []int{404}) {
		t.Errorf("%+v", p)
	}
	sender := newHTTPSender(map[string]string{"main": good.URL, "other": "http://127.0.0.1:1"}, 5*time.Second)
	w, _, run := sendAll(t, dir, l, p, cfg, sender, Options{})
	if diff := cmp.Diff(map[State]int{Delivered: 22, Rejected: 1}, w.states()); diff != "" {
		t.Fatal(diff)
	}
	for _, id := range want {
		if good.times(id) != 1 {
			t.Errorf("%s arrived %d times", id, good.times(id))
		}
	}

	// A second run sends nothing again.
	p = selectAll(t, dir, l, rules)
	if diff := cmp.Diff(map[string]int{"matched": 28, "to send": 0, "delivered": 22, "set_aside": 1, "truncated": 1, "safe_method": 1, "genuine_4xx": 1,
		"refused_again": 1, "no_payload": 1}, counts(p)); diff != "" {
		t.Errorf("second plan (-want +got):\n%s", diff)
	}
	if !slices.Equal(p.DeliveredRuns, []string{run}) {
		t.Errorf("delivered by %v", p.DeliveredRuns)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}

	// The flags that add.
	l, err := ReadLedger(dir)
	if err != nil {
		t.Fatal(err)
	}
	p = selectAll(t, dir, l, Rules{Config: cfg, Misrouted: true})
	if counts(p)["to send"] != 1 || p.AllFailed || p.AlsoOK != 0 {
		t.Errorf("--misrouted: %v", counts(p))
	}
	p = selectAll(t, dir, l, Rules{Config: cfg, Named: Named{Method: true}}, func(s *Selection) { s.Filter.Methods = []string{"GET"} })
	if counts(p)["to send"] != 1 || p.Matched != 1 {
		t.Errorf("--method GET: %v", counts(p))
	}
	p = selectAll(t, dir, l, Rules{Config: cfg, Named: Named{ID: true}}, func(s *Selection) { s.Filter.IDs = []string{want[0].String(), want[12].String()} })
	if p.Matched != 2 || p.Delivered < 1 {
		t.Errorf("--id: %v", counts(p))
	}
}

func TestLimitTakesTheOldest(t *testing.T) {
	dir := t.TempDir()
	s := newShelf(t, dir)
	var ids []accesslog.ID
	for range 10 {
		ids = append(ids, s.add(fact{}))
	}
	s.close()
	l, err := ReadLedger(dir)
	if err != nil {
		t.Fatal(err)
	}
	p := selectAll(t, dir, l, Rules{Config: loadConfig(t, todayText)}, func(s *Selection) { s.Limit = 4 })
	if !slices.Equal(itemIDs(p.Items), ids[:4]) || p.Reasons[OverLimit] != 6 || p.Remaining() != 6 {
		t.Errorf("%v, %v", counts(p), p.Items)
	}
}

func TestNoKey(t *testing.T) {
	dir := t.TempDir()
	s := newShelf(t, dir)
	for range 3 {
		s.add(fact{body: "x"})
	}
	s.close()
	away := moveKeys(t, dir)
	l, err := ReadLedger(dir)
	if err != nil {
		t.Fatal(err)
	}
	rules := Rules{Config: loadConfig(t, todayText)}
	if p := selectAll(t, dir, l, rules); p.Reasons[NoKey] != 3 || p.Remaining() != 3 || len(p.Items) != 0 {
		t.Errorf("%v", counts(p))
	}
	keys, err := accesslog.LoadKeys(away)
	if err != nil {
		t.Fatal(err)
	}
	if p := selectAll(t, dir, l, rules, func(s *Selection) { s.Keys = keys }); len(p.Items) != 3 {
		t.Errorf("with the key: %v", counts(p))
	}
}

// TestContinue: what a run planned is found again by its ids, whatever it was
// chosen by, and what left the log is counted.
func TestContinue(t *testing.T) {
	dir := t.TempDir()
	s := newShelf(t, dir)
	ids := []accesslog.ID{
		s.add(fact{}),
		s.add(fact{method: "GET", at: testStart.AddDate(0, 0, -3)}), // the clock was wrong
		s.add(fact{outcome: accesslog.OK, status: 200, host: "stats.test", site: "s", app: "wrong", upstream: "127.0.0.1:9"}),
		s.add(fact{}),
		s.ids.Next(testStart), // never written
	}
	other := s.add(fact{})
	s.close()
	l := openLedger(t, dir)
	r := begin(t, l, "g", ids)
	write(t, r, Delivery{ID: ids[3], State: Attempting, Attempt: 1}, Delivery{ID: ids[3], State: Delivered, Attempt: 1, Status: 200})
	closeAll(t, l, r)
	planned, err := l.Planned(r.Name())
	if err != nil {
		t.Fatal(err)
	}
	p := selectAll(t, dir, l, Rules{Config: loadConfig(t, todayText), Continue: true}, func(s *Selection) { s.Only = planned })
	if diff := cmp.Diff(map[string]int{"matched": 5, "to send": 3, "delivered": 1, "gone": 1}, counts(p)); diff != "" {
		t.Error(diff)
	}
	if slices.Contains(itemIDs(p.Items), other) {
		t.Error("a record of no interest was chosen")
	}
}

// TestArchiveFindsAll: the payloads of any plan are found again, with small
// chunks, far-apart records and a clock that was set back.
func TestArchiveFindsAll(t *testing.T) {
	dir := t.TempDir()
	s := newShelf(t, dir)
	base := time.Now()
	var want []accesslog.ID
	for i := range 1300 {
		at := base.Add(time.Duration(i) * 20 * time.Millisecond)
		if i > 1200 {
			at = base.Add(-10 * time.Minute) // the ids do not follow
		}
		want = append(want, s.add(fact{body: "b", at: at}))
	}
	s.close()
	l, err := ReadLedger(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, failed := range []bool{true, false} {
		p := selectAll(t, dir, l, Rules{Config: loadConfig(t, todayText)})
		p.AllFailed = failed
		reader, keys := openReader(t, dir)
		a := NewArchive(reader, keys, p)
		defer a.Close()
		if failed && len(a.starts) != 2 || !failed && len(a.starts) > 4 {
			t.Errorf("%d chunks", len(a.starts))
		}
		for _, i := range append([]int{1299, 0, 900, 1}, seq(1300)...) {
			rec, err := a.Open(t.Context(), want[i])
			if err != nil {
				t.Fatalf("record %d: %v", i, err)
			}
			if !bytes.Contains(rec.Payload.Head, want[i][:]) {
				t.Fatalf("record %d is another one", i)
			}
			rec.Payload.Body.Close()
		}
		if _, err := a.Open(t.Context(), accesslog.ID{}); err == nil {
			t.Error("an id of no record was opened")
		}
	}
}

func seq(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// TestWindowsMissNothing: searching in stretches finds what one search finds.
func TestWindowsMissNothing(t *testing.T) {
	dir := t.TempDir()
	s := newShelf(t, dir)
	n := 0
	for i := range 500 {
		f := fact{at: testStart.Add(time.Duration(i*i) * time.Millisecond)}
		if i%3 == 0 {
			f.outcome, f.status = accesslog.OK, 200
		}
		s.add(f)
		n++
	}
	s.close()
	reader, _ := openReader(t, dir)
	for _, records := range []int64{0, windowRecords, 7 * windowRecords} {
		for _, f := range []accesslog.Filter{{}, {Since: testStart}, {Since: testStart, Until: testStart.Add(time.Hour)}} {
			seen := map[accesslog.ID]bool{}
			err := scanWindows(t.Context(), reader, f, records, func(e *accesslog.Entry) error {
				if seen[e.ID] {
					t.Errorf("%s twice", e.ID)
				}
				seen[e.ID] = true
				return nil
			})
			if err != nil || len(seen) != n {
				t.Errorf("%d of %d, %v", len(seen), n, err)
			}
		}
	}
}
