package replay

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-edge/holdfast/accesslog"
)

// crashingBook fails one operation, before or after it reached the disk, and
// everything after it: to the next process that looks like a crash at that point.
type crashingBook struct {
	*Run
	mu    sync.Mutex
	left  int // operations until the crash; below 0: none
	after bool
}

var errCrash = errors.New("crash")

func (b *crashingBook) step(f func(Delivery) error, d Delivery) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left--
	switch {
	case b.left > 0 || b.left < -1_000_000:
		return f(d)
	case b.left == 0 && b.after:
		return errors.Join(f(d), errCrash)
	}
	return errCrash
}

func (b *crashingBook) Intent(d Delivery) error { return b.step(b.Run.Intent, d) }
func (b *crashingBook) Result(d Delivery) error { return b.step(b.Run.Result, d) }

// TestRandomHistories runs random sequences of runs, continuations and crashes
// against an app that does anything, and holds the ledger to its promises:
//
//   - every plan and every report adds up;
//   - what was called delivered once is never sent again;
//   - an app sees a request twice only if the earlier one was answered otherwise,
//     or was called unknown and the run was told to resend it.
func TestRandomHistories(t *testing.T) {
	data := t.TempDir()
	s := newShelf(t, data)
	var ids []accesslog.ID
	for i := range 25 {
		ids = append(ids, s.add(fact{body: fmt.Sprint(i), host: []string{"queue.test", "stats.test", "safe.test"}[i%3], site: "s",
			app: []string{"main", "external", "safe"}[i%3], method: []string{"POST", "POST", "PUT", "PATCH"}[i%4]}))
	}
	s.close()
	cfg := loadConfig(t, todayText)
	reader, keys := openReader(t, data)
	replies := []int{200, 200, 200, 200, 302, 401, 404, 422, 500, 503, 429, notSent, notSentAfter, noAnswer, unsendable}

	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "history")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		delivered := map[accesslog.ID]bool{} // the ledger said so once
		maybe := map[accesslog.ID]bool{}     // the app said yes
		resent := map[accesslog.ID]bool{}    // sent again although it was unknown
		for range rapid.IntRange(1, 5).Draw(t, "runs") {
			l, err := OpenLedger(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range ids {
				if st := l.Of(id).State; delivered[id] != (st == Delivered) || maybe[id] && st != Delivered && st != Unknown {
					t.Fatalf("%s is %v; delivered before: %v, answered well: %v", id, st, delivered[id], maybe[id])
				}
			}
			resend := rapid.Bool().Draw(t, "resend")
			sel := Selection{Records: reader, Keys: keys, Ledger: l, Rules: Rules{Config: cfg, ResendUnknown: resend}}
			resume := ""
			if runs := l.Runs(); len(runs) > 0 && rapid.Bool().Draw(t, "continue") {
				resume = rapid.SampledFrom(runs).Draw(t, "run").Run
				if sel.Only, err = l.Planned(resume); err != nil {
					t.Fatal(err)
				}
				sel.Rules.Continue = true
			}
			sel.Limit = rapid.SampledFrom([]int{0, 0, 7}).Draw(t, "limit")
			p, err := sel.Plan(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if n := p.Of(AlreadyDelivered) + p.Of(LeftOut) + p.Of(CannotBeResent) + p.Of(ToSend); n != p.Matched {
				t.Fatalf("matched %d, accounted for %d", p.Matched, n)
			}
			var run *Run
			if resume != "" {
				run, err = l.Resume(resume, "c", cfg.Generation(), testStart)
			} else {
				run, err = l.Begin(Header{Started: testStart, Generation: cfg.Generation()}, itemIDs(p.Items))
			}
			if err != nil {
				t.Fatal(err)
			}
			before := map[accesslog.ID]State{}
			for _, id := range ids {
				before[id] = l.Of(id).State
			}
			var mu sync.Mutex
			plan := rapid.SliceOfN(rapid.SampledFrom(replies), 200, 200).Draw(t, "replies")
			sender := &scripted{reply: func(n int, _ Destination, r *Request) int {
				mu.Lock()
				defer mu.Unlock()
				if delivered[r.ID] || before[r.ID] == Delivered {
					t.Errorf("%s was delivered and is sent again", r.ID)
				}
				reply := plan[n%len(plan)]
				return reply
			}, sent: func(r *Request, reply int) {
				mu.Lock()
				defer mu.Unlock()
				if before[r.ID] == Unknown {
					resent[r.ID] = true
					if at := slices.Index(ids, r.ID); !resend && at%4 != 2 && at%3 != 2 { // neither PUT nor the idempotent app
						t.Errorf("%s was unknown and is sent again without being asked for", r.ID)
					}
				}
				if reply == 200 || reply == 302 {
					if maybe[r.ID] && !resent[r.ID] {
						t.Errorf("%s arrived twice and was never called unknown", r.ID)
					}
					maybe[r.ID] = true
				}
			}}
			book := &crashingBook{Run: run, left: -1, after: rapid.Bool().Draw(t, "after")}
			if rapid.Bool().Draw(t, "crash") {
				book.left = rapid.IntRange(1, 40).Draw(t, "at")
			} else {
				book.left = -2_000_000
			}
			w := &watcher{}
			archive := NewArchive(reader, keys, p)
			e := Engine{Sender: sender, Payloads: archive, Book: book, Observer: w, Destinations: p.Destinations,
				Options: Options{Concurrency: rapid.IntRange(1, 4).Draw(t, "concurrency"), Pauses: []time.Duration{0, 0, 0, 0}, StopAfter: 5}}
			report, err := e.Run(context.Background(), p.Items, nil)
			archive.Close()
			if err != nil && !errors.Is(err, errCrash) {
				t.Fatal(err)
			}
			checkHistory(t, w, report, p)
			for _, id := range ids {
				st := l.Of(id).State
				if st == Delivered {
					delivered[id] = true
				}
				if before[id] == Delivered && st != Delivered {
					t.Fatalf("%s was delivered and is %v", id, st)
				}
			}
			if err == nil {
				if err := run.Close(testStart, "done"); err != nil {
					t.Fatal(err)
				}
			} else {
				_ = run.journal.close()
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			// A crash after the app said yes and before the result was written.
			again, err := ReadLedger(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range ids {
				if again.Of(id) != l.Of(id) {
					t.Fatalf("%s: in memory %+v, on disk %+v", id, l.Of(id), again.Of(id))
				}
				if st := again.Of(id).State; maybe[id] && st != Delivered && st != Unknown {
					t.Fatalf("%s: the app has it and it is %v", id, st)
				}
			}
		}
	})
}

func checkHistory(t *rapid.T, w *watcher, r Report, p *Plan) {
	total := 0
	for s := range states {
		total += r.Of(s)
	}
	var settled []accesslog.ID
	for _, d := range w.settled {
		settled = append(settled, d.ID)
	}
	slices.SortFunc(settled, compareIDs)
	if total != len(p.Items) || !slices.Equal(settled, itemIDs(p.Items)) {
		t.Fatalf("%d to send, %d reported, %d settled", len(p.Items), total, len(settled))
	}
}
