package accesslog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"
)

// following runs Follow and collects what it shows.
type following struct {
	mu     sync.Mutex
	list   []*Entry
	cancel context.CancelFunc
	done   chan error
}

func follow(t *testing.T, r *Reader, f Filter) *following {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w := &following{cancel: cancel, done: make(chan error, 1)}
	go func() {
		w.done <- r.Follow(ctx, f, func(e *Entry) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.list = append(w.list, e)
			return nil
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-w.done; !errors.Is(err, context.Canceled) {
			t.Errorf("Follow: %v", err)
		}
	})
	time.Sleep(3 * followPoll) // it has begun
	return w
}

func (w *following) seen(id ID) (n int, last *Entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.list {
		if e.ID == id {
			n++
			last = e
		}
	}
	return n, last
}

func TestFollow(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, StoreOptions{MaxSegment: 3000})
	ids := s.NewIDs()
	record := func() *Record { return newRecord(ids.Next(time.Now()), time.Now(), []byte("body")) }
	old := record()
	if err := s.Commit(old); err != nil {
		t.Fatal(err)
	}
	r := openReader(t, dir)
	all, failed := follow(t, r, Filter{}), follow(t, r, Filter{Failed: true, Last: 5})

	both := record() // captured part and access line
	if err := s.Commit(both); err != nil {
		t.Fatal(err)
	}
	both.Size = 4711
	s.Append(both)
	alone := record() // the exchange goes on
	if err := s.Commit(alone); err != nil {
		t.Fatal(err)
	}
	fine := record()
	fine.Outcome, fine.Status, fine.Payload = OK, 200, nil
	s.Append(fine)
	var many []ID
	for range 30 { // through several files
		rec := record()
		many = append(many, rec.ID)
		if err := s.Commit(rec); err != nil {
			t.Fatal(err)
		}
		s.Append(rec)
	}
	shown := func(id ID) func() bool { return func() bool { n, _ := all.seen(id); return n == 1 } }
	eventually(t, 3*time.Second, "merged record", shown(both.ID))
	eventually(t, 3*time.Second, "captured part alone", shown(alone.ID))
	eventually(t, 3*time.Second, "access line alone", shown(fine.ID))
	for _, id := range many {
		eventually(t, 3*time.Second, "one of many", shown(id))
	}
	s.Append(alone) // its exchange is over at last: it was shown already
	time.Sleep(5 * followPoll)
	if n, e := all.seen(both.ID); n != 1 || e.Size != 4711 || !e.Captured() {
		t.Errorf("merged record %d times: %+v", n, e)
	}
	if n, _ := all.seen(alone.ID); n != 1 {
		t.Errorf("the long exchange was shown %d times", n)
	}
	if n, _ := all.seen(old.ID); n != 0 {
		t.Error("an old record was shown")
	}
	if n, _ := failed.seen(old.ID); n != 1 {
		t.Errorf("with Last the old record was shown %d times", n)
	}
	if n, _ := failed.seen(fine.ID); n != 0 {
		t.Error("the filter was not applied")
	}
	if n, e := failed.seen(many[29]); n != 1 || e == nil {
		t.Errorf("the failure was shown %d times", n)
	} else {
		wantPayload(t, r, e, loadKeys(t, dir), []byte("body"))
	}
}

func TestFollowAcrossARestart(t *testing.T) {
	dir := t.TempDir()
	w := follow(t, openReader(t, dir), Filter{}) // nothing is there yet
	for range 2 {
		s := openStore(t, dir, StoreOptions{})
		rec := newRecord(s.NewIDs().Next(time.Now()), time.Now(), nil)
		s.Append(rec)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		eventually(t, 3*time.Second, "record", func() bool { n, _ := w.seen(rec.ID); return n == 1 })
	}
}

// A line that is written in two pieces is shown once, when it is whole; so is one
// whose first half was there when following began.
func TestFollowWaitsForWholeLines(t *testing.T) {
	dir := t.TempDir()
	first, second := recordLine(idN(1), nil), recordLine(idN(2), nil)
	path := writeLines(t, dir, classAccess, "2026-11-23", "000001-000001", "{}")
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	f.WriteString(first[:100])
	w := follow(t, openReader(t, dir), Filter{})
	f.WriteString(first[100:] + "\n" + second[:50])
	one, _ := ParseID(idN(1))
	two, _ := ParseID(idN(2))
	eventually(t, 3*time.Second, "first", func() bool { n, _ := w.seen(one); return n == 1 })
	f.WriteString(second[50:] + "\n")
	eventually(t, 3*time.Second, "second", func() bool { n, _ := w.seen(two); return n == 1 })
	if n, _ := w.seen(one); n != 1 {
		t.Errorf("shown %d times", n)
	}
}

func TestFollowReturnsTheErrorOfItsCaller(t *testing.T) {
	dir := t.TempDir()
	writeLines(t, dir, classAccess, "2026-11-23", "000001-000001", recordLine(idN(1), nil))
	stop := errors.New("stop")
	err := openReader(t, dir).Follow(context.Background(), Filter{Last: 1}, func(*Entry) error { return stop })
	if !errors.Is(err, stop) {
		t.Error(err)
	}
}

// What an access line costs does not grow with how many captured parts wait for
// theirs: they are not looked for in a list.
func TestFollowWithManyHeld(t *testing.T) {
	dir := t.TempDir()
	const n = 5_000
	lines := make([]string, n)
	for i := range lines {
		lines[i] = recordLine(fmt.Sprintf("01KAQ6Y3DV%08d", i), nil)
	}
	slices.Reverse(lines[n/2:])
	r := openReader(t, dir)
	w := follow(t, r, Filter{})
	began := time.Now()
	writeLines(t, dir, classCaptured, "2026-11-23", "000001-000001", lines...)
	writeLines(t, dir, classAccess, "2026-11-23", "000001-000001", lines...)
	eventually(t, time.Minute, "every record is shown", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.list) >= n
	})
	t.Logf("%v for %d records", time.Since(began), n)
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.list) != n {
		t.Errorf("%d records are shown, want %d", len(w.list), n)
	}
}
