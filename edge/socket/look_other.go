//go:build !unix

package socket

// On this system one cannot look: a client that left is noticed when the answer is
// written, an app that left when the request is.

func quiet(int) bool { return true }

func gone(int) bool { return false }
