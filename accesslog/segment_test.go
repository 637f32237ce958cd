package accesslog

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// nonces fails the test if a (key, nonce) pair is used twice. Each segment has a
// key of its own, so the pair is the segment's name and the ordinal; that no
// segment name comes twice with different keys is checked by the header lines.
type nonces struct {
	t    testing.TB
	mu   sync.Mutex
	seen map[string]bool
}

func newNonces(t testing.TB) *nonces { return &nonces{t: t, seen: map[string]bool{}} }

func (n *nonces) use(segment string, ordinal uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	pair := fmt.Sprint(segment, "/", ordinal)
	if n.seen[pair] {
		n.t.Errorf("nonce %s used twice", pair)
	}
	n.seen[pair] = true
}

func (n *nonces) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.seen)
}

func TestNoncesAcrossRestartsAndFaults(t *testing.T) {
	dir := t.TempDir()
	n := newNonces(t)
	keys := map[string]bool{}
	for round := range 5 {
		disk := newFaultDisk(t)
		s, err := OpenStore(dir, StoreOptions{disk: disk, sealed: n.use, MaxSegment: 3000})
		if err != nil {
			t.Fatal(err)
		}
		ids := s.NewIDs()
		for i := range 20 {
			switch (i + round) % 5 {
			case 0:
				disk.next("sync", fault{when: "after", err: syscall.EIO})
			case 2:
				disk.next("write", fault{when: "short", err: syscall.ENOSPC}, fault{when: "after", err: syscall.EIO})
			}
			_ = s.Commit(newRecord(ids.Next(time.Now()), time.Now(), []byte("x")))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range files(t, dir, "captured/*/*.jsonl") {
		line, _, _ := strings.Cut(readFile(t, path), "\n")
		info, err := parseSegmentHeader([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		if keys[string(info.Key)] || keys[info.ID] {
			t.Errorf("%s repeats a key or an id", path)
		}
		keys[string(info.Key)], keys[info.ID] = true, true
	}
	if n.count() < 100 {
		t.Errorf("only %d nonces seen", n.count())
	}
}

func TestFilesRotateByDayAndSize(t *testing.T) {
	dir := t.TempDir()
	var now atomic.Int64
	now.Store(time.Date(2026, 12, 31, 23, 59, 59, 0, time.UTC).UnixNano())
	clock := func() time.Time { return time.Unix(0, now.Load()) }
	s := openStore(t, dir, StoreOptions{Now: clock, MaxSegment: 2500})
	ids := s.NewIDs()
	commit := func() ID {
		rec := newRecord(ids.Next(clock()), clock(), nil)
		if err := s.Commit(rec); err != nil {
			t.Fatal(err)
		}
		return rec.ID
	}
	var acked []ID
	for range 4 {
		acked = append(acked, commit())
	}
	now.Add(int64(time.Minute)) // next year
	acked = append(acked, commit())
	now.Add(-int64(time.Hour)) // the clock is set back
	acked = append(acked, commit())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	old, young := files(t, dir, "captured/2026-12-31/*.jsonl"), files(t, dir, "captured/2027-01-01/*.jsonl")
	if len(old) < 3 || len(young) != 1 {
		t.Fatalf("files %v and %v", old, young)
	}
	for _, path := range append(old, young...) {
		end, err := readEnd(path)
		if err != nil || end == nil || end.Records == 0 {
			t.Errorf("%s: end line %+v, %v", path, end, err)
		}
	}
	checkAll(t, dir, acked, nil)
}
