package differential

import (
	"os"
	"runtime/debug"
	"testing"
)

// TestMain lets garbage wait: these tests make much of it, and little else lives.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}
