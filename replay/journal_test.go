package replay

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

// flakyFile fails on demand, before or after its effect, and checks that nothing
// is acknowledged that is not synced.
type flakyFile struct {
	mu       sync.Mutex
	written  []byte
	synced   int // bytes of written that a sync covered
	syncs    int
	slow     time.Duration
	failAt   int  // the sync (from 1) that fails; 0: none
	after    bool // it fails after the data reached the disk
	failed   bool
	misused  error // set if anything is written after a failure
	failLast bool  // fail the write instead of the sync
}

var errDisk = errors.New("input/output error")

func (f *flakyFile) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failed {
		f.misused = errors.New("written after a failure")
	}
	if f.failLast && f.syncs+1 == f.failAt {
		f.failed = true
		n := 0
		if f.after {
			n = len(p) / 2
			f.written = append(f.written, p[:n]...)
		}
		return n, errDisk
	}
	f.written = append(f.written, p...)
	return len(p), nil
}

func (f *flakyFile) Sync() error {
	time.Sleep(f.slow)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failed {
		f.misused = errors.New("synced after a failure")
	}
	f.syncs++
	if f.syncs == f.failAt {
		f.failed = true
		if f.after {
			f.synced = len(f.written)
		}
		return errDisk
	}
	f.synced = len(f.written)
	return nil
}

func (f *flakyFile) Close() error { return nil }

func (f *flakyFile) durable(line []byte) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return bytes.Contains(f.written[:f.synced], line)
}

func TestJournalSharesSyncsAndAcknowledgesOnlyWhatIsSynced(t *testing.T) {
	const waiters, lines = 32, 20
	f := &flakyFile{slow: 200 * time.Microsecond}
	j := newJournal(f)
	var wg sync.WaitGroup
	for w := range waiters {
		wg.Go(func() {
			for i := range lines {
				line := fmt.Appendf(nil, "<%d-%d>\n", w, i)
				if err := j.commit(line); err != nil {
					t.Errorf("commit: %v", err)
				} else if !f.durable(line) {
					t.Errorf("acknowledged and not on disk: %s", line)
				}
			}
		})
	}
	wg.Wait()
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(f.written, []byte("\n")); n != waiters*lines {
		t.Errorf("%d lines, want %d", n, waiters*lines)
	}
	if f.syncs > waiters*lines/2 {
		t.Errorf("%d syncs for %d lines: they do not share", f.syncs, waiters*lines)
	}
	if err := j.commit([]byte("late\n")); !errors.Is(err, errClosed) {
		t.Errorf("commit after close: %v", err)
	}
}

func TestJournalFailureIsFinal(t *testing.T) {
	for _, write := range []bool{false, true} {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("write=%v after=%v", write, after), func(t *testing.T) {
				f := &flakyFile{failAt: 3, after: after, failLast: write}
				j := newJournal(f)
				var good int
				var wg sync.WaitGroup
				var mu sync.Mutex
				for i := range 50 {
					wg.Go(func() {
						line := fmt.Appendf(nil, "<%d>\n", i)
						if err := j.commit(line); err == nil {
							mu.Lock()
							good++
							mu.Unlock()
							if !f.durable(line) {
								t.Errorf("acknowledged and not on disk: %s", line)
							}
						} else if !errors.Is(err, errDisk) {
							t.Errorf("error %v", err)
						}
					})
				}
				wg.Wait()
				for range 2 { // every batch is one line now, so the third sync is met
					_ = j.commit([]byte("more\n"))
				}
				if err := j.commit([]byte("later\n")); !errors.Is(err, errDisk) {
					t.Errorf("after the failure: %v", err)
				}
				if f.misused != nil {
					t.Error(f.misused)
				}
				if !f.failed {
					t.Error("the failure was never met")
				}
			})
		}
	}
}
