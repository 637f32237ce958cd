package durable_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/holdfast-edge/holdfast/internal/durable"
)

func mode(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

func TestModesDoNotDependOnUmask(t *testing.T) {
	for _, umask := range []int{0, 0o022, 0o277} {
		dir := t.TempDir()
		old := syscall.Umask(umask)
		err := func() error {
			defer syscall.Umask(old)
			if err := durable.MkdirAll(filepath.Join(dir, "a", "b")); err != nil {
				return err
			}
			if err := durable.WriteFile(filepath.Join(dir, "a", "file"), []byte("x")); err != nil {
				return err
			}
			f, err := durable.Create(filepath.Join(dir, "a", "new"))
			if err != nil {
				return err
			}
			return f.Close()
		}()
		if err != nil {
			t.Fatalf("umask %o: %v", umask, err)
		}
		for path, want := range map[string]fs.FileMode{"a": 0o700, "a/b": 0o700, "a/file": 0o600, "a/new": 0o600} {
			if got := mode(t, filepath.Join(dir, path)); got != want {
				t.Errorf("umask %o: %s has mode %o, want %o", umask, path, got, want)
			}
		}
	}
}

func TestWriteFileReplaces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	for _, text := range []string{"first, long text", "second", ""} {
		if err := durable.WriteFile(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != text {
			t.Fatalf("read %q, %v; want %q", got, err, text)
		}
	}
	if _, err := os.Stat(path + ".tmp"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("temporary file is left: %v", err)
	}
}

func TestWriteFileFailureLeavesTheOldContents(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if err := durable.WriteFile(path, []byte("old")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path+".tmp", 0o700); err != nil { // the temporary name is taken
		t.Fatal(err)
	}
	if err := durable.WriteFile(path, []byte("new")); err == nil {
		t.Fatal("no error")
	}
	if got, _ := os.ReadFile(path); string(got) != "old" {
		t.Errorf("contents are %q", got)
	}
}

func TestCreateFailsIfTheNameIsTaken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	f, err := durable.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := durable.Datasync(f); err != nil {
		t.Fatal(err)
	}
	if _, err := durable.Create(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second Create: %v", err)
	}
}

func TestMkdirAllRefusesAFileInTheWay(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := durable.WriteFile(path, nil); err != nil {
		t.Fatal(err)
	}
	if err := durable.MkdirAll(path); err == nil {
		t.Error("a file passed for a directory")
	}
	if err := durable.MkdirAll(filepath.Join(path, "below")); err == nil {
		t.Error("a directory below a file")
	}
}

func TestDatasyncReportsAClosedFile(t *testing.T) {
	f, err := durable.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if err := durable.Datasync(f); err == nil {
		t.Error("no error")
	}
}

func TestTryLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	lock, err := durable.TryLock(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = durable.TryLock(path)
	var locked *durable.LockedError
	if !errors.As(err, &locked) || locked.PID != os.Getpid() || locked.Path != path {
		t.Fatalf("second lock: %v", err)
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	again, err := durable.TryLock(path)
	if err != nil {
		t.Fatalf("after Unlock: %v", err)
	}
	again.Unlock()
}

// The lock must go with the process, not with the file.
func TestLockEndsWithTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	if os.Getenv("HOLD_LOCK") != "" {
		if _, err := durable.TryLock(os.Getenv("HOLD_LOCK")); err != nil {
			t.Fatal(err)
		}
		os.Stdout.WriteString("locked\n")
		select {}
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestLockEndsWithTheProcess$")
	cmd.Env = append(os.Environ(), "HOLD_LOCK="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	buf := make([]byte, 7)
	if _, err := out.Read(buf); err != nil {
		t.Fatal(err)
	}
	var locked *durable.LockedError
	if _, err := durable.TryLock(path); !errors.As(err, &locked) || locked.PID != cmd.Process.Pid {
		t.Fatalf("while the process lives: %v, want process %d", err, cmd.Process.Pid)
	}
	cmd.Process.Kill()
	cmd.Wait()
	lock, err := durable.TryLock(path)
	if err != nil {
		t.Fatalf("after its death: %v", err)
	}
	lock.Unlock()
}
