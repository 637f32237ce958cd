//go:build unix

package upstream

import (
	"io"

	"golang.org/x/sys/unix"
)

const canReadNow = true

// readNow reads what a descriptor has, and returns errNothing instead of waiting.
func readNow(fd uintptr, p []byte) (int, error) {
	for {
		n, err := unix.Read(int(fd), p)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return 0, errNothing
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		}
		return n, nil
	}
}
