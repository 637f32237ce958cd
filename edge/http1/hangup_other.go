//go:build !linux

package http1

// hungUp sees an end with nothing unread before it.
func hungUp(fd uintptr) bool { return peekGone(fd) }
