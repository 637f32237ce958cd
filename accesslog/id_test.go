package accesslog

import (
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestIDsSortAndNeverRepeat(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.UnixMilli(rapid.Int64Range(0, 1<<42).Draw(t, "start"))
		ids := newIDs(now, rapid.StringMatching(`[0-9A-HJ]{4}`).Draw(t, "tag"))
		last := ID{}
		for _, step := range rapid.SliceOfN(rapid.Int64Range(-3_600_000, 3_600_000), 1, 200).Draw(t, "steps") {
			now = now.Add(time.Duration(step) * time.Millisecond)
			id := ids.Next(now)
			if id.String() <= last.String() {
				t.Fatalf("%s after %s", id, last)
			}
			if back, err := ParseID(id.String()); err != nil || back != id {
				t.Fatalf("parsed %s: %s, %v", id, back, err)
			}
			last = id
		}
	})
}

func TestIDTimeIsTheStartOfItsBlock(t *testing.T) {
	ids := NewIDs(testTime)
	first := ids.Next(testTime)
	if got := first.Time(); !got.Equal(testTime.Truncate(time.Millisecond)) {
		t.Errorf("time of the first id is %v", got)
	}
	same := ids.Next(testTime.Add(999 * time.Millisecond))
	if string(same[:14]) != string(first[:14]) {
		t.Errorf("%s and %s of one second differ in more than the count", first, same)
	}
	if got := ids.Next(testTime.Add(1001 * time.Millisecond)).Time(); got.Sub(first.Time()) < time.Second {
		t.Errorf("a block lasted longer than a second: %v", got)
	}
}

func TestIDBlockRunsOut(t *testing.T) {
	ids := newIDs(testTime, "0001")
	seen := ids.Next(testTime)
	for range 1<<20 + 5 {
		id := ids.Next(testTime)
		if string(id[:]) <= string(seen[:]) {
			t.Fatalf("%s after %s", id, seen)
		}
		seen = id
	}
	if seen.Time().Sub(testTime.Truncate(time.Millisecond)) != time.Millisecond {
		t.Errorf("the next block began at %v", seen.Time())
	}
}

func TestIDsConcurrently(t *testing.T) {
	const workers, each = 8, 5000
	ids := NewIDs(testTime)
	all := make([]ID, workers*each)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				all[w*each+i] = ids.Next(testTime.Add(time.Duration(i) * time.Millisecond))
			}
		})
	}
	wg.Wait()
	slices.SortFunc(all, func(a, b ID) int { return slices.Compare(a[:], b[:]) })
	if len(slices.Compact(all)) != workers*each {
		t.Error("an id was handed out twice")
	}
}

func TestIDsOfRestartsDiffer(t *testing.T) {
	dir := t.TempDir()
	seen := map[ID]bool{}
	for range 3 {
		s, err := OpenStore(dir, StoreOptions{Now: func() time.Time { return testTime }})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // two generators
			id := s.NewIDs().Next(testTime)
			if seen[id] {
				t.Errorf("%s twice", id)
			}
			seen[id] = true
		}
		s.Close()
	}
}

// Two edges that began in the same millisecond hand out different ids, and so do
// as many generators as one edge asks for.
func TestIDsOfTwoEdgesDiffer(t *testing.T) {
	seen := map[ID]bool{}
	for range 2 {
		s := openStore(t, t.TempDir(), StoreOptions{Now: func() time.Time { return testTime }})
		for range 6 {
			id := s.NewIDs().Next(testTime)
			if seen[id] {
				t.Errorf("%s twice", id)
			}
			seen[id] = true
		}
	}
}

// A tag does not come again in a directory, and is on disk before it is used.
func TestTagsDoNotRepeat(t *testing.T) {
	dir := t.TempDir()
	seen := map[string]bool{}
	for range tagsKept + 3 {
		state, err := nextEpoch(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		if seen[state.tag()] || len(state.tag()) != idTagChars {
			t.Errorf("tag %q", state.tag())
		}
		seen[state.tag()] = true
		var onDisk epochState
		if err := json.Unmarshal([]byte(readFile(t, epochPath(dir))), &onDisk); err != nil || onDisk.tag() != state.tag() {
			t.Fatalf("on disk %+v, %v", onDisk, err)
		}
		if len(onDisk.Tags) > tagsKept {
			t.Errorf("%d tags are kept", len(onDisk.Tags))
		}
	}
	var taken []string // half of all
	for n := range uint64(1 << 19) {
		var tag [idTagChars]byte
		putCrockford(tag[:], n)
		taken = append(taken, string(tag[:]))
	}
	for range 20 {
		if got := newTag(taken); got < "G000" {
			t.Errorf("%q is taken", got)
		}
	}
}

func TestParseID(t *testing.T) {
	for _, c := range []struct {
		in, want string
		bad      bool
	}{
		{in: "01JD9Q4K7N00010002", want: "01JD9Q4K7N00010002"},
		{in: "01jd9q4k7nOiLl0002", want: "01JD9Q4K7N01110002"},
		{in: "", bad: true},
		{in: "01JD9Q4K7N0001000", bad: true},
		{in: "01JD9Q4K7N000100022", bad: true},
		{in: "01JD9Q4K7N0001000U", bad: true},
		{in: "01JD9Q4K7N0001 002", bad: true},
		{in: "01JD9Q4K7N0001\x00002", bad: true},
	} {
		id, err := ParseID(c.in)
		if c.bad != (err != nil) || err != nil && !errors.Is(err, ErrBadID) || err == nil && id.String() != c.want {
			t.Errorf("ParseID(%q) = %s, %v", c.in, id, err)
		}
	}
}

func TestIDAsJSON(t *testing.T) {
	id := NewIDs(testTime).Next(testTime)
	text, err := json.Marshal(id)
	var back ID
	if err != nil || json.Unmarshal(text, &back) != nil || back != id {
		t.Errorf("%s as JSON is %s and reads back as %s", id, text, back)
	}
	if json.Unmarshal([]byte(`"short"`), &back) == nil {
		t.Error("a short id was accepted")
	}
}

func TestIDNextDoesNotAllocate(t *testing.T) {
	ids := NewIDs(testTime)
	if n := testing.AllocsPerRun(1000, func() { ids.Next(testTime) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestOutcomes(t *testing.T) {
	names := map[string]bool{}
	for o := OK; o < outcomeEnd; o++ {
		back, err := ParseOutcome(o.String())
		if err != nil || back != o || names[o.String()] {
			t.Errorf("%d is %q and reads back as %d, %v", o, o, back, err)
		}
		names[o.String()] = true
		if Failed(o, 200) != (o != OK && o != Queued) || !Failed(o, 400) {
			t.Errorf("Failed(%s)", o)
		}
	}
	if _, err := ParseOutcome("unknown"); !errors.Is(err, ErrBadOutcome) {
		t.Errorf("unknown: %v", err)
	}
	if !Failed(0, 200) {
		t.Error("no outcome is no failure")
	}
}

func BenchmarkIDNext(b *testing.B) {
	ids := NewIDs(testTime)
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		ids.Next(now)
	}
}
