//go:build unix

package socket

import "syscall"

// quiet peeks at a descriptor: nothing to read, and open.
func quiet(fd int) bool {
	_, err := peek(fd)
	return err == syscall.EAGAIN
}

// gone peeks at a descriptor: closed or reset by the peer. A half-closed
// connection counts as closed, as with NGINX: it cannot be told from one.
func gone(fd int) bool {
	n, err := peek(fd)
	return err != syscall.EAGAIN && (err != nil || n == 0)
}
