// Package recovery holds the acceptance tests of what Holdfast is for: every failed
// request is on disk, whole, before its client is told, and one command brings it to
// the app it was meant for, byte for byte and once.
//
//	accident_test.go   the accident three ways, and its repair
//	misrouted_test.go  the wrong app said yes; the wrong repair; behind a proxy
//	outcome_test.go    what is unknown, who left, and what needs no edge
//	durable_test.go    kill -9 under load
//	synced_test.go     the order of system calls: written, synced, answered
//	traffic_test.go    ten thousand requests of a real access log
//	idle_test.go       ten thousand idle connections
//	twice_test.go      two of everything: edges, ports, replays
//	reload_test.go     reloads under load, and the end of a process
//	disk_test.go       a full disk, and one that can only be read
//
// The apps here read from raw sockets with a reader of their own (wire_test.go), so
// that nothing between the socket and the comparison can tidy up what was sent.
package recovery

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/integration_test/edgetest"
)

func TestMain(m *testing.M) {
	// Programs built with the race detector sleep for a second before they end, and
	// these tests run very many of them.
	if os.Getenv("GORACE") == "" {
		_ = os.Setenv("GORACE", "atexit_sleep_ms=10")
	}
	edgetest.Main(m)
}

// seeded returns a source of randomness. Its seed is printed; HOLDFAST_SEED sets it.
func seeded(t testing.TB) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("HOLDFAST_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("HOLDFAST_SEED: %v", err)
		}
	}
	t.Logf("HOLDFAST_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, seed))
}

// sound fails the test if the edge's log tells of a bug in the edge.
func sound(t testing.TB, e *edgetest.Edge) {
	t.Helper()
	log := e.Log()
	for _, bad := range []string{"DATA RACE", "panic", "a bug:", "fatal error:"} {
		if at := strings.Index(log, bad); at >= 0 {
			t.Errorf("the log of the edge has %q:\n%s", bad, log[at:min(len(log), at+4000)])
		}
	}
}

// config is the text of a configuration: the listener, then the lines.
func config(format string, args ...any) string {
	return "listen: {http: ADDR}\n" + fmt.Sprintf(format, args...)
}
