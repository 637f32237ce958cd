package recovery

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/integration_test/edgetest"
)

// Many idle keep-alive connections, and a normal client beside them.
func TestIdleConnections(t *testing.T) {
	count := edgetest.Size(1500, 10_000)
	needFiles(t, uint64(count)+500)
	queue := newApp(t)
	e := edgetest.Start(t, config(`
apps: {queue: %q}
sites:
  - {hosts: [queue.example.com], app: queue}
limits: {idle_timeout: 10m}
`, queue.URL))
	defer sound(t, e)
	get := &request{method: "GET", target: "/", fields: []field{{"Host", " queue.example.com"}}}
	before := e.Resident()

	idle := make([]*client, count)
	var wg sync.WaitGroup
	const workers = 16
	for k := range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := k; i < count; i += workers {
				idle[i] = &client{addr: e.Addr, from: fmt.Sprintf("127.0.1.%d", 1+k)}
				err := idle[i].connect()
				if err == nil && i%4 != 0 { // a quarter never says anything
					_, err = idle[i].do(get, nil)
				}
				if err != nil {
					t.Errorf("connection %d: %v", i, err)
					return
				}
			}
		}()
	}
	wg.Wait()
	defer func() {
		for _, c := range idle {
			if c != nil {
				c.close()
			}
		}
	}()
	if t.Failed() {
		t.FailNow()
	}
	// Connections are parked after two seconds, and memory is given back when most are.
	time.Sleep(time.Duration(edgetest.Size(1, 8)) * time.Second)
	after := e.Resident()
	if edgetest.Full() && after > 60<<20 {
		t.Errorf("%d idle connections: %.1f MiB resident, want at most 60", count, float64(after)/(1<<20))
	}

	normal := &client{addr: e.Addr}
	defer normal.close()
	var took []time.Duration
	for range 300 {
		began := time.Now()
		if a, err := normal.do(get, nil); err != nil || a.status != 200 {
			t.Fatalf("the normal client: %v, %+v", err, a)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	t.Logf("%d idle connections: %.1f MiB resident, %.1f MiB before; %.1f KiB each. A normal client waits %v, p99 %v",
		count, float64(after)/(1<<20), float64(before)/(1<<20), float64(after-before)/1024/float64(count), took[len(took)/2], took[len(took)*99/100])
	if p99 := took[len(took)*99/100]; p99 > 2*time.Second {
		t.Errorf("the normal client waits %v", p99)
	}
	// Idle is not dead.
	for i := 0; i < count; i += 50 {
		if a, err := idle[i].do(get, nil); err != nil || a.status != 200 || idle[i].dials != 1 {
			t.Fatalf("idle connection %d, %d dials: %v, %+v", i, idle[i].dials, err, a)
		}
	}
	// And all of them end when the edge does.
	e.Stop()
	for i := 0; i < count; i += 50 {
		_ = idle[i].nc.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := idle[i].r.ReadByte(); err != io.EOF {
			t.Errorf("connection %d after the end of the edge: %v", i, err)
		}
	}
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

// dialed is a connection that is used by hand.
func dialed(t *testing.T, addr string) (net.Conn, *bufio.Reader) {
	t.Helper()
	nc, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(patience))
	return nc, bufio.NewReader(nc)
}
