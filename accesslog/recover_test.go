package accesslog

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/holdfast-edge/holdfast/internal/durable"
)

// unfinished writes a store as a killed process leaves it: files without an end
// line, with tail at the end.
func unfinished(t *testing.T, dir string, records int, tail []byte) (path string, size int64, ids []ID) {
	t.Helper()
	s, err := OpenStore(dir, StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	gen := s.NewIDs()
	for range records {
		rec := newRecord(gen.Next(time.Now()), time.Now(), []byte("body"))
		if err := s.Commit(rec); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, rec.ID)
	}
	path = s.committer.series.current.path
	s.Close()
	text := readFile(t, path)
	whole := text[:strings.LastIndex(text, `{"end":`)]
	if err := os.WriteFile(path, append([]byte(whole), tail...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, int64(len(whole)), ids
}

func TestTornTails(t *testing.T) {
	valid := string(lineOf(newRecord(goldenID(), testTime, nil), true))
	for _, c := range []struct {
		name, tail string
		kept       int // bytes of the tail that stay
	}{
		{"nothing", "", 0},
		{"half a line", valid[:100], 0},
		{"a line without its newline", valid, 0},
		{"zeros", strings.Repeat("\x00", 5000), 0},
		{"whole lines of garbage", "garbage\nmore\n", 0},
		{"garbage and half a line", "garbage\n" + valid[:300], 0},
		{"garbage before a record", "garbage\n" + valid + "\n" + valid[:5], len("garbage\n") + len(valid) + 1},
		{"an empty line", "\n", 0},
		{"half an end line", `{"end":{"rec`, 0},
		{"a control line that is not JSON", `{"end":` + "\n", 0},
		{"very long", strings.Repeat("x", maxLine+lineBuffer) + "\n" + "y", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			path, size, ids := unfinished(t, dir, 3, []byte(c.tail))
			before, _ := scanAll(t, openReader(t, dir), Filter{}) // before any repair
			if n := strings.Count(c.tail[:c.kept], `"id"`); len(before) != 3+n {
				t.Errorf("%d records before the repair", len(before))
			}
			var log bytes.Buffer
			s := openStore(t, dir, StoreOptions{Log: zerolog.New(&log)})
			if got := readFile(t, path); int64(len(got)) != size+int64(c.kept) {
				t.Errorf("%d bytes are left, want %d", len(got), size+int64(c.kept))
			}
			moved := files(t, dir, quarantineName, "*")
			want := c.tail[c.kept:]
			if want == "" {
				if len(moved) != 0 || strings.Contains(log.String(), "quarantine") {
					t.Errorf("moved %v, said %s", moved, log.String())
				}
			} else if len(moved) != 1 || readFile(t, moved[0]) != want || !strings.Contains(log.String(), "quarantine") {
				t.Errorf("moved %v, said %s", moved, log.String())
			}
			after := byID(t, openReader(t, dir))
			for _, id := range ids {
				wantPayload(t, openReader(t, dir), after[id], loadKeys(t, dir), []byte("body"))
			}
			// Nothing is appended to it.
			if err := s.Commit(newRecord(s.NewIDs().Next(time.Now()), time.Now(), nil)); err != nil {
				t.Fatal(err)
			}
			if got := readFile(t, path); int64(len(got)) != size+int64(c.kept) {
				t.Error("an old file was written")
			}
		})
	}
}

func TestFileWithoutAHeader(t *testing.T) {
	dir := t.TempDir()
	path, _, _ := unfinished(t, dir, 1, nil)
	if err := os.WriteFile(path, []byte(`{"segment":{"for`), 0o600); err != nil {
		t.Fatal(err)
	}
	openStore(t, dir, StoreOptions{})
	moved := files(t, dir, quarantineName, "*")
	if len(moved) != 1 || readFile(t, path) != "" {
		t.Errorf("moved %v, left %q", moved, readFile(t, path))
	}
}

// What was looked at once is not looked at again, and finished files never are.
func TestRecoveryIsBounded(t *testing.T) {
	dir := t.TempDir()
	for i := range 4 {
		s := openStore(t, dir, StoreOptions{MaxSegment: 2000})
		for range 5 {
			if err := s.Commit(newRecord(s.NewIDs().Next(time.Now()), time.Now(), []byte{byte(i)})); err != nil {
				t.Fatal(err)
			}
		}
		s.Close()
	}
	list, err := listSegments(dir, classCaptured, "")
	if err != nil || len(list) < 12 {
		t.Fatalf("%d files, %v", len(list), err)
	}
	found, err := recoverFiles(dir, list, 0, durable.Datasync)
	if err != nil || found != (recovery{}) {
		t.Errorf("%+v, %v: finished files were looked through", found, err)
	}
	torn := list[len(list)-1]
	if err := os.WriteFile(torn.path, []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	if found, err = recoverFiles(dir, list, torn.epoch, durable.Datasync); err != nil || found.Files != 0 {
		t.Errorf("%+v, %v: a recovered epoch was looked at", found, err)
	}
	if found, err = recoverFiles(dir, list, torn.epoch-1, durable.Datasync); err != nil || found.Files != 1 || found.Torn != 1 || found.Bytes != 4 {
		t.Errorf("%+v, %v", found, err)
	}
}

// Lines that are believed from now on are synced, torn end or not, before the
// epoch counts as recovered.
func TestRecoverySyncs(t *testing.T) {
	for _, tail := range []string{"", "torn"} {
		dir := t.TempDir()
		path, _, _ := unfinished(t, dir, 2, []byte(tail))
		list, err := listSegments(dir, classCaptured, "")
		if err != nil {
			t.Fatal(err)
		}
		var synced []string
		sync := func(f *os.File) error {
			synced = append(synced, f.Name())
			return durable.Datasync(f)
		}
		if _, err := recoverFiles(dir, list, 0, sync); err != nil || len(synced) != 1 || synced[0] != path {
			t.Errorf("tail %q: synced %v, %v", tail, synced, err)
		}
		fails := func(*os.File) error { return syscall.EIO }
		if _, err := recoverFiles(dir, list, 0, fails); !errors.Is(err, syscall.EIO) {
			t.Errorf("tail %q: a failed sync is not an error: %v", tail, err)
		}
	}
}

func TestOrphanBodiesAreMoved(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, StoreOptions{})
	c := capture(t, s, make([]byte, 300_000), 1<<20) // never released: the process is killed
	name := filepath.Base(c.spill.path)
	s.Close()
	openStore(t, dir, StoreOptions{})
	if got := files(t, dir, quarantineName, "*"); len(got) != 1 || filepath.Base(got[0]) != "blob-"+name {
		t.Errorf("quarantine: %v", got)
	}
	if got := blobFiles(t, dir); len(got) != 0 {
		t.Errorf("left: %v", got)
	}
}

// A file that cannot be repaired does not keep the edge from starting.
func TestStartsWithWhatCannotBeRepaired(t *testing.T) {
	dir := t.TempDir()
	path, _, _ := unfinished(t, dir, 1, []byte("torn"))
	// A directory in the way of the copy in the quarantine.
	blocker := filepath.Join(dir, quarantineName, fmt.Sprintf("captured-%s-%s.tail-%d.tmp",
		filepath.Base(filepath.Dir(path)), strings.TrimSuffix(filepath.Base(path), segmentSuffix),
		len(readFile(t, path))-len("torn")))
	if err := os.MkdirAll(filepath.Join(blocker, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s := openStore(t, dir, StoreOptions{Log: zerolog.New(&log)})
	if !strings.Contains(log.String(), "not everything") || !strings.HasSuffix(readFile(t, path), "torn") {
		t.Errorf("said %s", log.String())
	}
	s.Close()
	os.RemoveAll(blocker)
	openStore(t, dir, StoreOptions{}) // the next start tries again
	if strings.HasSuffix(readFile(t, path), "torn") {
		t.Error("not repaired by the next start")
	}
}
