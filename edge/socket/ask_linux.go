package socket

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// peek looks at the next byte without taking it and without waiting.
func peek(fd int) (int, error) {
	var p [1]byte
	for {
		n, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&p)), 1, unix.MSG_PEEK|unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
			continue
		}
		return 0, errno
	}
}

// outQueue is how many bytes the kernel holds that the peer has not acknowledged
// (SIOCOUTQ, tcp(7)).
func outQueue(fd uintptr) int {
	n, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
	if err != nil {
		return 0
	}
	return n
}

// hungUp reports whether the peer has ended its side, whatever is still to be read
// (POLLRDHUP, poll(2)). Under TLS a peek would see the close_notify in front of the end.
func hungUp(fd int) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n > 0
}
