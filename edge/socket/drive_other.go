//go:build !linux || portable

package socket

import "syscall"

// Here every connection takes the plain path.
const canDrive = false

func readNow(int, []byte) (n int, again bool, err error) { return 0, false, syscall.ENOTSUP }

func writeNow(int, []byte) (int, error) { return 0, syscall.ENOTSUP }
