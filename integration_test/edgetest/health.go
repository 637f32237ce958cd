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

// MainFast is Main, with commands that end at once: the race detector makes a process
// wait for a second at its end, and these tests start many.
func MainFast(m *testing.M) {
	if _, set := os.LookupEnv("GORACE"); !set {
		_ = os.Setenv("GORACE", "atexit_sleep_ms=0")
	}
	Main(m)
}
