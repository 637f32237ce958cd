package misbehaviour

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// TestSettledUploads: an app has said yes, completely, before it had the whole request. A
// client that then sends at an ordinary pace is heard to the end, for longer than
// limits.body_timeout; one that sends a byte now and then does not hold its connections
// for ever.
func TestSettledUploads(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	const size = 3 << 20
	body := pattern(size)
	got := make(chan []byte, 1)
	s.bad.on("/settled", func(c *call) bool {
		c.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		p, _ := io.ReadAll(c.req.Body)
		if c.req.URL.RawQuery == "steady" {
			got <- p
		}
		return false
	})
	begin := func(t *testing.T, query string) *client {
		c := s.dial()
		head := request("POST", "/settled?"+query, "quick.test", fmt.Sprintf("Content-Length: %d", size))
		if _, err := io.WriteString(c, head+"0"); err != nil {
			t.Fatal(err)
		}
		resp, err := c.answer("POST")
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("%+v, %v", resp, err)
		}
		if p, err := io.ReadAll(resp.Body); err != nil || string(p) != "ok" {
			t.Fatalf("%q, %v", p, err)
		}
		return c
	}
	t.Run("steady", func(t *testing.T) {
		t.Parallel()
		c := begin(t, "steady")
		for rest := body[1:]; len(rest) > 0; time.Sleep(50 * time.Millisecond) { // 1 MB/s
			n := min(50_000, len(rest))
			if _, err := c.Write(rest[:n]); err != nil {
				t.Fatalf("%d bytes before the end: %v", len(rest), err)
			}
			rest = rest[n:]
		}
		select {
		case p := <-got:
			if !bytes.Equal(p, body) {
				t.Errorf("the app got %d of %d bytes", len(p), size)
			}
		case <-time.After(patience):
			t.Error("the app does not get it all")
		}
	})
	t.Run("trickled", func(t *testing.T) {
		t.Parallel()
		c := begin(t, "trickled")
		start := time.Now()
		const limit = bodyTimeout + 6*time.Second
		go func() {
			for {
				if _, err := c.Write([]byte("x")); err != nil {
					return
				}
				time.Sleep(bodyTimeout / 5)
			}
		}()
		_ = c.SetReadDeadline(start.Add(limit))
		if _, err := c.br.ReadByte(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after %v of a byte now and then the edge still listens: %v", limit, err)
		} else if op := (*net.OpError)(nil); err != io.EOF && !errors.As(err, &op) {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		time.Sleep(200 * time.Millisecond)
		for _, r := range s.edge.Records("--path", "/settled") {
			if whole := r.Request.URI == "/settled?steady"; r.Outcome != "ok" || r.Status != 200 || r.Body.Complete != whole {
				t.Errorf("%s is recorded as %s %d (%s), complete %v", r.Request.URI, r.Outcome, r.Status, r.Reason, r.Body.Complete)
			}
		}
	})
}
