package edgetest

import (
	"os"
	"strings"
	"testing"
)

// Sound fails the test if the edge has said that it has a bug, or the race detector
// has. To be deferred, or handed to Cleanup, after Start.
func (e *Edge) Sound(t testing.TB) {
	t.Helper()
	for _, sign := range []string{"DATA RACE", "a bug:", "panic:", "fatal error:", "could not be recorded"} {
		if log := e.Log(); strings.Contains(log, sign) {
			t.Errorf("%q in the log of the edge:\n%s", sign, log)
		}
	}
}

// MainFast is Main for tests that mostly wait: up to 24 cases do so side by side,
// whatever the number of processors, and commands end at once, where the race detector
// would make each wait for a second.
func MainFast(m *testing.M) {
	if _, set := os.LookupEnv("GORACE"); !set {
		_ = os.Setenv("GORACE", "atexit_sleep_ms=0")
	}
	// In front of the flags that were given, so that those win.
	os.Args = append([]string{os.Args[0], "-test.parallel=24"}, os.Args[1:]...)
	Main(m)
}
