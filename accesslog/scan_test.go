package accesslog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// writeLines writes a file of records as a store would, for tests of reading.
func writeLines(t testing.TB, dir, class, day, name string, lines ...string) string {
	t.Helper()
	path := filepath.Join(dir, class, day)
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(path, name+segmentSuffix)
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func recordLine(id string, set func(*Record)) string {
	parsed, err := ParseID(id)
	if err != nil {
		panic(err)
	}
	r := newRecord(parsed, testTime, nil)
	if set != nil {
		set(r)
	}
	return string(lineOf(r, true))
}

func idN(n int) string { return fmt.Sprintf("01KAQ6Y3DV0001%04d", n) }

func TestPartsAreMerged(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, StoreOptions{})
	ids := s.NewIDs()
	rec := newRecord(ids.Next(time.Now()), time.Now(), []byte("body"))
	rec.Size, rec.Duration, rec.BytesRead = 0, time.Millisecond, 10
	if err := s.Commit(rec); err != nil {
		t.Fatal(err)
	}
	captured := byID(t, openReader(t, dir))[rec.ID]
	rec.Status, rec.Size, rec.Duration, rec.BytesRead = 504, 77, time.Minute, 4711
	rec.Outcome, rec.Reason, rec.Body = ClientAbort, "other", Body{}
	s.Append(rec)
	s.Close()
	list, stats := scanAll(t, openReader(t, dir), Filter{})
	if len(list) != 1 || stats.Records != 2 {
		t.Fatalf("%d records, %+v", len(list), stats)
	}
	e := list[0]
	if e.Status != 504 || e.Size != 77 || time.Duration(e.Duration) != time.Minute || e.BytesRead != 4711 {
		t.Errorf("not from the access line: %+v", e)
	}
	if e.Outcome != UpstreamDown || e.Reason != "connection refused" || !e.Body.Hashed || e.Body != captured.Body {
		t.Errorf("not from the captured part: %+v", e)
	}
	wantPayload(t, openReader(t, dir), e, loadKeys(t, dir), []byte("body"))
}

func TestFiltersSeeTheMergedRecord(t *testing.T) {
	dir := t.TempDir()
	writeLines(t, dir, classCaptured, "2026-11-23", "000001-000001",
		recordLine(idN(1), func(r *Record) { r.Status = 502 }),
		recordLine(idN(2), func(r *Record) { r.Status, r.Outcome = 502, Upstream5xx }))
	writeLines(t, dir, classAccess, "2026-11-23", "000001-000001",
		recordLine(idN(1), func(r *Record) { r.Status, r.Outcome = 499, ClientAbort }),
		recordLine(idN(3), func(r *Record) { r.Status, r.Outcome = 200, OK }),
		recordLine(idN(4), func(r *Record) { r.Status, r.Outcome = 499, ClientAbort }))
	status := func(s string) StatusSet { set, _ := ParseStatus(s); return set }
	for name, c := range map[string]struct {
		f    Filter
		want []int
	}{
		"all":                         {Filter{}, []int{1, 2, 3, 4}},
		"failed":                      {Filter{Failed: true}, []int{1, 2, 4}},
		"status of the access line":   {Filter{Status: status("499")}, []int{1, 4}},
		"status of the captured part": {Filter{Status: status("502")}, []int{2}},
		"outcome of the captured":     {Filter{Outcomes: []Outcome{UpstreamDown}}, []int{1}},
		"outcome of the access line":  {Filter{Outcomes: []Outcome{ClientAbort}}, []int{4}},
		"last":                        {Filter{Last: 2}, []int{3, 4}},
		"last of the failed":          {Filter{Last: 2, Failed: true}, []int{2, 4}},
		"last of few":                 {Filter{Last: 10}, []int{1, 2, 3, 4}},
	} {
		var got []int
		list, _ := scanAll(t, openReader(t, dir), c.f)
		for _, e := range list {
			if !c.f.Matches(e) {
				t.Errorf("%s: Matches objects to %s", name, e.ID)
			}
			n := 0
			fmt.Sscan(e.ID.String()[14:], &n)
			got = append(got, n)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestRepeatedLinesCountOnce(t *testing.T) {
	dir := t.TempDir()
	old := func(r *Record) { r.Site = "old" }
	writeLines(t, dir, classCaptured, "2026-11-23", "000001-000001", recordLine(idN(1), old), recordLine(idN(1), nil))
	writeLines(t, dir, classAccess, "2026-11-23", "000001-000001", recordLine(idN(2), old))
	writeLines(t, dir, classAccess, "2026-11-23", "000001-000002", recordLine(idN(2), nil))
	list, _ := scanAll(t, openReader(t, dir), Filter{})
	if len(list) != 2 || list[0].Site != "queue" || list[1].Site != "queue" {
		t.Errorf("%d records: %+v", len(list), list)
	}
}

func TestUnreadableLinesAreSkippedAndCounted(t *testing.T) {
	dir := t.TempDir()
	good := recordLine(idN(1), nil)
	writeLines(t, dir, classAccess, "2026-11-23", "000001-000001",
		`{"segment":{"format":1}}`, "garbage", good[:50], strings.Replace(good, `"status":502`, `"status":"x"`, 1), good,
		`{"batch":{"n":1}}`, strings.Repeat("y", maxLine+lineBuffer), recordLine(idN(2), nil), good[:20])
	path := writeLines(t, dir, classAccess, "2026-11-23", "000001-000002", recordLine(idN(3), nil), good)
	if err := os.Truncate(path, int64(len(readFile(t, path))-1)); err != nil { // torn: not there yet
		t.Fatal(err)
	}
	list, stats := scanAll(t, openReader(t, dir), Filter{})
	if len(list) != 3 || stats.Skipped != 5 || stats.Records != 3 || stats.Files != 2 {
		t.Errorf("%d records, %+v", len(list), stats)
	}
}

// An outcome of a later version does not hide the record.
func TestUnknownOutcome(t *testing.T) {
	dir := t.TempDir()
	writeLines(t, dir, classCaptured, "2026-11-23", "000001-000001",
		strings.Replace(recordLine(idN(1), nil), `"upstream_down"`, `"held_back"`, 1))
	list, stats := scanAll(t, openReader(t, dir), Filter{Failed: true})
	if len(list) != 1 || list[0].Outcome != 0 || stats.Skipped != 0 {
		t.Errorf("%d records, %+v", len(list), stats)
	}
}

// Windows of time select by arrival, also where the files are those of later
// days, and do not open files that cannot have a match.
func TestWindowsOfTime(t *testing.T) {
	dir := t.TempDir()
	var now atomic.Pointer[time.Time]
	clock := func() time.Time { return *now.Load() }
	set := func(day, hour int) time.Time {
		n := time.Date(2026, 11, day, hour, 0, 0, 0, time.UTC)
		now.Store(&n)
		return n
	}
	set(1, 0)
	s := openStore(t, dir, StoreOptions{Now: clock})
	ids := s.NewIDs()
	arrivals := map[ID]time.Time{}
	add := func(arrival time.Time) {
		rec := newRecord(ids.Next(arrival), arrival, nil)
		if err := s.Commit(rec); err != nil {
			t.Fatal(err)
		}
		arrivals[rec.ID] = arrival
	}
	for day := 1; day <= 20; day++ {
		add(set(day, 12))
		if day == 15 {
			add(time.Date(2026, 11, 3, 7, 0, 0, 0, time.UTC)) // twelve days under way
		}
	}
	s.Close()
	for _, w := range []struct{ since, until, files int }{
		{0, 0, 20}, {18, 0, 3}, {0, 2, 1}, {3, 4, 2}, {10, 11, 2}, {21, 0, 0}, {15, 16, 1}, {1, 21, 20},
	} {
		f := Filter{}
		if w.since > 0 {
			f.Since = time.Date(2026, 11, w.since, 0, 0, 0, 0, time.UTC)
		}
		if w.until > 0 {
			f.Until = time.Date(2026, 11, w.until, 0, 0, 0, 0, time.UTC)
		}
		list, stats := scanAll(t, openReader(t, dir), f)
		got := map[ID]bool{}
		for _, e := range list {
			got[e.ID] = true
		}
		for id, at := range arrivals {
			inside := !at.Before(f.Since) && (f.Until.IsZero() || at.Before(f.Until))
			if got[id] != inside {
				t.Errorf("%+v: the record of %v is found: %v", w, at, got[id])
			}
		}
		if stats.Files != w.files {
			t.Errorf("%+v: %d files were opened", w, stats.Files)
		}
	}
}

func TestScanStops(t *testing.T) {
	dir := t.TempDir()
	var lines []string
	for i := range 5000 {
		lines = append(lines, recordLine(idN(i), nil))
	}
	writeLines(t, dir, classAccess, "2026-11-23", "000001-000001", lines...)
	r := openReader(t, dir)
	stop := errors.New("stop")
	n := 0
	_, err := r.Scan(context.Background(), Filter{}, func(*Entry) error {
		n++
		return stop
	})
	if !errors.Is(err, stop) || n != 1 {
		t.Errorf("fn's error: %v after %d", err, n)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := r.Scan(ctx, Filter{}, func(*Entry) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := r.Scan(context.Background(), Filter{IDs: []string{"U"}}, nil); !errors.Is(err, ErrBadFilter) {
		t.Errorf("bad filter: %v", err)
	}
}

func TestDamagedPayloads(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, StoreOptions{})
	ids := s.NewIDs()
	inLine := newRecord(ids.Next(time.Now()), time.Now(), []byte("body"))
	second := newRecord(ids.Next(time.Now()), time.Now(), []byte("other"))
	c := capture(t, s, repeatTo("blob", 300_000), 1<<20)
	blob := newRecord(ids.Next(time.Now()), time.Now(), nil)
	blob.Body, blob.Payload.Body, blob.Payload.Blob, _ = c.Seal(true)
	for _, rec := range []*Record{inLine, second, blob} {
		if err := s.Commit(rec); err != nil {
			t.Fatal(err)
		}
	}
	blobPath := c.spill.path
	c.Release()
	s.Close()
	path := files(t, dir, "captured/*/*.jsonl")[0]
	keys := loadKeys(t, dir)
	box := func(text string) string { // the box of the first record
		_, rest, _ := strings.Cut(text, `"box":"`)
		box, _, _ := strings.Cut(rest, `"`)
		return box
	}
	for _, c := range []struct {
		name, path string
		change     func(string) string
		record     *Record
	}{
		{"a byte of the box", path, func(s string) string { return strings.Replace(s, box(s)[:9], "AAAABBBBC", 1) }, inLine},
		{"not base64", path, func(s string) string { return strings.Replace(s, box(s)[:9], "!!!!!!!!!", 1) }, inLine},
		{"the ordinal", path, func(s string) string { return strings.Replace(s, `"n":0`, `"n":1`, 1) }, inLine},
		{"boxes of two records swapped", path, func(s string) string {
			lines := strings.Split(s, "\n")
			a, b := box(lines[1]), box(lines[2])
			lines[1] = strings.Replace(strings.Replace(lines[1], a, b, 1), `"n":0`, `"n":1`, 1)
			return strings.Join(lines, "\n")
		}, inLine},
		{"the wrapped key", path, func(s string) string { return strings.Replace(s, `"key":"YWdl`, `"key":"AAAA`, 1) }, inLine},
		{"the header line", path, func(s string) string { return strings.Replace(s, `"format":1`, `"format":9`, 1) }, inLine},
		{"a byte of the blob", blobPath, func(s string) string { return s[:len(s)-9] + "X" + s[len(s)-8:] }, blob},
		{"the end of the blob", blobPath, func(s string) string { return s[:len(s)-1000] }, blob},
		{"a chunk of the blob", blobPath, func(s string) string { return s[:len(s)-(300_000-4*65536)-16] }, blob},
		{"the blob is empty", blobPath, func(string) string { return "" }, blob},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := readFile(t, c.path)
			after := c.change(before)
			if after == before {
				t.Fatal("nothing was changed")
			}
			os.WriteFile(c.path, []byte(after), 0o600)
			defer os.WriteFile(c.path, []byte(before), 0o600)
			r := openReader(t, dir)
			e := byID(t, r)[c.record.ID]
			if e == nil {
				t.Fatal("record not found")
			}
			if _, body, err := readPayload(r, e, keys); !errors.Is(err, ErrPayload) {
				t.Errorf("%d bytes, %v", len(body), err)
			}
		})
	}
	t.Run("the blob is gone", func(t *testing.T) {
		os.Rename(blobPath, blobPath+".away")
		defer os.Rename(blobPath+".away", blobPath)
		r := openReader(t, dir)
		if _, _, err := readPayload(r, byID(t, r)[blob.ID], keys); !errors.Is(err, ErrPayload) || !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%v", err)
		}
	})
	r := openReader(t, dir)
	found := byID(t, r)
	wantPayload(t, r, found[inLine.ID], keys, []byte("body"))
	wantPayload(t, r, found[blob.ID], keys, repeatTo("blob", 300_000))
}

// A reader beside a writer sees every record that was committed before it began.
func TestScanBesideAWriter(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, StoreOptions{MaxSegment: 20 << 10})
	ids := s.NewIDs()
	stop := make(chan struct{})
	done := make(chan struct{})
	var committed atomic.Int64
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			rec := newRecord(ids.Next(time.Now()), time.Now(), bytes.Repeat([]byte("x"), 500))
			if err := s.Commit(rec); err != nil {
				t.Error(err)
				return
			}
			s.Append(rec)
			committed.Add(1)
		}
	}()
	r, keys := openReader(t, dir), loadKeys(t, dir)
	for range 15 {
		at := committed.Load()
		list, stats := scanAll(t, r, Filter{})
		if int64(len(list)) < at || stats.Skipped > 0 {
			t.Errorf("%d of %d records, %+v", len(list), at, stats)
		}
		if len(list) > 0 {
			e := list[len(list)-1]
			wantPayload(t, r, e, keys, bytes.Repeat([]byte("x"), 500))
		}
		time.Sleep(5 * time.Millisecond)
	}
	close(stop)
	<-done
}
