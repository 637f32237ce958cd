//go:build !nosync

package durable

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Syncs says that Datasync does what it says. It is false in a test build only.
const Syncs = true

// Datasync makes the data of a file durable, and its length, but not metadata
// that is not needed to read it back, such as the time of the last change. The
// name of a new file needs SyncDir.
//
//	fdatasync(f)
//
// Only an interrupted call is repeated: it did not fail, it did not happen.
func Datasync(f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	err = raw.Control(func(fd uintptr) {
		for {
			if result = unix.Fdatasync(int(fd)); !errors.Is(result, unix.EINTR) {
				return
			}
		}
	})
	if err == nil && result != nil {
		err = &os.PathError{Op: "fdatasync", Path: f.Name(), Err: result}
	}
	return err
}
