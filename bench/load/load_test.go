//go:build linux

package load

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseWrk(t *testing.T) {
	const out = "Running 1s test @ http://127.0.0.1:80/\n  2 threads and 64 connections\nRequests/sec: 1\n" +
		`holdfast-bench {"requests":1200,"duration":3000123,"bytes":99,"failures":1,"status":2,"p50":1500,"p99":7000,"p999":12345}` + "\n"
	got, err := parseWrk(out)
	want := Result{Requests: 1200, Duration: 3000123 * time.Microsecond, Bytes: 99, Failures: 1, Status: 2,
		P50: 1500 * time.Microsecond, P99: 7 * time.Millisecond, P999: 12345 * time.Microsecond}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for _, bad := range []string{"", "Requests/sec: 1\n", mark, mark + "{\n", mark + `{"requests":0}` + "\n"} {
		if got, err := parseWrk(bad); err == nil {
			t.Errorf("%q: %+v", bad, got)
		}
	}
}

func TestWire(t *testing.T) {
	for _, c := range []struct {
		r      Request
		head   string
		addr   string
		secure bool
	}{
		{Request{URL: "http://127.0.0.1:81/1k", Host: "h"}, "GET /1k HTTP/1.1\r\nHost: h\r\nUser-Agent: " + userAgent + "\r\n\r\n", "127.0.0.1:81", false},
		{Request{URL: "https://localhost:82/ok", Host: "h", Method: "POST", Body: "four", Close: true},
			"POST /ok HTTP/1.1\r\nHost: h\r\nUser-Agent: " + userAgent + "\r\nContent-Type: application/json\r\nContent-Length: 4\r\nConnection: close\r\n\r\n", "127.0.0.1:82", true},
	} {
		head, addr, secure, err := c.r.wire()
		if string(head) != c.head || addr != c.addr || secure != c.secure || err != nil {
			t.Errorf("%+v: %q, %s, %v, %v", c.r, head, addr, secure, err)
		}
	}
}

func TestAnswerSize(t *testing.T) {
	const answer = "HTTP/1.1 502 Bad Gateway\r\nServer: x\r\ncontent-length:  5 \r\nDate: y\r\n\r\nhello"
	for i := range len(answer) - len("hello") {
		if _, size, err := answerSize([]byte(answer[:i])); size != -1 || err != nil {
			t.Fatalf("%q: %d, %v", answer[:i], size, err)
		}
	}
	if status, size, err := answerSize([]byte(answer)); status != 502 || size != int64(len(answer)) || err != nil {
		t.Errorf("%d, %d, %v", status, size, err)
	}
	for _, bad := range []string{"HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 2x0 OK\r\nContent-Length: 1\r\n\r\n", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n",
		"\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", strings.Repeat("x", 64<<10)} {
		if status, size, err := answerSize([]byte(bad)); err == nil {
			t.Errorf("%.40q: %d, %d", bad, status, size)
		}
	}
}

func TestSchedule(t *testing.T) {
	start := time.Now()
	s := schedule{start: start, interval: 10 * time.Millisecond, total: 3}
	for after, want := range map[time.Duration]int{
		-time.Second: 0, -1: 0, 0: 1, 9 * time.Millisecond: 1, 10 * time.Millisecond: 2, 20 * time.Millisecond: 3, time.Hour: 3,
	} {
		if got := s.before(start.Add(after)); got != want {
			t.Errorf("after %v %d are due, want %d", after, got, want)
		}
	}
	for i := range s.total { // both sides agree: what is due at its time is sent, and not before
		if at := s.due(i); s.before(at) != i+1 || s.before(at.Add(-1)) != i {
			t.Errorf("request %d: %d before, %d at its time", i, s.before(at.Add(-1)), s.before(at))
		}
	}
}

// serve is an app that answers every request that the handler lets through; its
// URL is returned.
func serve(t *testing.T, handler func(n int64)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	var count atomic.Int64
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				in := bufio.NewReader(c)
				for {
					var size int
					closes := false
					for {
						line, err := in.ReadString('\n')
						if err != nil {
							return
						}
						if line == "\r\n" {
							break
						}
						_, _ = fmt.Sscanf(line, "Content-Length: %d", &size)
						closes = closes || line == "Connection: close\r\n"
					}
					if _, err := io.CopyN(io.Discard, in, int64(size)); err != nil {
						return
					}
					n := count.Add(1)
					handler(n)
					status := "200 OK"
					if n%10 == 0 {
						status = "502 Bad Gateway"
					}
					if _, err := io.WriteString(c, "HTTP/1.1 "+status+"\r\nContent-Length: 2\r\n\r\nok"); err != nil || closes {
						return
					}
				}
			}()
		}
	}()
	return "http://" + ln.Addr().String() + "/"
}

func TestPaced(t *testing.T) {
	url := serve(t, func(int64) {})
	r, err := Paced{Connections: 8, Rate: 500}.Run(context.Background(), Request{URL: url, Host: "h", Body: "x", Method: "POST"}, 200*time.Millisecond)
	if err != nil || r.Requests != 100 || r.Status != 10 || r.Failures != 0 || r.P50 <= 0 || r.P999 < r.P50 {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestPacedCountsFromWhenItWasDue has an app that stalls once for 300 ms. With one
// connection, at 100 requests a second, thirty wait for it; a generator that
// waits with them would see one.
func TestPacedCountsFromWhenItWasDue(t *testing.T) {
	url := serve(t, func(n int64) {
		if n == 1 {
			time.Sleep(300 * time.Millisecond)
		}
	})
	r, err := Paced{Connections: 1, Rate: 100}.Run(context.Background(), Request{URL: url, Host: "h"}, 500*time.Millisecond)
	if err != nil || r.Requests != 50 {
		t.Fatalf("%+v, %v", r, err)
	}
	if r.P50 < 50*time.Millisecond {
		t.Errorf("half of the requests are said to have taken less than %v", r.P50)
	}
}

func TestPacedFails(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + ln.Addr().String() + "/"
	go func() {
		for c, err := ln.Accept(); err == nil; c, err = ln.Accept() {
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = ln.Close() })
	if r, err := (Paced{Connections: 2, Rate: 100}).Run(context.Background(), Request{URL: url, Host: "h"}, time.Second); err == nil {
		t.Errorf("an app that hangs up: %+v", r)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := (Paced{Connections: 2, Rate: 100}).Run(ctx, Request{URL: serve(t, func(int64) {}), Host: "h"}, time.Hour); err == nil {
		t.Error("it went on after it was told to end")
	}
}

func TestClosed(t *testing.T) {
	for name, q := range map[string]Request{
		"kept":         {Host: "h"},
		"one for each": {Host: "h", Close: true},
		"upload":       {Host: "h", Method: "POST", Body: strings.Repeat("b", 1<<20)},
	} {
		var seen atomic.Int64
		q.URL = serve(t, func(n int64) { seen.Store(max(n, seen.Load())) })
		r, err := Closed{Connections: 4}.Run(context.Background(), q, 100*time.Millisecond)
		if err != nil || r.Failures != 0 || r.Requests == 0 || r.Requests != seen.Load() || r.Status != r.Requests/10 || r.P99 < r.P50 || r.P50 <= 0 {
			t.Errorf("%s: %+v of %d, %v", name, r, seen.Load(), err)
		}
	}
}

func TestIdle(t *testing.T) {
	url := serve(t, func(int64) {})
	idle, err := OpenIdle(context.Background(), Request{URL: url, Host: "h"}, 9) // the tenth is 502
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	if n := idle.Alive(); n != 9 {
		t.Errorf("%d of 9 are open", n)
	}
	idle.clients[3].hangUp()
	idle.clients[3].conn = closedConn(t)
	if n := idle.Alive(); n != 8 {
		t.Errorf("%d of 8 are open", n)
	}
	if _, err := OpenIdle(context.Background(), Request{URL: url, Host: "h"}, 5); err == nil {
		t.Error("a 502 is taken for an answer")
	}
}

// closedConn is a connection that the other side has closed.
func closedConn(t *testing.T) net.Conn {
	t.Helper()
	a, b := net.Pipe()
	_ = b.Close()
	return a
}
