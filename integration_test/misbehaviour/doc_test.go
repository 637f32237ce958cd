// Package misbehaviour puts a real edge process among clients and apps that behave
// badly, many at a time, while a normal client beside them asks at a fixed rate: it must
// be served, nearly as fast as before; the edge must hold no more than its limits
// allow; when it is over everything must be given back; and each request must be in the
// log with what became of it.
//
//	visitor_test.go      the normal client
//	stage_test.go        an edge, two apps, and the visitor
//	app_test.go          an app that plays scripts
//	storm_test.go        how a kind of misbehaviour is run and judged
//	clients_test.go      clients that misbehave
//	leavers_test.go      clients that leave, in every state
//	apps_test.go         apps that misbehave
//	answers_test.go      answers that are none
//	slow_test.go         clients and apps that are merely slow, which is no fault
//	settled_test.go      uploads that go on after their answer
//	declared_test.go     bodies that are announced and do not come
//	descriptors_test.go  an edge that is out of descriptors
//	stop_test.go         tunnels and requests that hang, when the edge stops
//	halfclose_test.go    clients that end their side and want to hear the rest
//	soak_test.go         everything at full speed, and what is left of it
//
// HOLDFAST_TORTURE=full runs the sizes that are promised, without the race detector;
// HOLDFAST_SEED repeats a run's choices.
package misbehaviour

import (
	"math/rand/v2"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/integration_test/edgetest"
)

func TestMain(m *testing.M) { edgetest.MainFast(m) }

// patience is how long anything is waited for that must come: far above every limit
// under test, so that a slow machine is not taken for a fault.
const patience = 30 * time.Second

// seed prints the seed of a test; HOLDFAST_SEED sets it.
func seed(t testing.TB) uint64 {
	t.Helper()
	n := uint64(time.Now().UnixNano())
	if text := os.Getenv("HOLDFAST_SEED"); text != "" {
		var err error
		if n, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("HOLDFAST_SEED: %v", err)
		}
	}
	t.Logf("HOLDFAST_SEED=%d", n)
	return n
}

// random is a source of its own for the i-th actor of a test.
func random(seed uint64, i int) *rand.Rand { return rand.New(rand.NewPCG(seed, uint64(i))) }

// full returns one of two values, as edgetest.Size does.
func full[T any](small, full T) T {
	if edgetest.Full() {
		return full
	}
	return small
}

// needFiles skips the test if this process can't have as many descriptors.
func needFiles(t *testing.T, n uint64) {
	t.Helper()
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		t.Skipf("RLIMIT_NOFILE: %v", err)
	}
	if r.Cur >= n {
		return
	}
	r.Cur, r.Max = n, max(r.Max, n)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		t.Skipf("this process may have %d descriptors, and the test needs %d: %v", r.Max, n, err)
	}
}

// pattern is n bytes that tell their place, so that a shift shows.
func pattern(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEF\r\n"[(i+i/997)%44]
	}
	return p
}
