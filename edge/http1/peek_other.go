//go:build !unix

package http1

// peekGone cannot look on this system: a client that left is noticed when the
// answer is written.
func peekGone(uintptr) bool { return false }

// Quiet cannot look on this system.
func Quiet(uintptr) bool { return true }

const canTryFill = false

func (b *Buffer) tryFill(uintptr) (done bool, err error) { return true, b.Fill() }
