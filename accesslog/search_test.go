package accesslog

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// A search in many small portions finds what one in a single portion finds, in
// the same order, wherever the lines are.
func TestPortionsAddUp(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir := t.TempDir()
		id := rapid.IntRange(0, 60)
		for file := range rapid.IntRange(1, 6).Draw(rt, "files") {
			class := rapid.SampledFrom([]string{classAccess, classCaptured}).Draw(rt, "class")
			var lines []string
			for i, n := range rapid.SliceOfN(id, 1, 40).Draw(rt, "ids") {
				lines = append(lines, recordLine(idN(n), func(r *Record) {
					r.Status = rapid.SampledFrom([]int{200, 404, 502}).Draw(rt, "status")
					r.Site = []string{"a", "b"}[n%2]
					r.Reason = fmt.Sprint(file, "-", i) // tells which line it is
					r.Size = int64(100*file + i)
				}))
			}
			writeLines(t, dir, class, "2026-11-23", fmt.Sprintf("000001-%06d", file), lines...)
		}
		f := Filter{Last: rapid.SampledFrom([]int{0, 1, 2, 7, 50, math.MaxInt}).Draw(rt, "last")}
		if rapid.Bool().Draw(rt, "by status") {
			f.Status, _ = ParseStatus("404")
		}
		if rapid.Bool().Draw(rt, "by site") {
			f.Sites = []string{"a"}
		}
		one, many := openReader(t, dir), openReader(t, dir)
		many.searchRefs = rapid.IntRange(1, 10).Draw(rt, "portion")
		want, stats := scanAll(t, one, f)
		got, again := scanAll(t, many, f)
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Entry{}), cmpopts.EquateEmpty()); diff != "" {
			rt.Fatalf("%+v (-one +many):\n%s", f, diff)
		}
		for i := range got {
			if got[i].payload != want[i].payload {
				rt.Fatalf("payload of %s", got[i].ID)
			}
		}
		if (f.Last == 0 || f.Last == math.MaxInt) && stats != again {
			rt.Fatalf("%+v and %+v", stats, again)
		}
	})
}

// How many places a search holds does not depend on how many match, and the last
// few are found without reading every file again.
func TestSearchIsBounded(t *testing.T) {
	dir := t.TempDir()
	const each, limit = 300, 50
	for file := range 10 {
		var lines []string
		for i := range each {
			lines = append(lines, recordLine(fmt.Sprintf("01KAQ6Y3DV%08d", file*each+i), nil))
		}
		writeLines(t, dir, classAccess, "2026-11-23", fmt.Sprintf("000001-%06d", file), lines...)
	}
	r := openReader(t, dir)
	files, err := r.snapshot(testTime)
	if err != nil {
		t.Fatal(err)
	}
	for _, last := range []int{0, 1, 250} {
		m, err := (&Filter{Last: last}).compile()
		if err != nil {
			t.Fatal(err)
		}
		s := newSearch(context.Background(), m, files, limit)
		var found []ID
		err = s.run(func(refs []ref) error {
			if len(refs) > max(2*limit, last) || cap(s.alone) > 4*limit || cap(s.captured) > 4*limit {
				t.Errorf("last %d: %d places, room for %d and %d", last, len(refs), cap(s.captured), cap(s.alone))
			}
			for _, r := range refs {
				found = append(found, r.id)
			}
			return nil
		})
		want := last
		if last == 0 {
			want = 10 * each
		}
		if err != nil || len(found) != want || !slices.IsSortedFunc(found, compareIDs) || found[len(found)-1].String() != "01KAQ6Y3DV00002999" {
			t.Errorf("last %d: %d records, %v", last, len(found), err)
		}
	}
}
