package accesslog

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/rs/zerolog"
)

func TestSecondStoreIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, StoreOptions{})
	_, err := OpenStore(dir, StoreOptions{})
	var inUse *ErrInUse
	if !errors.As(err, &inUse) || inUse.PID != os.Getpid() || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Fatalf("second store: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	openStore(t, dir, StoreOptions{})
}

func TestEverythingIsTheOwnersOnly(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	dir := filepath.Join(t.TempDir(), "not", "yet")
	s := openStore(t, dir, StoreOptions{})
	c := capture(t, s, make([]byte, 100_000), 1<<20)
	defer c.Release()
	rec := newRecord(goldenID(), time.Now(), nil)
	rec.Body, _, rec.Payload.Blob, _ = c.Seal(true)
	if err := s.Commit(rec); err != nil {
		t.Fatal(err)
	}
	s.Append(rec)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	n := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		n++
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %o", path, info.Mode().Perm())
		}
		return nil
	})
	if err != nil || n < 10 {
		t.Errorf("%d files looked at, %v", n, err)
	}
}

func TestLooseDirectories(t *testing.T) {
	dir := t.TempDir()
	keys := KeysDir(dir)
	for _, d := range []string{dir, keys} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var log bytes.Buffer
	openStore(t, dir, StoreOptions{Log: zerolog.New(&log)})
	info, _ := os.Stat(dir)
	below, _ := os.Stat(keys)
	if info.Mode().Perm() != 0o755 || below.Mode().Perm() != 0o700 || !strings.Contains(log.String(), "chmod 700") {
		t.Errorf("top %v, keys %v, log %s", info.Mode(), below.Mode(), log.String())
	}
}

// The name of the data directory is durable at every start: the one before may
// have died between making it and syncing it.
func TestDirectoryIsSyncedAlsoIfItExists(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	for _, c := range []struct{ fails, want error }{
		{nil, nil}, {syscall.EACCES, nil}, {syscall.EPERM, nil}, {syscall.EROFS, nil}, {syscall.EIO, syscall.EIO},
	} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		var synced []string
		err := prepareDir(dir, zerolog.Nop(), func(d string) error {
			synced = append(synced, d)
			return c.fails
		})
		if len(synced) != 1 || synced[0] != filepath.Dir(dir) || !errors.Is(err, c.want) {
			t.Errorf("synced %v, which said %v: %v", synced, c.fails, err)
		}
	}
}

func TestEpochs(t *testing.T) {
	dir := t.TempDir()
	var last uint32
	open := func(what string) {
		t.Helper()
		s, err := OpenStore(dir, StoreOptions{})
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if s.epoch <= last {
			t.Errorf("%s: epoch %d after %d", what, s.epoch, last)
		}
		last = s.epoch
		if err := s.Commit(newRecord(goldenID(), time.Now(), nil)); err != nil {
			t.Error(err)
		}
		s.Append(newRecord(goldenID(), time.Now(), nil))
		s.Close()
	}
	open("first")
	open("second")
	os.Remove(epochPath(dir))
	open("file lost")
	os.WriteFile(epochPath(dir), []byte("\x00\x00garbage"), 0o600)
	open("file damaged")
	os.WriteFile(epochPath(dir), []byte(`{"epoch":1,"recovered":0}`), 0o600)
	open("file of a backup")
	if got := readFile(t, epochPath(dir)); !strings.HasPrefix(got, fmt.Sprintf(`{"epoch":%d,"recovered":%d,"tags":["`, last, last-1)) {
		t.Errorf("epoch file: %s", got)
	}
	if len(files(t, dir, "captured/*/*.jsonl")) != 5 {
		t.Error("an old file was written again")
	}
}

// Every name that carries an epoch keeps it from being used again.
func TestEpochsInOtherNames(t *testing.T) {
	for name, want := range map[string]uint32{
		"captured/blobs/2026-11-23/000041-00000007.age":         42,
		"captured/blobs/000041-00000008.age.part":               42,
		"quarantine/blob-000041-00000008.age.part":              42,
		"quarantine/captured-2026-11-23-000041-000001.tail-477": 42,
		"quarantine/ledger-r-20261123-0226-477":                 1,
		"captured/blobs/2026-11-23/note.txt":                    1,
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if s := openStore(t, dir, StoreOptions{}); s.epoch != want {
			t.Errorf("with %s the epoch is %d", name, s.epoch)
		}
	}
}

func TestKeysAreMadeOnce(t *testing.T) {
	dir := t.TempDir()
	private, public := filepath.Join(KeysDir(dir), privateKeyFile), filepath.Join(KeysDir(dir), publicKeyFile)
	openStore(t, dir, StoreOptions{}).Close()
	key, pub := readFile(t, private), readFile(t, public)
	if !strings.HasPrefix(key, "AGE-SECRET-KEY-1") || !strings.HasPrefix(pub, "age1") {
		t.Fatalf("keys %q and %q", key[:20], pub)
	}
	openStore(t, dir, StoreOptions{}).Close()
	if readFile(t, private) != key || readFile(t, public) != pub {
		t.Error("a second start made another pair")
	}
	// A crash between the two files.
	os.Remove(public)
	openStore(t, dir, StoreOptions{}).Close()
	if readFile(t, private) != key || readFile(t, public) != pub {
		t.Error("the public key was not made from the private one")
	}
}

// Both halves gone is said when, and only when, records are sealed to them.
func TestBothKeysMovedAway(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	for _, records := range []int{0, 1, 0} {
		var log bytes.Buffer
		s := openStore(t, dir, StoreOptions{Log: zerolog.New(&log)})
		warned := strings.Contains(log.String(), "both keys are gone")
		if want := len(files(t, dir, "captured/*/*.jsonl")) > 0; warned != want {
			t.Errorf("warned: %v, want %v: %s", warned, want, log.String())
		}
		for range records {
			if err := s.Commit(newRecord(s.NewIDs().Next(time.Now()), time.Now(), nil)); err != nil {
				t.Fatal(err)
			}
		}
		s.Close()
		for _, name := range []string{privateKeyFile, publicKeyFile} {
			if err := os.Remove(filepath.Join(KeysDir(dir), name)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestPrivateKeyMovedAway(t *testing.T) {
	dir := t.TempDir()
	openStore(t, dir, StoreOptions{}).Close()
	safe := filepath.Join(t.TempDir(), "safe.key")
	if err := os.Rename(filepath.Join(KeysDir(dir), privateKeyFile), safe); err != nil {
		t.Fatal(err)
	}
	s := openStore(t, dir, StoreOptions{})
	c := capture(t, s, repeatTo("body", 100_000), 1<<20)
	defer c.Release()
	rec := newRecord(goldenID(), time.Now(), nil)
	var err error
	if rec.Body, _, rec.Payload.Blob, err = c.Seal(true); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(rec); err != nil {
		t.Fatal(err)
	}
	if len(files(t, KeysDir(dir), "*.key")) != 0 {
		t.Error("a new private key was made")
	}
	if got := readCapture(t, c); len(got) != 100_000 { // the edge itself needs no key
		t.Errorf("%d bytes", len(got))
	}
	r := openReader(t, dir)
	e := byID(t, r)[rec.ID]
	none := loadKeys(t, dir)
	if _, err := r.Open(e, none); !none.Empty() || !errors.Is(err, ErrNoKey) {
		t.Errorf("without a key: %v", err)
	}
	other := filepath.Join(t.TempDir(), "other.key")
	stranger, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile(other, []byte(stranger.String()), 0o600)
	wrong, err := LoadKeys(other)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Open(e, wrong); !errors.Is(err, ErrNoKey) || !strings.Contains(err.Error(), "age1") {
		t.Errorf("with another key: %v", err)
	}
	right, err := LoadKeys(other, safe)
	if err != nil {
		t.Fatal(err)
	}
	wantPayloadOf(t, r, e, right, repeatTo("body", 100_000))
}

func wantPayloadOf(t *testing.T, r *Reader, e *Entry, keys Keys, body []byte) {
	t.Helper()
	if _, got, err := readPayload(r, e, keys); err != nil || !bytes.Equal(got, body) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestSeveralRecipients(t *testing.T) {
	dir := t.TempDir()
	openStore(t, dir, StoreOptions{}).Close()
	second, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile(filepath.Join(KeysDir(dir), "ops.pub"), []byte("# the operators\n"+second.Recipient().String()+"\n"), 0o600)
	s := openStore(t, dir, StoreOptions{})
	c := capture(t, s, repeatTo("body", 100_000), 1<<20)
	defer c.Release()
	rec := newRecord(goldenID(), time.Now(), nil)
	rec.Body, _, rec.Payload.Blob, _ = c.Seal(true)
	if err := s.Commit(rec); err != nil {
		t.Fatal(err)
	}
	for _, keys := range []Keys{loadKeys(t, dir), {identities: []age.Identity{second}}} {
		r := openReader(t, dir)
		wantPayloadOf(t, r, byID(t, r)[rec.ID], keys, repeatTo("body", 100_000))
	}
}

func TestBadKeys(t *testing.T) {
	dir := t.TempDir()
	openStore(t, dir, StoreOptions{}).Close()
	bad := filepath.Join(t.TempDir(), "bad.key")
	os.WriteFile(bad, []byte("AGE-SECRET-KEY-1NOTAKEY\n"), 0o600)
	for _, path := range []string{bad, filepath.Join(dir, "missing.key"), filepath.Join(dir, "missing")} {
		if _, err := LoadKeys(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("LoadKeys(%s): %v", path, err)
		}
	}
	for _, text := range []string{"not a key\n", "", "age1qqqqq\n"} {
		os.WriteFile(filepath.Join(KeysDir(dir), publicKeyFile), []byte(text), 0o600)
		if _, err := OpenStore(dir, StoreOptions{}); err == nil || !strings.Contains(err.Error(), publicKeyFile) {
			t.Errorf("public key %q: %v", text, err)
		}
	}
}

func TestOpenReader(t *testing.T) {
	if _, err := OpenReader(filepath.Join(t.TempDir(), "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing directory: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	os.WriteFile(file, nil, 0o600)
	if _, err := OpenReader(file); err == nil {
		t.Error("a file passed for a directory")
	}
	if list, _ := scanAll(t, openReader(t, t.TempDir()), Filter{}); len(list) != 0 {
		t.Errorf("%d records in an empty directory", len(list))
	}
}
