//go:build unix

package durable

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// LockedError says that another process holds a lock. PID is what that process
// wrote into the file; 0 if it cannot be told.
type LockedError struct {
	Path string
	PID  int
}

// Error names the file and the process.
func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("%s is locked by another process", e.Path)
	}
	return fmt.Sprintf("%s is locked by process %d", e.Path, e.PID)
}

// Lock is an advisory lock on a file, held until Unlock or the end of the
// process, however it ends: the kernel lets go of it with the descriptor.
type Lock struct{ file *os.File }

// TryLock takes the lock on path, making the file if need be, and writes the
// process id into it. It does not wait: if another holds it, the error is a
// *LockedError. The file is never removed, since removing a lock file lets two
// processes lock two different files of the same name.
//
//	open(path, O_RDWR|O_CREAT|O_CLOEXEC, 0600) flock(LOCK_EX|LOCK_NB) ftruncate(0) pwrite(pid)
func TryLock(path string) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		defer f.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, &os.PathError{Op: "flock", Path: path, Err: err}
		}
		return nil, &LockedError{Path: path, PID: readPID(f)}
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &Lock{file: f}, nil
}

// readPID reads the holder's process id; 0 if it has not been written yet.
func readPID(f *os.File) int {
	var buf [32]byte
	n, _ := f.ReadAt(buf[:], 0)
	pid, err := strconv.Atoi(strings.TrimSpace(string(buf[:n])))
	if err != nil || pid < 0 {
		return 0
	}
	return pid
}

// Unlock lets go of the lock.
func (l *Lock) Unlock() error { return l.file.Close() }
