package accesslog

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/rs/zerolog"
	"pgregory.net/rapid"
)

func readCapture(t interface {
	Helper()
	Fatal(...any)
}, c *Capture) []byte {
	t.Helper()
	r, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	body, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// Whatever a capture is given, in whatever pieces, it holds the beginning of it
// up to the limit, at any time, in memory or on the disk.
func TestCaptureHoldsWhatItWasGiven(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, StoreOptions{})
	pattern := repeatTo("0123456789abcdefghijklmnopqrstuvwxyz\n", 1<<20)
	edges := []int{0, 1, smallBuffer, smallBuffer + 1, middleBuffer, memoryLimit - 1, memoryLimit, memoryLimit + 1, 2 * memoryLimit, 200_000}
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.OneOf(rapid.SampledFrom(edges), rapid.IntRange(0, 300_000)).Draw(t, "limit")
		c := s.NewCapture(int64(limit))
		defer c.Release()
		given := 0
		piece := func() []byte {
			n := rapid.OneOf(rapid.SampledFrom(edges), rapid.IntRange(0, 50_000)).Draw(t, "size")
			p := pattern[given : given+n]
			given += n
			return p
		}
		if rapid.Bool().Draw(t, "alias") {
			c.Alias(piece())
		}
		for range rapid.IntRange(0, 4).Draw(t, "pieces") {
			p := piece()
			if n, err := c.Write(p); n != len(p) || err != nil {
				t.Fatalf("Write = %d, %v", n, err)
			}
			if rapid.Bool().Draw(t, "look") {
				if got := readCapture(t, c); !bytes.Equal(got, pattern[:min(given, limit)]) {
					t.Fatalf("%d bytes after %d of limit %d", len(got), given, limit)
				}
			}
		}
		want := pattern[:min(given, limit)]
		truncated := given > limit
		if c.Len() != int64(given) || c.Truncated() != truncated || c.Err() != nil {
			t.Fatalf("Len %d, Truncated %v, Err %v", c.Len(), c.Truncated(), c.Err())
		}
		if m, ok := c.Memory(); ok != (!truncated && given <= memoryLimit) || ok && !bytes.Equal(m, want) {
			t.Fatalf("Memory: %d bytes, %v", len(m), ok)
		}
		body, inLine, blob, err := c.Seal(true)
		if err != nil {
			t.Fatal(err)
		}
		if body.Bytes != int64(given) || body.Truncated != truncated || !body.Complete || body.SHA256 != sha256.Sum256(want) {
			t.Fatalf("%+v for %d bytes, limit %d", body, given, limit)
		}
		if (blob != nil) != (len(want) > memoryLimit) || blob == nil && !bytes.Equal(inLine, want) {
			t.Fatalf("blob %v, %d bytes in the line", blob, len(inLine))
		}
		if got := readCapture(t, c); !bytes.Equal(got, want) {
			t.Fatalf("%d bytes after Seal", len(got))
		}
		if again, _, blob2, _ := c.Seal(false); again != body || blob2 != blob {
			t.Fatal("a second Seal said something else")
		}
	})
	if left := blobFiles(t, dir); len(left) > 0 {
		t.Errorf("released captures left %v", left)
	}
}

func blobFiles(t testing.TB, dir string) []string {
	return append(files(t, dir, "captured/blobs/*.part"), files(t, dir, "captured/blobs/*/*")...)
}

func capture(t testing.TB, s *Store, body []byte, limit int64) *Capture {
	t.Helper()
	c := s.NewCapture(limit)
	_, _ = c.Write(body)
	return c
}

func TestBlobIsKeptByItsRecord(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, StoreOptions{})
	ids := s.NewIDs()
	body := repeatTo("a secret body ", 300_000)

	forgotten := capture(t, s, body, 1<<20)
	_, _, _, err := forgotten.Seal(true)
	if err != nil {
		t.Fatal(err)
	}
	forgotten.Release()
	if left := blobFiles(t, dir); len(left) != 0 {
		t.Errorf("a sealed body without a record is left: %v", left)
	}

	kept := capture(t, s, body, 1<<20)
	rec := newRecord(ids.Next(time.Now()), time.Now(), nil)
	if rec.Body, rec.Payload.Body, rec.Payload.Blob, err = kept.Seal(true); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(rec); err != nil {
		t.Fatal(err)
	}
	kept.Release()
	r := openReader(t, dir)
	wantPayload(t, r, byID(t, r)[rec.ID], loadKeys(t, dir), body)
	grepTree(t, dir, "a secret body")

	// The file is a plain age file for whoever has the key.
	text, err := os.ReadFile(filepath.Join(dir, "captured/blobs", filepath.FromSlash(rec.Payload.Blob.Name)))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := age.Decrypt(bytes.NewReader(text), loadKeys(t, dir).identities...)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(plain); err != nil || !bytes.Equal(got, body) {
		t.Errorf("age decrypts %d bytes, %v", len(got), err)
	}
}

func TestCaptureSurvivesAFailingDisk(t *testing.T) {
	for _, op := range []string{"create", "write", "sync", "close", "mkdir", "rename", "syncdir"} {
		for name, f := range faultCases() {
			for _, at := range []int{0, 1} {
				t.Run(fmt.Sprint(op, "/", name, "/", at), func(t *testing.T) {
					dir := t.TempDir()
					disk := newFaultDisk(t)
					s := openStore(t, dir, StoreOptions{disk: disk})
					f := f
					f.match = blobsName
					disk.next(op, append(make([]fault, at), f)...)
					c := s.NewCapture(1 << 20)
					body := repeatTo("x", 400_000)
					for i := 0; i < len(body); i += 50_000 {
						if n, err := c.Write(body[i : i+50_000]); n != 50_000 || err != nil {
							t.Fatalf("Write = %d, %v", n, err)
						}
					}
					b, inLine, blob, err := c.Seal(true)
					if (err != nil) != (blob == nil) || err != nil && !errors.Is(err, f.err) || !errors.Is(c.Err(), err) {
						t.Fatalf("Seal: blob %v, %v; Err %v", blob, err, c.Err())
					}
					if b.Bytes != int64(len(body)) || !b.Complete || b.Truncated != (err != nil) || b.Truncated != c.Truncated() {
						t.Errorf("%+v", b)
					}
					if err != nil && b.SHA256 != sha256.Sum256(inLine) {
						t.Error("the hash is not that of what is kept")
					}
					rec := newRecord(goldenID(), time.Now(), nil)
					rec.Body, rec.Payload.Body, rec.Payload.Blob = b, inLine, blob
					if err := s.Commit(rec); err != nil {
						t.Fatal(err)
					}
					c.Release()
					r := openReader(t, dir)
					want := body
					if err != nil {
						want = inLine
					}
					e := byID(t, r)[rec.ID]
					if e.Body.Truncated != b.Truncated {
						t.Errorf("read back %+v", e.Body)
					}
					wantPayload(t, r, e, loadKeys(t, dir), want)
					if blob == nil {
						if left := blobFiles(t, dir); len(left) > 0 && op != "create" {
							t.Errorf("left behind: %v", left)
						}
					}
				})
			}
		}
	}
}

// A record that could not be made durable does not leave its body behind.
func TestFailedCommitGivesTheBlobUp(t *testing.T) {
	dir := t.TempDir()
	disk := newFaultDisk(t)
	s := openStore(t, dir, StoreOptions{disk: disk})
	c := capture(t, s, repeatTo("x", 100_000), 1<<20)
	rec := newRecord(goldenID(), time.Now(), nil)
	var err error
	if rec.Body, rec.Payload.Body, rec.Payload.Blob, err = c.Seal(true); err != nil {
		t.Fatal(err)
	}
	disk.set("write", fault{when: "before", err: syscall.ENOSPC})
	if err := s.Commit(rec); !errors.Is(err, ErrNotDurable) {
		t.Fatalf("Commit: %v", err)
	}
	c.Release()
	if left := blobFiles(t, dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A record that reached the disk although its commit failed still has its body.
func TestBlobStaysWithARecordThatMayBeOnDisk(t *testing.T) {
	for _, c := range []struct {
		name  string
		first bool // an earlier record makes the file stay
		setup func(*faultDisk)
	}{
		{"the file has durable records", true, func(d *faultDisk) {
			d.next("sync", fault{when: "after", err: syscall.EIO}, fault{}, fault{when: "after", err: syscall.EIO})
		}},
		{"the file cannot be removed", false, func(d *faultDisk) {
			// header, batch; then header, batch of the second try
			d.next("sync", fault{}, fault{when: "after", err: syscall.EIO}, fault{}, fault{when: "after", err: syscall.EIO})
			d.set("remove", fault{when: "before", err: syscall.EIO, match: segmentSuffix})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, disk := t.TempDir(), newFaultDisk(t)
			s := openStore(t, dir, StoreOptions{Log: zerolog.Nop(), disk: disk})
			ids := s.NewIDs()
			if c.first {
				if err := s.Commit(newRecord(ids.Next(testTime), testTime, nil)); err != nil {
					t.Fatal(err)
				}
			}
			body := repeatTo("0123456789", 200<<10)
			kept := capture(t, s, body, 1<<20)
			rec := newRecord(ids.Next(testTime), testTime, nil)
			var err error
			if rec.Body, rec.Payload.Body, rec.Payload.Blob, err = kept.Seal(true); err != nil {
				t.Fatal(err)
			}
			c.setup(disk)
			if err := s.Commit(rec); !errors.Is(err, ErrNotDurable) {
				t.Fatalf("Commit: %v", err)
			}
			kept.Release()
			r := openReader(t, dir)
			e := byID(t, r)[rec.ID]
			if e == nil {
				t.Fatal("the record is not there: the test shows nothing")
			}
			wantPayload(t, r, e, loadKeys(t, dir), body)
		})
	}
}

func TestSmallCaptureDoesNotAllocate(t *testing.T) {
	s := openStore(t, t.TempDir(), StoreOptions{})
	head, more := make([]byte, 700), make([]byte, 900)
	run := func() {
		c := s.NewCapture(1 << 20)
		c.Alias(head)
		_, _ = c.Write(more)
		c.Release()
	}
	run()
	if n := testing.AllocsPerRun(200, run); n > 0.1 && !raceEnabled { // -race empties pools at random
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkSpill(b *testing.B) {
	s := openStore(b, b.TempDir(), StoreOptions{})
	chunk := make([]byte, 128<<10)
	b.SetBytes(8 << 20)
	b.ReportAllocs()
	for b.Loop() {
		c := s.NewCapture(64 << 20)
		for range 64 {
			_, _ = c.Write(chunk)
		}
		c.Release()
	}
}
