//go:build !linux

package edge

// EaseTimers does nothing here.
func EaseTimers() {}
