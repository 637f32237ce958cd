//go:build unix && !linux

package socket

import "golang.org/x/sys/unix"

// peek looks at the next byte without taking it and without waiting.
func peek(fd int) (int, error) {
	var p [1]byte
	for {
		n, _, err := unix.Recvfrom(fd, p[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		if err != unix.EINTR {
			return n, err
		}
	}
}
