package misbehaviour

import (
	"bytes"
	"fmt"
	"io"
	"testing"
	"time"
)

// slowRate is what a slow peer takes, in bytes a second: so little that one large write
// takes far longer than the time limits of the stage, as 128 KiB at 4 KB/s would with the
// default of 30 s.
const slowRate = 12_000

// TestSlowIsServed: limits.body_timeout and an app's response time are about progress. A
// client that reads slowly but steadily, and an app that does, are served to the end,
// however long one write of the edge's takes.
func TestSlowIsServed(t *testing.T) {
	t.Parallel()
	s := prepareStage(t, 3*time.Second)
	s.start()
	size := full(150_000, 500_000)
	body := pattern(size)
	s.bad.on("/slow/reader", func(c *call) bool {
		_, _ = c.read()
		c.write(fmt.Sprintf("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", size), body...)
		return false
	})
	s.bad.on("/slow/chunked", func(c *call) bool {
		_, _ = c.read()
		c.write(fmt.Sprintf("HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n", size), body...)
		c.write("\r\n0\r\n\r\n")
		return false
	})
	// Small pieces are flushed one by one, and a flush may have to wait for the client too.
	s.bad.on("/slow/pieces", func(c *call) bool {
		_, _ = c.read()
		c.write(fmt.Sprintf("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", size))
		for rest := body; len(rest) > 0; time.Sleep(10 * time.Millisecond) {
			n := min(1000, len(rest))
			if _, err := c.Write(rest[:n]); err != nil {
				return false
			}
			rest = rest[n:]
		}
		return false
	})
	for _, path := range []string{"/slow/reader", "/slow/chunked", "/slow/pieces"} {
		t.Run(path[1:], func(t *testing.T) {
			t.Parallel()
			c, err := connectTo(s.edge.Addr, 0, 8<<10)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := io.WriteString(c, request("GET", path, "quick.test")); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			resp, err := c.answer("GET")
			if err != nil {
				t.Fatal(err)
			}
			n, rate := size, slowRate
			if path == "/slow/pieces" { // the socket is full before it has read much
				n, rate = 40_000, slowRate/2
			}
			got, err := slowly(resp.Body, n, rate)
			if err != nil || !bytes.Equal(got, body) {
				t.Errorf("cut after %d of %d bytes and %v: %v", len(got), size, time.Since(start).Round(time.Millisecond), err)
			}
		})
	}
	t.Run("app", func(t *testing.T) {
		t.Parallel()
		s.far.on("/slow/app", func(c *call) bool {
			got, err := slowly(c.req.Body, size, slowRate)
			if err != nil || !bytes.Equal(got, body) {
				s.t.Errorf("the app got %d of %d bytes: %v", len(got), size, err)
			}
			c.write("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
			return false
		})
		c := s.dial()
		go func() {
			_, _ = c.Write([]byte(request("POST", "/slow/app", "far.test", fmt.Sprintf("Content-Length: %d", size)) + string(body)))
		}()
		start := time.Now()
		resp, err := c.answer("POST")
		if err != nil || resp.StatusCode != 200 {
			t.Errorf("after %v: %+v, %v", time.Since(start).Round(time.Millisecond), resp, err)
		}
	})
	t.Cleanup(func() {
		time.Sleep(200 * time.Millisecond)
		for _, r := range s.edge.Records("--path", "/slow") {
			if r.Outcome != "ok" || r.Status != 200 || !r.Body.Complete || r.Request.Method == "GET" && r.Size != int64(size) {
				t.Errorf("%s is recorded as %s %d (%s), complete %v, %d bytes of answer", r.Request.URI, r.Outcome, r.Status, r.Reason, r.Body.Complete, r.Size)
			}
		}
	})
}

// slowly reads all there is: n bytes at a rate in bytes a second, the rest as it comes.
func slowly(r io.Reader, n, rate int) ([]byte, error) {
	var got []byte
	p := make([]byte, rate/20)
	for {
		k, err := r.Read(p)
		got = append(got, p[:k]...)
		if err == io.EOF {
			return got, nil
		}
		if err != nil {
			return got, err
		}
		if len(got) < n {
			time.Sleep(time.Duration(k) * time.Second / time.Duration(rate))
		}
	}
}
