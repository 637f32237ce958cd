package accesslog

import (
	"testing"
	"time"
	"unsafe"
)

// setBack returns what time.Now would have given for t if the clock had been set
// back by d seconds before: an earlier wall clock with the same monotonic
// reading. It depends on the layout of time.Time, and the test checks that.
func setBack(t *testing.T, at time.Time, seconds int) time.Time {
	t.Helper()
	wall := (*uint64)(unsafe.Pointer(&at))
	before := at
	*wall -= uint64(seconds) << 30
	if !before.Round(0).Equal(at.Round(0).Add(time.Duration(seconds)*time.Second)) || !before.Equal(at) {
		t.Skip("time.Time is laid out in another way")
	}
	return at
}

// A clock that is set back while a file is open does not hide the file from
// searches for a window of time.
func TestClockSetBack(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, StoreOptions{})
	ids := s.NewIDs()
	a := time.Now()
	time.Sleep(2 * time.Millisecond)
	b := setBack(t, time.Now(), 2*3600)
	for _, at := range []time.Time{a, b} {
		rec := newRecord(ids.Next(at), at, nil)
		if err := s.Commit(rec); err != nil {
			t.Fatal(err)
		}
		s.Append(rec)
	}
	s.Close()
	between := a.Round(0).Add(-time.Hour)
	for name, c := range map[string]struct {
		f    Filter
		want time.Time
	}{
		"since": {Filter{Since: between}, a}, "until": {Filter{Until: between}, b},
	} {
		list, _ := scanAll(t, openReader(t, dir), c.f)
		if len(list) != 1 || !list[0].Time.Equal(c.want.Round(0)) {
			t.Errorf("%s: %d records", name, len(list))
		}
	}
	for _, path := range append(files(t, dir, "access/*/*.jsonl"), files(t, dir, "captured/*/*.jsonl")...) {
		end, err := readEnd(path)
		if err != nil || end == nil || !end.First.Equal(b.Round(0)) || !end.Last.Equal(a.Round(0)) {
			t.Errorf("%s: %+v, %v", path, end, err)
		}
	}
}

// An end line that contradicts itself rules nothing out.
func TestEndLineThatContradictsItself(t *testing.T) {
	dir := t.TempDir()
	writeLines(t, dir, classAccess, "2026-11-23", "000001-000001", recordLine(idN(1), nil),
		`{"end":{"records":1,"first":"2026-11-24T00:00:00Z","last":"2026-11-22T00:00:00Z"}}`)
	list, _ := scanAll(t, openReader(t, dir), Filter{Since: testTime, Until: testTime.Add(1)})
	if len(list) != 1 {
		t.Errorf("%d records", len(list))
	}
}
