//go:build unix

package http1

import (
	"io"

	"golang.org/x/sys/unix"
)

// Quiet reports whether a connection that should be idle is open and has nothing
// to read, without waiting.
func Quiet(fd uintptr) bool {
	var p [1]byte
	for {
		_, _, err := unix.Recvfrom(int(fd), p[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		if err != unix.EINTR {
			return err == unix.EAGAIN
		}
	}
}

// peekGone reports whether the peer has closed or reset the connection, by
// looking at the next byte without taking it and without waiting.
func peekGone(fd uintptr) bool {
	var p [1]byte
	for {
		n, _, err := unix.Recvfrom(int(fd), p[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		switch err {
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return false
		case nil:
			return n == 0
		}
		return true
	}
}

const canTryFill = true

// tryFill reads once from a descriptor that does not block. Where there is nothing
// to read yet it gives the buffer's memory back and returns false.
func (b *Buffer) tryFill(fd uintptr) (done bool, err error) {
	if b.mem == nil {
		b.mem = GetBuffer(smallBuffer)
	}
	for {
		n, err := unix.Read(int(fd), (*b.mem)[b.w:])
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			b.FreeIfEmpty()
			return false, nil
		case err != nil:
			return true, err
		case n == 0:
			return true, io.EOF
		}
		b.w += n
		return true, nil
	}
}
