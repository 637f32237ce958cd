package durable

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Held returns the error that TryLock would if another process holds the lock on
// path, and nil otherwise. It makes and changes nothing, and never keeps the lock.
//
//	open(path, O_RDONLY|O_CLOEXEC) flock(LOCK_SH|LOCK_NB) close
func Held(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	if errors.Is(unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB), unix.EWOULDBLOCK) {
		return &LockedError{Path: path, PID: readPID(f)}
	}
	return nil
}
