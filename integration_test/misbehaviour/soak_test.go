package misbehaviour

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/integration_test/edgetest"
)

// soakScript makes wrk ask for a mixture: mostly small pages and posts, some answers that
// are failures, some large ones, some large bodies.
const soakScript = `
local n = 0
local post = string.rep("p", 512)
local large = string.rep("u", 200000)
local type = {["Host"] = "quick.test", ["Content-Type"] = "text/plain"}
request = function()
  n = n + 1
  local k = n % 20
  if k < 11 then return wrk.format("GET", "/soak/page", type) end
  if k < 16 then return wrk.format("POST", "/soak/post", type, post) end
  if k < 18 then return wrk.format("POST", "/soak/fail", type, post) end
  if k < 19 then return wrk.format("GET", "/soak/large", type) end
  return wrk.format("POST", "/soak/upload", type, large)
end
`

// TestSoak: everything at once and at full speed, with clients among it that leave. What
// the edge holds does not grow with time: the second half of the run holds no more
// than the first.
func TestSoak(t *testing.T) {
	t.Parallel()
	wrk, err := exec.LookPath("wrk")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("wrk is not installed: make install-tools")
		}
		t.Skip("wrk is not installed: make install-tools")
	}
	length, every := full(12*time.Second, 4*time.Minute), full(400*time.Millisecond, 2*time.Second)
	s := newStage(t)
	page, large := pattern(1024), pattern(256<<10)
	answers := map[string][]byte{
		"page": fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(page), page), "post": []byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
		"fail": []byte("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 2\r\n\r\nno"), "upload": []byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
		"large": fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(large), large),
	}
	for path, text := range answers {
		s.bad.on("/soak/"+path, func(c *call) bool {
			_, err := c.read()
			return err == nil && c.write("", text...)
		})
	}
	script := filepath.Join(t.TempDir(), "soak.lua")
	if err := os.WriteFile(script, []byte(soakScript), 0o600); err != nil {
		t.Fatal(err)
	}
	before := s.vitals()
	load := exec.Command(wrk, "-t", "2", "-c", "32", "-d", strconv.Itoa(int(length.Seconds()))+"s", "--timeout", "10s", "-s", script, s.edge.URL)
	var out strings.Builder
	load.Stdout, load.Stderr = &out, &out
	if err := load.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- load.Wait() }()
	stop := make(chan struct{})
	var left atomic.Int64
	var wg sync.WaitGroup
	from := seed(t)
	for i := range 4 {
		wg.Go(func() { leaveAgainAndAgain(s, random(from, i), stop, &left) })
	}

	var seen []edgetest.Vitals
	for begun := time.Now(); len(ended) == 0; time.Sleep(every) {
		if time.Since(begun) > length/6 { // until then it warms up
			seen = append(seen, s.vitals())
		}
	}
	close(stop)
	wg.Wait()
	if err := <-ended; err != nil {
		t.Fatalf("wrk: %v\n%s", err, out.String())
	}
	t.Logf("%d clients left\n%s", left.Load(), out.String())
	if m := regexp.MustCompile(`(\d+) requests in`).FindStringSubmatch(out.String()); m == nil || len(m[1]) < 3 {
		t.Errorf("wrk made no requests:\n%s", out.String())
	}
	if strings.Contains(out.String(), "Socket errors") {
		t.Errorf("wrk saw errors:\n%s", out.String())
	}
	noTrend(t, seen)
	t.Logf("before: %v", before)
	t.Logf("after:  %v", s.settle(t, before, 32+4+visitorConns, patience))
	// Each failure that a client was told has its record, and nothing else has failed.
	told := 0
	if m := regexp.MustCompile(`Non-2xx or 3xx responses: (\d+)`).FindStringSubmatch(out.String()); m != nil {
		told, _ = strconv.Atoi(m[1])
	}
	if n := len(s.edge.Records("--path", "/soak/fail", "--outcome", "upstream_5xx")); n < told || told == 0 {
		t.Errorf("%d failures are recorded, %d were told", n, told)
	}
	for i, r := range s.edge.Records("--path", "/soak/", "--outcome", "upstream_down,timeout,no_route,rejected,upstream_4xx") {
		if i < 5 {
			t.Errorf("recorded as %s %d (%s): %s", r.Outcome, r.Status, r.Reason, r.Request.URI)
		}
	}
	if !edgetest.Full() {
		return
	}
	// The runtime collects after two minutes at the latest, and gives back what is free.
	// Idle connections to apps have ended by then.
	time.Sleep(150 * time.Second)
	rest := s.settle(t, before, visitorConns, patience)
	t.Logf("at rest: %v", rest)
	if bound := before.Resident + slack; rest.Resident > bound {
		t.Errorf("at rest the edge holds %.1f MiB, %.1f MiB before", float64(rest.Resident)/(1<<20), float64(before.Resident)/(1<<20))
	}
}

// noTrend compares the second half of what was seen with the first.
func noTrend(t *testing.T, seen []edgetest.Vitals) {
	t.Helper()
	if len(seen) < 6 {
		t.Fatalf("only %d looks at the edge", len(seen))
	}
	for _, q := range []struct {
		name  string
		of    func(v edgetest.Vitals) int64
		slack int64
		unit  string
		scale float64
	}{
		{"descriptors", func(v edgetest.Vitals) int64 { return int64(v.Descriptors) }, 16, "", 1},
		{"goroutines", func(v edgetest.Vitals) int64 { return int64(v.Goroutines) }, 16, "", 1},
		{"threads", func(v edgetest.Vitals) int64 { return int64(v.Threads) }, full[int64](8, 4), "", 1},
		{"resident", func(v edgetest.Vitals) int64 { return v.Resident }, full[int64](64<<20, 8<<20), " MiB", 1 << 20},
		{"heap", func(v edgetest.Vitals) int64 { return v.Heap }, full[int64](16<<20, 4<<20), " MiB", 1 << 20},
	} {
		values := make([]int64, len(seen))
		for i, v := range seen {
			values[i] = q.of(v)
		}
		half := len(values) / 2
		first, second := median(values[:half]), median(values[len(values)-half:])
		t.Logf("%s: median %.1f%s in the first half, %.1f%s in the second, %.1f%s at most", q.name, float64(first)/q.scale, q.unit,
			float64(second)/q.scale, q.unit, float64(slices.Max(values))/q.scale, q.unit)
		if second > first+first/10+q.slack {
			t.Errorf("%s grow: %.1f%s, then %.1f%s", q.name, float64(first)/q.scale, q.unit, float64(second)/q.scale, q.unit)
		}
	}
}

func median(values []int64) int64 {
	values = slices.Sorted(slices.Values(values))
	return values[len(values)/2]
}

// leaveAgainAndAgain connects and goes away in the middle of something, until stop.
func leaveAgainAndAgain(s *stage, rng *rand.Rand, stop <-chan struct{}, left *atomic.Int64) {
	upload := request("POST", "/soak/upload", "quick.test", "Content-Length: 200000")
	for {
		select {
		case <-stop:
			return
		case <-time.After(time.Duration(rng.IntN(40)) * time.Millisecond):
		}
		c, err := connectTo(s.edge.Addr, rng.IntN(64), 0)
		if err != nil {
			continue // the machine's ports are used up; the others go on
		}
		switch rng.IntN(4) {
		case 0: // in the body
			_, _ = io.WriteString(c, upload+strings.Repeat("u", rng.IntN(150_000)))
		case 1: // while the answer comes
			_, _ = io.WriteString(c, request("GET", "/soak/large", "quick.test"))
			_, _ = io.ReadFull(c.br, make([]byte, rng.IntN(100_000)))
		case 2: // in the head
			_, _ = io.WriteString(c, upload[:rng.IntN(len(upload))])
		case 3: // before it begins
		}
		if rng.IntN(2) == 0 {
			c.reset()
		}
		_ = c.Close()
		left.Add(1)
	}
}
