package accesslog

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
)

func TestCommitIsFoundWithItsPayload(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, StoreOptions{})
	ids := s.NewIDs()
	r := openReader(t, dir)
	for _, size := range []int{0, 1, 1000, memoryLimit} {
		body := bytes.Repeat([]byte{0, 0xff, '\n', '"'}, size/4+1)[:size]
		rec := newRecord(ids.Next(time.Now()), time.Now(), body)
		rec.Payload.Trailer = []byte("X-Sum: 1\r\n")
		if err := s.Commit(rec); err != nil {
			t.Fatal(err)
		}
		e := byID(t, r)[rec.ID]
		wantPayload(t, r, e, loadKeys(t, dir), body)
		o, err := r.Open(e, loadKeys(t, dir))
		if err != nil {
			t.Fatal(err)
		}
		if o.Client != rec.Client || o.Scheme != "https" || string(o.Trailer) != "X-Sum: 1\r\n" || o.Bytes != int64(size) ||
			string(o.Head) != string(rec.Payload.Head) {
			t.Errorf("opened %+v", o)
		}
	}
	grepTree(t, dir, "topsecret")
	grepTree(t, dir, "203.0.113.77")
}

func TestCommitWithoutPayload(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, StoreOptions{})
	rec := newRecord(s.NewIDs().Next(time.Now()), time.Now(), nil)
	rec.Payload = nil
	if err := s.Commit(rec); err != nil {
		t.Fatal(err)
	}
	r := openReader(t, dir)
	e := byID(t, r)[rec.ID]
	if e == nil || e.Captured() {
		t.Fatalf("entry %+v", e)
	}
	if _, err := r.Open(e, loadKeys(t, dir)); !errors.Is(err, ErrNoPayload) {
		t.Errorf("Open: %v", err)
	}
}

func TestCommitsShareTheSync(t *testing.T) {
	const workers, each = 32, 30
	dir := t.TempDir()
	disk := newFaultDisk(t)
	n := newNonces(t)
	s := openStore(t, dir, StoreOptions{disk: disk, sealed: n.use})
	ids := s.NewIDs()
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range each {
				if err := s.Commit(newRecord(ids.Next(time.Now()), time.Now(), []byte("body"))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	stats := s.Stats()
	if stats.Records != workers*each || stats.RecordBatches >= workers*each {
		t.Errorf("%d records in %d batches", stats.Records, stats.RecordBatches)
	}
	// One sync a batch and one for the header of the file.
	if got := disk.count("sync"); uint64(got) != stats.RecordBatches+1 {
		t.Errorf("%d syncs for %d batches", got, stats.RecordBatches)
	}
	if got := disk.count("write"); uint64(got) != stats.RecordBatches+1 {
		t.Errorf("%d writes for %d batches", got, stats.RecordBatches)
	}
	r := openReader(t, dir)
	found, scan := scanAll(t, r, Filter{})
	if len(found) != workers*each || scan.Skipped != 0 || n.count() != workers*each {
		t.Errorf("%d records, %d nonces, %+v", len(found), n.count(), scan)
	}
}

// Every call of the disk fails once, in every way, before and after its effect,
// while commits go on. No commit may fail, and all are found.
func TestCommitSurvivesOneFault(t *testing.T) {
	for _, op := range []string{"mkdir", "create", "write", "sync", "syncdir", "remove", "close"} {
		for name, f := range faultCases() {
			for _, at := range []int{0, 1, 2} { // faultless calls before it
				t.Run(fmt.Sprint(op, "/", name, "/", at), func(t *testing.T) {
					t.Parallel()
					dir := t.TempDir()
					disk := newFaultDisk(t)
					n := newNonces(t)
					s := openStore(t, dir, StoreOptions{disk: disk, sealed: n.use, MaxSegment: 4 << 10})
					plan := append(make([]fault, at), f)
					disk.next(op, plan...)
					ids := s.NewIDs()
					var acked []ID
					for range 12 { // several files of 4 KiB
						rec := newRecord(ids.Next(time.Now()), time.Now(), repeatTo("payload ", 700))
						if err := s.Commit(rec); err != nil {
							t.Errorf("Commit: %v", err)
						}
						acked = append(acked, rec.ID)
					}
					checkAll(t, dir, acked, repeatTo("payload ", 700))
				})
			}
		}
	}
}

// blockedLog is a log that nobody reads, such as a full pipe.
type blockedLog struct{ open chan struct{} }

func (b blockedLog) Write(p []byte) (int, error) {
	<-b.open
	return len(p), nil
}

// A log that blocks does not block commits, nor the end.
func TestBlockedLogDoesNotBlockCommits(t *testing.T) {
	disk, log := newFaultDisk(t), blockedLog{make(chan struct{})}
	s := openStore(t, filepath.Join(t.TempDir(), "new"), StoreOptions{Log: zerolog.New(log), disk: disk})
	ids := s.NewIDs()
	done := make(chan error, 1)
	disk.next("sync", fault{}, fault{when: "before", err: syscall.EIO}) // the header, the record
	go func() {
		for range 3 {
			if err := s.Commit(newRecord(ids.Next(testTime), testTime, nil)); err != nil {
				done <- err
				return
			}
		}
		done <- s.Close()
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("a commit waits for the log")
	}
	close(log.open)
}

// checkAll checks that all of acked are found whole beside the running store.
func checkAll(t *testing.T, dir string, acked []ID, body []byte) {
	t.Helper()
	r := openReader(t, dir)
	keys := loadKeys(t, dir)
	found := byID(t, r)
	for _, id := range acked {
		if found[id] == nil {
			t.Errorf("%s was acknowledged and is lost", id)
			continue
		}
		wantPayload(t, r, found[id], keys, body)
	}
}

func TestCommitReportsWhatItCannotDoAndRecovers(t *testing.T) {
	for _, op := range []string{"mkdir", "create", "write", "sync", "syncdir"} {
		for name, f := range faultCases() {
			t.Run(op+"/"+name, func(t *testing.T) {
				dir := t.TempDir()
				disk := newFaultDisk(t)
				n := newNonces(t)
				s := openStore(t, dir, StoreOptions{disk: disk, sealed: n.use, MaxSegment: 2000})
				ids := s.NewIDs()
				commit := func() (ID, error) {
					rec := newRecord(ids.Next(time.Now()), time.Now(), repeatTo("payload ", 300))
					return rec.ID, s.Commit(rec)
				}
				var acked []ID
				for round := range 3 {
					for range 3 {
						id, err := commit()
						if err != nil {
							t.Fatalf("round %d: %v", round, err)
						}
						acked = append(acked, id)
					}
					disk.set(op, f)
					failed := 0
					for tries := 0; tries < 20 && failed < 4; tries++ {
						id, err := commit()
						if err == nil { // nothing of the kind was called
							acked = append(acked, id)
							continue
						}
						failed++
						if !errors.Is(err, ErrNotDurable) || !errors.Is(err, f.err) {
							t.Fatalf("Commit failed with %v", err)
						}
					}
					disk.set(op, fault{})
					if failed < 4 && op != "mkdir" { // that is done once a day
						t.Errorf("round %d: only %d commits failed", round, failed)
					}
				}
				checkAll(t, dir, acked, repeatTo("payload ", 300))
				if list := files(t, dir, "captured/*/*.jsonl"); len(list) > 3*len(acked) {
					t.Errorf("failing left %d files for %d records", len(list), len(acked))
				}
			})
		}
	}
}

func TestShortWriteWithoutAnError(t *testing.T) {
	dir := t.TempDir()
	disk := newFaultDisk(t)
	s := openStore(t, dir, StoreOptions{disk: disk})
	ids := s.NewIDs()
	body := []byte("body")
	first := newRecord(ids.Next(time.Now()), time.Now(), body)
	if err := s.Commit(first); err != nil {
		t.Fatal(err)
	}
	disk.next("write", fault{when: "short"})
	second := newRecord(ids.Next(time.Now()), time.Now(), body)
	if err := s.Commit(second); err != nil {
		t.Fatal(err)
	}
	checkAll(t, dir, []ID{first.ID, second.ID}, body)
}

// A sync that fails poisons its file: the same records go to a new file under a
// new key, and only then is anyone told.
func TestFailedSyncPoisonsTheSegment(t *testing.T) {
	dir := t.TempDir()
	disk := newFaultDisk(t)
	s := openStore(t, dir, StoreOptions{disk: disk})
	ids := s.NewIDs()
	first := newRecord(ids.Next(time.Now()), time.Now(), nil)
	if err := s.Commit(first); err != nil {
		t.Fatal(err)
	}
	disk.next("sync", fault{when: "before", err: syscall.EIO})
	second := newRecord(ids.Next(time.Now()), time.Now(), nil)
	if err := s.Commit(second); err != nil {
		t.Fatal(err)
	}
	list := files(t, dir, "captured/*/*.jsonl")
	if len(list) != 2 {
		t.Fatalf("files: %v", list)
	}
	poisoned, fresh := readFile(t, list[0]), readFile(t, list[1])
	if !strings.Contains(poisoned, second.ID.String()) || !strings.Contains(fresh, second.ID.String()) {
		t.Error("the record should stand in both files")
	}
	keyOf := func(text string) string { _, key, _ := strings.Cut(text, `"key":"`); return key[:300] }
	if keyOf(poisoned) == keyOf(fresh) {
		t.Error("the new file has the old key")
	}
	checkAll(t, dir, []ID{first.ID, second.ID}, nil)
}

// The calls that make a record with a body of its own durable, in their order:
// none may be missing, none may come later. A kill cannot show that, as the kernel
// keeps what was written; a power cut does not.
func TestOrderOfTheCalls(t *testing.T) {
	dir := t.TempDir()
	disk := newFaultDisk(t)
	s := openStore(t, dir, StoreOptions{disk: disk, Now: func() time.Time { return testTime }})
	c := capture(t, s, make([]byte, 3*memoryLimit), 1<<20)
	defer c.Release()
	rec := newRecord(goldenID(), testTime, nil)
	var err error
	if rec.Body, _, rec.Payload.Blob, err = c.Seal(true); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(rec); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"create blobs/000001-00000001.age.part",
		"write blobs/000001-00000001.age.part",
		"sync blobs/000001-00000001.age.part",
		"close blobs/000001-00000001.age.part",
		"mkdir blobs/2026-11-23",
		"syncdir blobs",
		"rename blobs/000001-00000001.age.part",
		"syncdir blobs/2026-11-23",
		"mkdir 2026-11-23",
		"syncdir .",
		"create 2026-11-23/000001-000001.jsonl",
		"write 2026-11-23/000001-000001.jsonl", // header line
		"sync 2026-11-23/000001-000001.jsonl",
		"syncdir 2026-11-23",
		"write 2026-11-23/000001-000001.jsonl", // the record
		"sync 2026-11-23/000001-000001.jsonl",
	}
	var got []string
	for _, call := range disk.trace {
		op, path, _ := strings.Cut(call, " ")
		rel, err := filepath.Rel(filepath.Join(dir, classCaptured), path)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, op+" "+rel)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDayThatCannotBeMade(t *testing.T) {
	dir := t.TempDir()
	disk := newFaultDisk(t)
	s := openStore(t, dir, StoreOptions{disk: disk})
	rec := newRecord(goldenID(), testTime, nil)
	for _, op := range []string{"mkdir", "syncdir"} {
		disk.set(op, fault{when: "before", err: syscall.ENOSPC})
		if err := s.Commit(rec); !errors.Is(err, ErrNotDurable) || !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s: %v", op, err)
		}
		disk.set(op, fault{})
	}
	if err := s.Commit(rec); err != nil {
		t.Error(err)
	}
	checkAll(t, dir, []ID{rec.ID}, nil)
}

func TestRecordsWithoutIDOrTime(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, StoreOptions{})
	if err := s.Commit(newRecord(ID{}, testTime, nil)); !errors.Is(err, ErrNotDurable) {
		t.Errorf("without an id: %v", err)
	}
	s.Append(newRecord(ID{}, testTime, nil))
	if got := s.Stats().LinesDropped; got != 1 {
		t.Errorf("%d lines dropped", got)
	}
	rec := newRecord(goldenID(), time.Time{}, nil)
	if err := s.Commit(rec); err != nil {
		t.Fatal(err)
	}
	if byID(t, openReader(t, dir))[rec.ID] == nil {
		t.Error("a record without a time cannot be found")
	}
}

func TestCommitAfterClose(t *testing.T) {
	s := openStore(t, t.TempDir(), StoreOptions{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	err := s.Commit(newRecord(goldenID(), testTime, nil))
	if !errors.Is(err, ErrClosed) || !errors.Is(err, ErrNotDurable) {
		t.Errorf("Commit: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func TestCloseWaitsForCommits(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, StoreOptions{})
	ids := s.NewIDs()
	var mu sync.Mutex
	var acked []ID
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				rec := newRecord(ids.Next(time.Now()), time.Now(), []byte("b"))
				if err := s.Commit(rec); err != nil {
					if !errors.Is(err, ErrClosed) {
						t.Error(err)
					}
					return
				}
				mu.Lock()
				acked = append(acked, rec.ID)
				mu.Unlock()
			}
		})
	}
	time.Sleep(50 * time.Millisecond)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	checkAll(t, dir, acked, []byte("b"))
}

// A batch that is too big is divided; nobody is forgotten.
func TestBigBatchesAreDivided(t *testing.T) {
	big := &Payload{Body: make([]byte, maxBatch/2+1)}
	queue := []*waiter{{record: &Record{Payload: big}}, {record: &Record{Payload: big}}, {record: &Record{}}}
	want := queue[1]
	batch := takeBatch(nil, &queue)
	if len(batch) != 1 || len(queue) != 2 || queue[0] != want {
		t.Errorf("batch of %d, %d left", len(batch), len(queue))
	}
	if batch = takeBatch(nil, &queue); len(batch) != 2 || len(queue) != 0 {
		t.Errorf("batch of %d, %d left", len(batch), len(queue))
	}
}

// A panic while encoding must not leave the others waiting for ever.
func TestPanicDoesNotBlockOthers(t *testing.T) {
	s := openStore(t, t.TempDir(), StoreOptions{sealed: func(_ string, n uint64) {
		if n == 0 {
			panic("test")
		}
	}})
	func() {
		defer func() { _ = recover() }()
		_ = s.Commit(newRecord(goldenID(), testTime, nil))
		t.Error("no panic")
	}()
	if err := s.Commit(newRecord(goldenID(), testTime, nil)); err != nil {
		t.Error(err)
	}
}

func BenchmarkCommit(b *testing.B) {
	for _, waiters := range []int{1, 64} {
		b.Run(fmt.Sprint(waiters), func(b *testing.B) {
			s := openStore(b, b.TempDir(), StoreOptions{})
			ids := s.NewIDs()
			body := repeatTo("payload ", 400)
			var left atomic.Int64
			left.Store(int64(b.N))
			b.ResetTimer()
			var wg sync.WaitGroup
			for range waiters {
				wg.Go(func() {
					rec := newRecord(ID{}, time.Now(), body)
					for left.Add(-1) >= 0 {
						rec.ID = ids.Next(rec.Time)
						if err := s.Commit(rec); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
		})
	}
}
