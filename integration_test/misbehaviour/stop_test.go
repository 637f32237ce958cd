package misbehaviour

import (
	"fmt"
	"io"
	"syscall"
	"testing"
	"time"
)

// TestTunnelsAtTheEnd: tunnels never end by themselves. When the edge stops, requests
// under way are finished, and tunnels end with the last of them, not with the time there
// is for it: a restart with a WebSocket open must not take half a minute.
func TestTunnelsAtTheEnd(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.bad.on("/tunnel", func(c *call) bool {
		c.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_, _ = io.Copy(c, c.Conn)
		return false
	})
	s.bad.on("/slow", func(c *call) bool {
		_, _ = c.read()
		time.Sleep(3 * time.Second)
		c.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")
		return false
	})
	tunnels := make([]*client, 20)
	for i := range tunnels {
		c := s.dial()
		tunnels[i] = c
		if _, err := io.WriteString(c, request("GET", "/tunnel", "patient.test", "Connection: Upgrade", "Upgrade: echo")); err != nil {
			t.Fatal(err)
		}
		if resp, err := c.answer("GET"); err != nil || resp.StatusCode != 101 {
			t.Fatalf("%+v, %v", resp, err)
		}
		if err := c.echo("hello"); err != nil {
			t.Fatal(err)
		}
	}
	slow := s.dial()
	if _, err := io.WriteString(slow, request("GET", "/slow", "patient.test")); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond)
	start := time.Now()
	s.edge.Signal(syscall.SIGTERM)
	time.Sleep(time.Second)
	if err := tunnels[0].echo("still there"); err != nil {
		t.Errorf("a tunnel while another request is finished: %v", err)
	}
	resp, err := slow.answer("GET")
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("the request under way: %+v, %v", resp, err)
	}
	if p, err := io.ReadAll(resp.Body); err != nil || string(p) != "late" {
		t.Errorf("the request under way: %q, %v", p, err)
	}
	if code := s.edge.Wait(40 * time.Second); code != 0 {
		t.Errorf("exit %d", code)
	}
	if d := time.Since(start); d > 12*time.Second {
		t.Errorf("with idle tunnels it took %v to stop", d.Round(100*time.Millisecond))
	}
	for _, c := range tunnels {
		if p, err := io.ReadAll(c.br); err != nil || len(p) > 0 {
			t.Errorf("a tunnel ended with %q, %v", p, err)
		}
	}
	records := s.edge.Records("--path", "/tunnel")
	if len(records) != len(tunnels) {
		t.Errorf("%d records of %d tunnels", len(records), len(tunnels))
	}
	for _, r := range records {
		if r.Outcome != "ok" || r.Status != 101 || r.Size < 5 {
			t.Errorf("a tunnel is recorded as %s %d (%s), %d bytes", r.Outcome, r.Status, r.Reason, r.Size)
		}
	}
}

// echo sends the text through a tunnel and wants it back.
func (c *client) echo(text string) error {
	if _, err := io.WriteString(c, text); err != nil {
		return err
	}
	p := make([]byte, len(text))
	if _, err := io.ReadFull(c.br, p); err != nil || string(p) != text {
		return fmt.Errorf("%q came back, %w", p, err)
	}
	return nil
}

// TestCutShort: a second signal does not wait for requests that hang, whatever state they
// are in: all of them end at once, and are recorded with what had come of them.
func TestCutShort(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.bad.on("/hangs", func(c *call) bool { _, _ = c.read(); c.untilClosed(patience); return false })
	s.bad.on("/stops", func(c *call) bool {
		_, _ = c.read()
		c.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")
		c.untilClosed(patience)
		return false
	})
	small := request("POST", "/hangs", "patient.test", "Content-Length: 5") + "hello"
	large := request("POST", "/hangs", "patient.test", "Content-Length: 100000") + string(pattern(100_000))
	const each = 10
	for range each {
		for _, text := range []string{small, large, request("GET", "/stops", "patient.test")} {
			if _, err := io.WriteString(s.dial(), text); err != nil {
				t.Fatal(err)
			}
		}
	}
	for end := time.Now().Add(patience); s.vitals().Connections < 3*each && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}
	time.Sleep(500 * time.Millisecond)
	s.edge.Signal(syscall.SIGTERM)
	time.Sleep(500 * time.Millisecond)
	start := time.Now()
	s.edge.Signal(syscall.SIGTERM)
	s.edge.Wait(40 * time.Second)
	if d := time.Since(start); d > 8*time.Second {
		t.Errorf("after a second signal it took %v to stop", d.Round(100*time.Millisecond))
	}
	records := s.edge.Records()
	for _, r := range records {
		if r.Outcome != "client_abort" || r.Status != 499 || !r.Body.Complete {
			t.Errorf("%s %s is recorded as %s %d (%s), complete %v", r.Request.Method, r.Request.URI, r.Outcome, r.Status, r.Reason, r.Body.Complete)
		}
	}
	if len(records) != 3*each {
		t.Errorf("%d records of %d requests", len(records), 3*each)
	}
}
