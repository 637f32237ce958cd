package replay

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-edge/holdfast/accesslog"
)

// trial is one run of an Engine in a bubble of virtual time.
type trialRun struct {
	book     *memoryBook
	sender   *scripted
	watch    *watcher
	report   Report
	took     time.Duration
	err      error
	ids      []accesslog.ID
	payloads memoryPayloads
	stop     chan struct{}
	before   func(*trialRun)
	items    func([]Item) // changes them
}

func (tr *trialRun) run(t *testing.T, n int, dest func(i int) int32, dests []Destination, o Options) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		tr.ids = makeIDs(n)
		if tr.book == nil {
			tr.book = newMemoryBook()
		}
		tr.watch = &watcher{}
		items := make([]Item, n)
		for i, id := range tr.ids {
			items[i] = Item{ID: id}
			if dest != nil {
				items[i].Dest = dest(i)
			}
		}
		if tr.items != nil {
			tr.items(items)
		}
		if dests == nil {
			dests = []Destination{{App: "main"}}
		}
		tr.stop = make(chan struct{})
		if tr.before != nil {
			tr.before(tr)
		}
		e := Engine{Sender: tr.sender, Payloads: tr.payloads, Book: tr.book, Observer: tr.watch, Destinations: dests, Options: o}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		start := time.Now()
		tr.report, tr.err = e.Run(ctx, items, tr.stop)
		tr.took = time.Since(start)
		sum(t, tr.watch, tr.report, n)
		if len(tr.book.wrong) > 0 {
			t.Errorf("the ledger was misused: %v", tr.book.wrong)
		}
	})
}

func always(reply int) func(int, Destination, *Request) int {
	return func(int, Destination, *Request) int { return reply }
}

func TestSendsInOrderAndAtItsRate(t *testing.T) {
	for _, rate := range []float64{20, 1000, 0.5} {
		tr := trialRun{sender: &scripted{took: 100 * time.Microsecond}}
		const n = 60
		tr.run(t, n, nil, nil, Options{Rate: rate})
		if tr.report.Of(Delivered) != n || tr.err != nil {
			t.Fatalf("%v, %v", tr.report, tr.err)
		}
		for i, c := range tr.sender.calls {
			if c.ID != tr.ids[i] || c.Attempt != 1 {
				t.Fatalf("call %d is %v", i, c)
			}
		}
		want := time.Duration(float64(n-1) / rate * float64(time.Second))
		if tr.took < want-100*time.Millisecond || tr.took > want+want/10+10*time.Millisecond {
			t.Errorf("%d at %v/s took %v, want about %v", n, rate, tr.took, want)
		}
		if tr.sender.most != 1 {
			t.Errorf("%d in flight at once", tr.sender.most)
		}
		if len(tr.watch.canaries) != 1 || tr.watch.canaries[0].ID != tr.ids[0] {
			t.Errorf("canaries %v", tr.watch.canaries)
		}
	}
}

func TestConcurrency(t *testing.T) {
	tr := trialRun{sender: &scripted{took: 10 * time.Millisecond}}
	tr.run(t, 500, nil, nil, Options{Concurrency: 16})
	if tr.sender.most != 16 || tr.report.Of(Delivered) != 500 {
		t.Errorf("%d in flight, %v", tr.sender.most, tr.report.Counts)
	}
	if first, second := tr.sender.calls[0].At, tr.sender.calls[1].At; second.Sub(first) < 10*time.Millisecond {
		t.Error("the others did not wait for the canary")
	}
}

func TestWhatAnAnswerDoes(t *testing.T) {
	for _, test := range []struct {
		reply int
		state State
	}{
		{200, Delivered}, {302, Delivered}, {401, Rejected}, {404, Rejected}, {422, Rejected}, {500, Failed}, {408, Failed}, {noAnswer, Unknown},
		{strange, Unknown}, {unsendable, Skipped},
	} {
		tr := trialRun{sender: &scripted{reply: func(n int, _ Destination, _ *Request) int {
			if n == 3 {
				return test.reply
			}
			return 200
		}}}
		tr.run(t, 5, nil, nil, Options{})
		if got := tr.book.Of(tr.ids[2]).State; got != test.state || tr.report.Of(Delivered) < 4 {
			t.Errorf("%d: %v, want %v; %v", test.reply, got, test.state, tr.report.Counts)
		}
	}
}

func TestAppRestarts(t *testing.T) {
	tr := trialRun{sender: &scripted{reply: func(n int, _ Destination, _ *Request) int {
		switch {
		case n >= 4 && n <= 5:
			return notSent
		case n == 6:
			return notSentAfter
		}
		return 200
	}}}
	tr.run(t, 10, nil, nil, Options{})
	if tr.report.Of(Delivered) != 10 || len(tr.report.Stops) != 0 {
		t.Fatalf("%v", tr.report)
	}
	if diff := cmp.Diff(Pauses()[:3], tr.watch.waits); diff != "" {
		t.Errorf("pauses:\n%s", diff)
	}
	for _, id := range tr.ids {
		if n := tr.book.Of(id).Attempts; n != 1 {
			t.Errorf("%d attempts counted", n)
		}
	}
	if want := []accesslog.ID{tr.ids[2], tr.ids[3], tr.ids[3], tr.ids[3], tr.ids[3], tr.ids[4]}; true {
		for i, id := range want {
			if tr.sender.calls[i+2].ID != id {
				t.Errorf("call %d: order was not kept", i+2)
			}
		}
	}
}

func TestAppStaysAway(t *testing.T) {
	for _, test := range []struct {
		name             string
		reply            int
		calls            int
		pending, unknown int
		failed           int
	}{
		{"refused", notSent, 5, 10, 0, 0},
		{"refused after the intent", notSentAfter, 5, 10, 0, 0},
		{"503", 503, 5, 5, 0, 5},
		{"429", 429, 5, 5, 0, 5},
		{"no answer", noAnswer, 3, 7, 3, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			tr := trialRun{sender: &scripted{reply: func(_ int, d Destination, _ *Request) int {
				if d.App == "away" {
					return test.reply
				}
				return 200
			}}}
			// The other app gets its requests meanwhile.
			tr.run(t, 20, func(i int) int32 { return int32(i % 2) }, []Destination{{App: "away"}, {App: "well"}}, Options{})
			calls := 0
			for _, c := range tr.sender.calls {
				if c.Dest == "away" {
					calls++
				}
			}
			want := [states]int{Delivered: 10, Pending: test.pending, Unknown: test.unknown, Failed: test.failed}
			if calls != test.calls || tr.report.Counts != want {
				t.Errorf("%d calls, %v; want %d, %v", calls, tr.report.Counts, test.calls, want)
			}
			if len(tr.report.Stops) != 1 || tr.report.Stops[0].Left != test.pending || len(tr.watch.stops) != 1 {
				t.Errorf("stops %+v", tr.report.Stops)
			}
			for _, id := range tr.ids {
				if s := tr.book.Of(id); s.State == Pending && s.Attempts != 0 {
					t.Errorf("an attempt was counted: %+v", s)
				}
			}
		})
	}
}

func TestConcurrentRefusalsAreOne(t *testing.T) {
	tr := trialRun{sender: &scripted{reply: func(n int, _ Destination, _ *Request) int {
		if n > 30 && n <= 40 {
			return notSent
		}
		return 200
	}}}
	tr.run(t, 100, nil, nil, Options{Concurrency: 8})
	if tr.report.Of(Delivered) != 100 {
		t.Errorf("%v", tr.report)
	}
}

func TestStopsWhenTheFirstAllGoWrong(t *testing.T) {
	for _, concurrency := range []int{1, 8, 64} {
		for _, reply := range []int{401, 403, 404, 421, 400, 422, 500} {
			tr := trialRun{sender: &scripted{took: time.Millisecond, reply: always(reply)}}
			tr.run(t, 100, nil, nil, Options{Concurrency: concurrency})
			if len(tr.sender.calls) != stopAfter || tr.report.Of(Pending) != 100 {
				t.Errorf("%d, %d at once: %d calls, %v", reply, concurrency, len(tr.sender.calls), tr.report.Counts)
			}
			if len(tr.report.Stops) != 1 {
				t.Fatalf("stops %+v", tr.report.Stops)
			}
			s := tr.report.Stops[0]
			if s.Answered != stopAfter || s.Status != reply || s.Upstream != "127.0.0.1:1" || s.Left != 100 || s.Example != tr.ids[0] {
				t.Errorf("stop %+v", s)
			}
			for _, id := range tr.ids {
				if st := tr.book.Of(id); st.State != Pending || st.Attempts != 0 {
					t.Errorf("%+v", st)
				}
			}
		}
	}
}

func TestGoesOnWhenTheFirstAreMixed(t *testing.T) {
	for name, reply := range map[string]func(n int) int{
		"one good":      func(n int) int { return map[bool]int{true: 200, false: 404}[n == 19] },
		"two statuses":  func(n int) int { return map[bool]int{true: 404, false: 403}[n%2 == 0] },
		"bad later":     func(n int) int { return map[bool]int{true: 200, false: 404}[n < 10] },
		"one no answer": func(n int) int { return map[bool]int{true: noAnswer, false: 404}[n == 5] },
	} {
		tr := trialRun{sender: &scripted{reply: func(n int, _ Destination, _ *Request) int { return reply(n) }}}
		tr.run(t, 50, nil, nil, Options{})
		if len(tr.sender.calls) != 50 || len(tr.report.Stops) != 0 || tr.report.Of(Pending) != 0 {
			t.Errorf("%s: %d calls, %+v", name, len(tr.sender.calls), tr.report)
		}
	}
}

func TestFewBadOnesAreSettled(t *testing.T) {
	tr := trialRun{sender: &scripted{reply: always(401)}}
	tr.run(t, 19, nil, nil, Options{})
	if tr.report.Of(Rejected) != 19 || len(tr.report.Stops) != 0 {
		t.Errorf("%+v", tr.report)
	}
}

func TestStopFinishesWhatIsInFlight(t *testing.T) {
	tr := trialRun{sender: &scripted{took: time.Second}}
	tr.before = func(tr *trialRun) {
		go func() {
			time.Sleep(2500 * time.Millisecond)
			close(tr.stop)
		}()
	}
	tr.run(t, 100, nil, nil, Options{Concurrency: 4})
	if !tr.report.Interrupted || tr.report.Of(Delivered) != 9 || tr.report.Of(Pending) != 91 || tr.report.Of(Unknown) != 0 {
		t.Errorf("%+v", tr.report)
	}
}

func TestLedgerFailureStopsEverything(t *testing.T) {
	for _, test := range []struct {
		name                 string
		intent, result       int
		delivered, uncertain int
	}{
		{"intent", 5, 0, 4, 0},
		{"result", 0, 5, 4, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			book := newMemoryBook()
			book.failIntent, book.failResult = test.intent, test.result
			tr := trialRun{book: book, sender: &scripted{}}
			tr.run(t, 20, nil, nil, Options{})
			if !errors.Is(tr.err, errDisk) || tr.report.Of(Delivered) != test.delivered || tr.report.Of(Unknown) != test.uncertain {
				t.Errorf("%v, %+v", tr.err, tr.report)
			}
			if last := tr.book.Of(tr.ids[4]).State; test.uncertain == 1 && last != Unknown || test.uncertain == 0 && last != Pending {
				t.Errorf("the record is %v", last)
			}
		})
	}
}

func TestDeliveredIsNeverSent(t *testing.T) {
	tr := trialRun{sender: &scripted{}, book: newMemoryBook()}
	tr.before = func(tr *trialRun) {
		tr.book.index.apply("r0", "g", &Delivery{ID: tr.ids[1], State: Delivered, Attempt: 1, Status: 200})
	}
	tr.run(t, 3, nil, nil, Options{})
	if tr.report.Of(Delivered) != 3 || tr.book.intents != 2 {
		t.Errorf("%+v, %d intents", tr.report, tr.book.intents)
	}
}

func TestDamagedPayloadIsNeverSent(t *testing.T) {
	big := strings.Repeat("x", inMemory+10)
	tr := trialRun{sender: &scripted{}, payloads: memoryPayloads{}}
	tr.before = func(tr *trialRun) {
		bad := func(text string, claim int64) func() (*Recorded, error) {
			return func() (*Recorded, error) {
				rec, _ := body(text)()
				rec.Payload.Bytes = claim
				return rec, nil
			}
		}
		tr.payloads[tr.ids[0]] = bad("short", 6)
		tr.payloads[tr.ids[1]] = bad("long", 3)
		tr.payloads[tr.ids[2]] = bad(big, int64(len(big))+1)
		tr.payloads[tr.ids[3]] = func() (*Recorded, error) { return nil, accesslog.ErrNoKey }
		tr.payloads[tr.ids[4]] = func() (*Recorded, error) {
			rec, _ := body("x")()
			rec.Payload.Body = io.NopCloser(io.MultiReader(bytes.NewReader([]byte("x")), failingReader{}))
			return rec, nil
		}
		tr.payloads[tr.ids[5]] = body(big)
	}
	tr.run(t, 7, nil, nil, Options{})
	if tr.report.Of(Skipped) != 5 || tr.report.Of(Delivered) != 2 || len(tr.sender.calls) != 2 {
		t.Errorf("%+v, %d calls", tr.report, len(tr.sender.calls))
	}
	for _, d := range tr.watch.settled {
		if d.State == Skipped && (d.Reason == "" || d.Attempt != 0) {
			t.Errorf("%+v", d)
		}
	}
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, accesslog.ErrPayload }

func TestAttemptNumbers(t *testing.T) {
	tr := trialRun{sender: &scripted{}, book: newMemoryBook()}
	tr.before = func(tr *trialRun) {
		tr.book.index.apply("r0", "g", &Delivery{ID: tr.ids[0], State: Failed, Attempt: 2, Status: 500})
		tr.book.index.apply("r0", "g", &Delivery{ID: tr.ids[1], State: Attempting, Attempt: 1})
	}
	tr.run(t, 3, nil, nil, Options{})
	var got []int
	for _, c := range tr.sender.calls {
		got = append(got, c.Attempt)
	}
	if !slices.Equal(got, []int{3, 2, 1}) {
		t.Errorf("attempts %v", got)
	}
}
