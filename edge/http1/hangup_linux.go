package http1

import "golang.org/x/sys/unix"

// hungUp reports, without waiting, whether the peer has closed its side of a socket,
// whatever is still unread before the end.
func hungUp(fd uintptr) bool {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	for {
		n, err := unix.Poll(p, 0)
		if err != unix.EINTR {
			return err == nil && n > 0
		}
	}
}
