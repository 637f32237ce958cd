package replay

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-edge/holdfast/accesslog"
)

var testStart = time.Date(2026, 11, 23, 2, 26, 0, 0, time.UTC)

// makeIDs gives n ids in order.
func makeIDs(n int) []accesslog.ID {
	g := accesslog.NewIDs(testStart)
	ids := make([]accesslog.ID, n)
	for i := range ids {
		ids[i] = g.Next(testStart)
	}
	return ids
}

func openLedger(t *testing.T, data string) *Ledger {
	t.Helper()
	l, err := OpenLedger(data)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func begin(t *testing.T, l *Ledger, gen string, ids []accesslog.ID) *Run {
	t.Helper()
	r, err := l.Begin(Header{Started: testStart, Config: "/etc/edge.yaml", Generation: gen, Selection: []string{"--since", "2h"}, Concurrency: 1}, ids)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func write(t *testing.T, r *Run, ds ...Delivery) {
	t.Helper()
	for _, d := range ds {
		d.At = testStart
		var err error
		if d.State == Attempting {
			err = r.Intent(d)
		} else {
			err = r.Result(d)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// closeAll gives the ledger back as a process that ends does.
func closeAll(t *testing.T, l *Ledger, runs ...*Run) {
	t.Helper()
	for _, r := range runs {
		if err := r.Close(testStart, "done"); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestStandingAfterLines(t *testing.T) {
	att := func(n int) Delivery { return Delivery{State: Attempting, Attempt: n, App: "a"} }
	res := func(s State, n, status int) Delivery { return Delivery{State: s, Attempt: n, Status: status, App: "a"} }
	for _, test := range []struct {
		name     string
		lines    []Delivery
		state    State
		status   int
		attempts int
	}{
		{"nothing", nil, Pending, 0, 0},
		{"intent without an end", []Delivery{att(1)}, Unknown, 0, 1},
		{"delivered", []Delivery{att(1), res(Delivered, 1, 200)}, Delivered, 200, 1},
		{"failed", []Delivery{att(1), res(Failed, 1, 503)}, Failed, 503, 1},
		{"rejected", []Delivery{att(1), res(Rejected, 1, 422)}, Rejected, 422, 1},
		{"timed out", []Delivery{att(1), res(Unknown, 1, 0)}, Unknown, 0, 1},
		{"not sent after the intent", []Delivery{att(1), res(Pending, 1, 0)}, Pending, 0, 0},
		{"answered and taken back", []Delivery{att(1), res(Rejected, 1, 401), res(Pending, 1, 401)}, Pending, 401, 0},
		{"failed, then delivered", []Delivery{att(1), res(Failed, 1, 500), att(2), res(Delivered, 2, 201)}, Delivered, 201, 2},
		{"delivered is final", []Delivery{att(1), res(Delivered, 1, 200), att(2), res(Failed, 2, 500)}, Delivered, 200, 1},
		{"unknown, then not sent", []Delivery{att(1), res(Unknown, 1, 0), att(2), res(Pending, 2, 0)}, Unknown, 0, 1},
		{"unknown, then rejected", []Delivery{att(1), res(Unknown, 1, 0), att(2), res(Rejected, 2, 400)}, Unknown, 400, 2},
		{"unknown, then failed", []Delivery{att(1), res(Unknown, 1, 0), att(2), res(Failed, 2, 503)}, Unknown, 503, 2},
		{"unknown, then answered and taken back", []Delivery{att(1), res(Unknown, 1, 0), att(2), res(Rejected, 2, 401), res(Pending, 2, 401)}, Unknown, 401, 1},
		{"unknown, then delivered", []Delivery{att(1), res(Unknown, 1, 0), att(2), res(Delivered, 2, 200)}, Delivered, 200, 2},
		{"cut off, then not sent", []Delivery{att(1), att(2), res(Pending, 2, 0)}, Unknown, 0, 1},
		{"cut off, then skipped", []Delivery{att(1), res(Skipped, 0, 0)}, Unknown, 0, 1},
		{"cut off, then answered", []Delivery{att(1), att(2), res(Failed, 2, 500)}, Unknown, 500, 2},
		{"skipped", []Delivery{res(Skipped, 0, 0)}, Skipped, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			data := t.TempDir()
			l := openLedger(t, data)
			id := makeIDs(1)[0]
			r := begin(t, l, "g1", []accesslog.ID{id})
			for _, d := range test.lines {
				d.ID = id
				if err := r.record(&d); err != nil {
					t.Fatal(err)
				}
			}
			closeAll(t, l, r)
			read, err := ReadLedger(data)
			if err != nil {
				t.Fatal(err)
			}
			want := Standing{State: test.state, Status: test.status, Attempts: test.attempts}
			if len(test.lines) > 0 {
				want.Run, want.App, want.Generation = "r-20261123-0226", "a", "g1"
			}
			if diff := cmp.Diff(want, read.Of(id)); diff != "" {
				t.Errorf("read back (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(want, l.Of(id)); diff != "" {
				t.Errorf("while written (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRunsAndSessions(t *testing.T) {
	data := t.TempDir()
	ids := makeIDs(planChunk + 3)
	l := openLedger(t, data)
	first := begin(t, l, "g1", ids)
	write(t, first, Delivery{ID: ids[0], State: Attempting, Attempt: 1}, Delivery{ID: ids[1], State: Attempting, Attempt: 1},
		Delivery{ID: ids[1], State: Failed, Attempt: 1, Status: 500},
		Delivery{ID: ids[2], State: Attempting, Attempt: 1}, Delivery{ID: ids[2], State: Failed, Attempt: 1, Status: 500})
	closeAll(t, l, first)

	l = openLedger(t, data)
	second := begin(t, l, "g2", ids[:3]) // in the same minute
	write(t, second, Delivery{ID: ids[2], State: Attempting, Attempt: 2}, Delivery{ID: ids[2], State: Rejected, Attempt: 2, Status: 400})
	write(t, second, Delivery{ID: ids[1], State: Attempting, Attempt: 2}, Delivery{ID: ids[1], State: Unknown, Attempt: 2})
	closeAll(t, l, second)

	l = openLedger(t, data)
	again, err := l.Resume(first.Name(), "/etc/edge.yaml", "g3", testStart.Add(-time.Hour)) // the clock was set back
	if err != nil {
		t.Fatal(err)
	}
	write(t, again, Delivery{ID: ids[1], State: Attempting, Attempt: 3}, Delivery{ID: ids[1], State: Rejected, Attempt: 3, Status: 404})
	closeAll(t, l, again)

	l, err = ReadLedger(data)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := l.Of(ids[1]), (Standing{State: Unknown, Status: 404, Attempts: 3, Run: first.Name(), Generation: "g3"}); got != want {
		t.Errorf("standing %+v, want %+v: the sessions were read in another order than they were written", got, want)
	}
	if got := l.Of(ids[2]); got.State != Rejected || got.Attempts != 2 || got.Run != second.Name() {
		t.Errorf("standing %+v: the files were read in another order than they were written", got)
	}
	if first.Name() != "r-20261123-0226" || second.Name() != "r-20261123-0226-2" {
		t.Errorf("names %q, %q", first.Name(), second.Name())
	}
	planned, err := l.Planned(first.Name())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(ids, planned); diff != "" {
		t.Errorf("planned (-want +got):\n%s", diff)
	}
	runs := l.Runs()
	if len(runs) != 2 || runs[0].Run != first.Name() || runs[0].Resumed != 1 || !runs[0].Begun || runs[0].Reason != "done" ||
		runs[0].Count != len(ids) || runs[1].Run != second.Name() {
		t.Errorf("runs: %+v", runs)
	}
	if _, err := l.Run("r-1"); !errors.Is(err, ErrNoRun) {
		t.Errorf("unknown run: %v", err)
	}
	if r, err := l.Run(""); err != nil || r.Run != second.Name() {
		t.Errorf("last run: %v, %v", r.Run, err)
	}
}

func TestLedgerKeepsToItself(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	l := openLedger(t, data)
	r := begin(t, l, "g", makeIDs(1))
	defer closeAll(t, l, r)
	_, err := OpenLedger(data)
	var held *LockedError
	if !errors.As(err, &held) || held.PID != os.Getpid() || held.Hint() == "" {
		t.Errorf("a second writer: %v", err)
	}
	if _, err := ReadLedger(data); err != nil {
		t.Errorf("a reader beside the writer: %v", err)
	}
	for path, want := range map[string]fs.FileMode{"ledger": 0o700, "ledger/lock": 0o600, "ledger/" + r.Name() + runSuffix: 0o600} {
		info, err := os.Stat(filepath.Join(data, path))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v %v, want %v", path, info.Mode(), err, want)
		}
	}
}

func TestReadLedgerMakesNothing(t *testing.T) {
	data := t.TempDir()
	l, err := ReadLedger(data)
	if err != nil || l.Of(makeIDs(1)[0]) != (Standing{}) {
		t.Fatal(err)
	}
	if _, err := l.Begin(Header{Started: testStart}, nil); err == nil {
		t.Error("a run was begun in a ledger that is only read")
	}
	if entries, _ := os.ReadDir(data); len(entries) != 0 {
		t.Errorf("it made %v", entries)
	}
}

func TestIntentRefusesWhatWasDelivered(t *testing.T) {
	data := t.TempDir()
	id := makeIDs(1)[0]
	l := openLedger(t, data)
	r := begin(t, l, "g", []accesslog.ID{id})
	defer closeAll(t, l, r)
	write(t, r, Delivery{ID: id, State: Attempting, Attempt: 1}, Delivery{ID: id, State: Delivered, Attempt: 1, Status: 204})
	if err := r.Intent(Delivery{ID: id, Attempt: 2}); !errors.Is(err, ErrDelivered) {
		t.Errorf("intent for a delivered record: %v", err)
	}
}

// TestEveryCut cuts a run's file all over. Whatever is left, opening it must
// succeed, nothing before the cut may be lost, and what is cut off is kept aside.
func TestEveryCut(t *testing.T) {
	data := t.TempDir()
	ids := makeIDs(3)
	l := openLedger(t, data)
	r := begin(t, l, "g", ids)
	write(t, r,
		Delivery{ID: ids[0], State: Attempting, Attempt: 1}, Delivery{ID: ids[0], State: Delivered, Attempt: 1, Status: 200},
		Delivery{ID: ids[1], State: Attempting, Attempt: 1}, Delivery{ID: ids[1], State: Rejected, Attempt: 1, Status: 404},
		Delivery{ID: ids[2], State: Attempting, Attempt: 1})
	closeAll(t, l, r)
	whole, err := os.ReadFile(filepath.Join(data, "ledger", r.Name()+runSuffix))
	if err != nil {
		t.Fatal(err)
	}
	for _, garbage := range []string{"", "\x00\x00\x00\x00", `{"id":"0`, "\xff\xfe\n"} {
		for cut := 0; cut <= len(whole); cut++ {
			if garbage == "" && cut%3 != 0 || garbage != "" && cut%19 != 0 {
				continue
			}
			dir := t.TempDir()
			path := filepath.Join(dir, "ledger", r.Name()+runSuffix)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			left := string(whole[:cut]) + garbage
			if err := os.WriteFile(path, []byte(left), 0o600); err != nil {
				t.Fatal(err)
			}
			checkCut(t, dir, path, left, ids)
		}
	}
}

func checkCut(t *testing.T, dir, path, left string, ids []accesslog.ID) {
	t.Helper()
	want := newIndex()
	var wholeLines string
	for line := range strings.Lines(left) {
		v, err := decodeLine([]byte(strings.TrimSuffix(line, "\n")))
		if err != nil {
			if strings.HasSuffix(line, "\n") { // not understood, and not torn
				wholeLines += line
			}
			continue
		}
		wholeLines += strings.TrimSuffix(line, "\n") + "\n"
		if d, ok := v.(*Delivery); ok {
			want.apply("r-20261123-0226", "g", d)
		}
	}
	before, err := ReadLedger(dir)
	if err != nil {
		t.Fatalf("read %q: %v", left, err)
	}
	l, err := OpenLedger(dir)
	if err != nil {
		t.Fatalf("open %q: %v", left, err)
	}
	for _, id := range ids {
		if got, want := l.Of(id), want.of(id); got != want || before.Of(id) != want {
			t.Errorf("after a cut at %d: %+v and %+v, want %+v", len(left), before.Of(id), got, want)
		}
	}
	kept, _ := os.ReadFile(path)
	if string(kept) != wholeLines {
		t.Errorf("kept %q, want %q", kept, wholeLines)
	}
	var aside string
	entries, _ := os.ReadDir(filepath.Join(dir, "quarantine"))
	for _, e := range entries {
		text, _ := os.ReadFile(filepath.Join(dir, "quarantine", e.Name()))
		aside += string(text)
	}
	if got := len(aside) + len(kept); got < len(left) {
		t.Errorf("%d bytes of %d are gone", len(left)-got, len(left))
	}
	if len(l.Runs()) == 1 && l.Runs()[0].Begun { // it can be continued
		r, err := l.Resume("r-20261123-0226", "c", "g2", testStart)
		if err != nil {
			t.Fatal(err)
		}
		write(t, r, Delivery{ID: ids[2], State: Attempting, Attempt: 2}, Delivery{ID: ids[2], State: Delivered, Attempt: 2, Status: 200})
		closeAll(t, l, r)
		if again, err := ReadLedger(dir); err != nil || again.Of(ids[2]).State != Delivered {
			t.Errorf("continued after a cut at %d: %v", len(left), err)
		}
		return
	}
	closeAll(t, l)
}

// TestDamageInTheMiddle: what lies behind a damaged line is still read, and the
// file is left as it is.
func TestDamageInTheMiddle(t *testing.T) {
	data := t.TempDir()
	ids := makeIDs(2)
	l := openLedger(t, data)
	r := begin(t, l, "g", ids)
	write(t, r, Delivery{ID: ids[0], State: Attempting, Attempt: 1}, Delivery{ID: ids[0], State: Failed, Attempt: 1, Status: 500},
		Delivery{ID: ids[1], State: Attempting, Attempt: 1}, Delivery{ID: ids[1], State: Delivered, Attempt: 1, Status: 200})
	closeAll(t, l, r)
	path := filepath.Join(data, "ledger", r.Name()+runSuffix)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	hurt := strings.Replace(string(text), `"state":"failed"`, `"state":"fai`+"\x00\x00"+`d"`, 1)
	if hurt == string(text) {
		t.Fatal("nothing to damage")
	}
	if err := os.WriteFile(path, []byte(hurt), 0o600); err != nil {
		t.Fatal(err)
	}
	l = openLedger(t, data)
	defer l.Close()
	if l.Of(ids[0]).State != Unknown || l.Of(ids[1]).State != Delivered {
		t.Errorf("standings %+v, %+v", l.Of(ids[0]), l.Of(ids[1]))
	}
	if d := l.Damage(); len(d) != 1 || d[0].Tail || d[0].Offset == 0 {
		t.Errorf("damage %v", d)
	}
	if now, _ := os.ReadFile(path); string(now) != hurt {
		t.Error("the file was changed")
	}
}

func TestVersionOfTheFuture(t *testing.T) {
	data := t.TempDir()
	if err := os.MkdirAll(filepath.Join(data, "ledger"), 0o700); err != nil {
		t.Fatal(err)
	}
	// Its last line is one that this version does not know, and torn besides.
	line := `{"run":"r-1","version":2,"session":1}` + "\n" + `{"id":"x","state":"acked"}` + "\n" + `{"ack`
	if err := os.WriteFile(filepath.Join(data, "ledger", "r-1.jsonl"), []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenLedger(data); err == nil || !strings.Contains(err.Error(), "format version 2") {
		t.Errorf("%v", err)
	}
	if now, _ := os.ReadFile(filepath.Join(data, "ledger", "r-1.jsonl")); string(now) != line {
		t.Errorf("it was changed to %q", now)
	}
}

// TestUnknownLinesStay: a whole line that is not understood is not what a crash
// leaves; NULs are, with a newline behind them or not.
func TestUnknownLinesStay(t *testing.T) {
	for _, test := range []struct{ tail, stays string }{
		{`{"id":"x","state":"acked"}` + "\n", `{"id":"x","state":"acked"}` + "\n"},
		{`{"new":1}` + "\n" + `{"new":2}` + "\n" + `{"ne`, `{"new":1}` + "\n" + `{"new":2}` + "\n"},
		{"\x00\x00\x00\n", ""},
		{`{"new":1}` + "\n\x00\x00", `{"new":1}` + "\n"},
		{"\x00\x00\n" + `{"new":1}` + "\n", "\x00\x00\n" + `{"new":1}` + "\n"},
		{strings.Repeat("y", 2*maxLine) + "\n", strings.Repeat("y", 2*maxLine) + "\n"},
		{strings.Repeat("y", 2*maxLine), ""},
	} {
		data := t.TempDir()
		l := openLedger(t, data)
		r := begin(t, l, "g", makeIDs(1))
		closeAll(t, l, r)
		path := filepath.Join(data, "ledger", r.Name()+runSuffix)
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(string(whole)+test.tail), 0o600); err != nil {
			t.Fatal(err)
		}
		l = openLedger(t, data)
		if test.stays != "" && len(l.Damage()) == 0 {
			t.Errorf("%.40q: no damage is told", test.tail)
		}
		closeAll(t, l)
		if now, _ := os.ReadFile(path); string(now) != string(whole)+test.stays {
			t.Errorf("%.40q: %d bytes are left of %d", test.tail, len(now), len(whole)+len(test.tail))
		}
	}
}

// TestWhatIsBelievedIsOnDisk: what an earlier process wrote and may not have synced,
// lines and names of files, is synced before anything is built on it.
func TestWhatIsBelievedIsOnDisk(t *testing.T) {
	data := t.TempDir()
	ids := makeIDs(1)
	l := openLedger(t, data)
	done := begin(t, l, "g", ids)
	if err := done.Close(testStart, "done"); err != nil {
		t.Fatal(err)
	}
	cut := begin(t, l, "g", ids) // never closed
	write(t, cut, Delivery{ID: ids[0], State: Attempting, Attempt: 1}, Delivery{ID: ids[0], State: Delivered, Attempt: 1, Status: 200})
	closeAll(t, l)
	_ = cut.journal.close()

	var calls []string
	d := disk{
		datasync: func(f *os.File) error { calls = append(calls, "data "+filepath.Base(f.Name())); return nil },
		syncDir:  func(dir string) error { calls = append(calls, "dir "+filepath.Base(dir)); return nil },
	}
	l, err := openOn(data, d)
	if err != nil {
		t.Fatal(err)
	}
	closeAll(t, l)
	if diff := cmp.Diff([]string{"data " + cut.Name() + runSuffix, "dir ledger", "dir " + filepath.Base(data)}, calls); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, fail := range []disk{
		{func(*os.File) error { return errDisk }, d.syncDir},
		{d.datasync, func(string) error { return errDisk }},
	} {
		if _, err := openOn(data, fail); !errors.Is(err, errDisk) {
			t.Errorf("a ledger that may not be on disk was opened: %v", err)
		}
	}
}

func FuzzLedgerLine(f *testing.F) {
	id := makeIDs(1)[0]
	d := Delivery{ID: id, State: Failed, Attempt: 2, App: "a", Upstream: "127.0.0.1:1", Status: 500, Duration: time.Millisecond, Reason: "x", At: testStart}
	line, _ := d.encode()
	f.Add(string(line))
	f.Add(`{"run":"r-1","version":1}`)
	f.Add(`{"plan":["` + id.String() + `"]}`)
	f.Add(`{"begin":"2026-11-23T02:26:00Z"}`)
	f.Fuzz(func(t *testing.T, text string) {
		v, err := decodeLine([]byte(text))
		if err != nil {
			return
		}
		d, ok := v.(*Delivery)
		if !ok {
			return
		}
		if y := d.At.Year(); y < 0 || y > 9999 {
			return
		}
		line, err := d.encode()
		if err != nil {
			t.Fatalf("%+v cannot be written: %v", d, err)
		}
		again, err := decodeLine([]byte(strings.TrimSuffix(string(line), "\n")))
		if err != nil || again.(*Delivery).ID != d.ID || again.(*Delivery).State != d.State || again.(*Delivery).Attempt != d.Attempt {
			t.Fatalf("%s -> %+v, %v", line, again, err)
		}
		x := newIndex()
		x.apply("r", "g", d)
		_ = fmt.Sprint(x.of(d.ID))
	})
}
