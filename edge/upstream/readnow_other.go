//go:build !unix

package upstream

const canReadNow = false

// readNow cannot look on this system.
func readNow(uintptr, []byte) (int, error) { return 0, errNothing }
