package edge

import (
	"bytes"
	"fmt"
	"net"
	"runtime"
	"testing"

	"github.com/holdfast-edge/holdfast/accesslog"
)

// constantApp answers every request with the same bytes and allocates nothing.
func constantApp(t testing.TB, bodyLength int, answer string) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer nc.Close()
				buf, have, whole := make([]byte, 16<<10), 0, []byte(answer)
				for {
					n, err := nc.Read(buf[have:])
					if err != nil {
						return
					}
					have += n
					head := bytes.Index(buf[:have], []byte("\r\n\r\n"))
					if head < 0 || have < head+4+bodyLength {
						continue
					}
					have = 0
					if _, err := nc.Write(whole); err != nil {
						return
					}
				}
			}()
		}
	}()
	return ln.Addr().String()
}

// TestNoAllocations is the gate on the hot path: a request that is forwarded,
// answered and logged leaves no garbage behind.
func TestNoAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	const rounds = 4000
	body := bytes.Repeat([]byte("b"), 512)
	head := "Host: a.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0\r\nAccept: */*\r\nReferer: https://a.example/x\r\n"
	tests := []struct {
		name, request, config string
	}{
		{"GET", "GET /visit?x=1 HTTP/1.1\r\n" + head + "\r\n", ""},
		{"POST", "POST /visit HTTP/1.1\r\n" + head + "Content-Type: application/json\r\nContent-Length: 512\r\n\r\n" + string(body), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			answer := "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1024\r\n\r\n" + string(bytes.Repeat([]byte("x"), 1024))
			length := 0
			if tt.name == "POST" {
				length = len(body)
			}
			app := constantApp(t, length, answer)
			_, addr, _ := startEdge(t, fmt.Sprintf("apps: {a: \"http://%s\"}\nsites: [{hosts: [a.example], app: a}]\n", app),
				func(s *accesslog.Store) Store { return s })
			nc, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			request := []byte(tt.request)
			buf := make([]byte, 8<<10)
			visit := func() {
				if _, err := nc.Write(request); err != nil {
					t.Fatal(err)
				}
				for have := 0; ; {
					n, err := nc.Read(buf[have:])
					if err != nil {
						t.Fatal(err)
					}
					have += n
					if i := bytes.Index(buf[:have], []byte("\r\n\r\n")); i > 0 && have >= i+4+1024 {
						return
					}
				}
			}
			for range 500 {
				visit()
			}
			// Once a second or so a Date line is made, a pool refilled after a
			// collection, the log's timer reset: the least of three is ours.
			least := uint64(1 << 62)
			for range 3 {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				for range rounds {
					visit()
				}
				runtime.ReadMemStats(&after)
				least = min(least, after.Mallocs-before.Mallocs)
			}
			t.Logf("%d allocations in %d requests", least, rounds)
			if least > rounds/20 {
				t.Errorf("%d allocations in %d requests", least, rounds)
			}
		})
	}
}
