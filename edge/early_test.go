package edge

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/accesslog"
)

// A client that uploads slowly gets the app's early failure, whole, when the time
// for the rest of its body is over; the record says that the body is not.
func TestEarlyFailureReachesASlowUpload(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = io.WriteString(c, "HTTP/1.1 413 No\r\nContent-Length: 20000\r\n\r\n")
		time.Sleep(100 * time.Millisecond)
		_, _ = io.WriteString(c, strings.Repeat("n", 20000))
		_, _ = io.Copy(io.Discard, c)
	}()
	t.Cleanup(func() { _ = ln.Close(); <-done })
	config := fmt.Sprintf("apps: {a: \"http://%s\"}\nsites: [{hosts: [a.test], app: a}]\nlimits: {body_timeout: 500ms}\n", ln.Addr())
	_, addr, data := startEdge(t, config, func(s *accesslog.Store) Store { return s })
	_, r := ask(t, addr, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 200000\r\n\r\n"+strings.Repeat("x", 1000))
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != 413 {
		t.Fatalf("%v %v", resp, err)
	}
	if body, err := io.ReadAll(resp.Body); err != nil || len(body) != 20000 {
		t.Errorf("%d bytes, %v", len(body), err)
	}
	reader, err := accesslog.OpenReader(data)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	_, err = reader.Scan(t.Context(), accesslog.Filter{}, func(e *accesslog.Entry) error {
		n++
		if e.Outcome != accesslog.Upstream4xx || e.Body.Complete {
			t.Errorf("%+v", e)
		}
		return nil
	})
	if err != nil || n != 1 {
		t.Errorf("%d records, %v", n, err)
	}
}

// An answer that comes before a large body was read is not lost to a reset.
func TestAnswerBeforeALargeBody(t *testing.T) {
	_, addr, _ := startEdge(t, fmt.Sprintf(siteText, failingApp(t)), func(s *accesslog.Store) Store { return s })
	for host, status := range map[string]int{"a.test": 413, "unknown.test": 421, "local.test": 413} {
		for range 3 {
			const size = 8 << 20
			req, _ := http.NewRequest("POST", "http://"+addr+"/x", io.LimitReader(zeros{}, size))
			req.Host, req.ContentLength = host, size
			transport := &http.Transport{}
			resp, err := transport.RoundTrip(req)
			if err != nil || resp.StatusCode != status {
				t.Errorf("%s: %v %v", host, resp, err)
			} else {
				_ = resp.Body.Close()
			}
			transport.CloseIdleConnections()
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }
