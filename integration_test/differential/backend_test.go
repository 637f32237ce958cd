package differential

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/integration_test/differential/rfc"
)

// backend stands behind a proxy and keeps what arrives, read by the reference. It answers
// every request and asks for the connection to be closed.
type backend struct {
	ln   net.Listener
	wg   sync.WaitGroup
	mu   sync.Mutex
	idle *sync.Cond
	open int
	got  []*rfc.Message // complete
	odd  []string       // what the reference refuses, or is behind a message
}

// startBackend listens on a socket in the file system until the test ends.
func startBackend(t *testing.T, path string) *backend {
	t.Helper()
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	b := &backend{ln: ln}
	b.idle = sync.NewCond(&b.mu)
	b.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			b.mu.Lock()
			b.open++
			b.mu.Unlock()
			b.wg.Go(func() { b.serve(c) })
		}
	})
	t.Cleanup(func() { ln.Close(); b.wg.Wait() })
	return b
}

func (b *backend) serve(c net.Conn) {
	defer func() {
		c.Close()
		b.mu.Lock()
		b.open--
		b.mu.Unlock()
		b.idle.Broadcast()
	}()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	var all []byte
	at, buf := 0, make([]byte, 8<<10)
	answered := false
	for {
		n, err := c.Read(buf)
		all = append(all, buf[:n]...)
		if err != nil {
			break
		}
		if answered {
			continue
		}
		if string(all) == knock {
			return
		}
		m := rfc.ReadRequest(string(all))
		switch m.Fate {
		case rfc.Incomplete:
			continue
		case rfc.Read:
			at = m.Size
			b.mu.Lock()
			b.got = append(b.got, m)
			b.mu.Unlock()
		case rfc.Refused:
			at = len(all)
			b.mu.Lock()
			b.odd = append(b.odd, m.Why+": "+string(all))
			b.mu.Unlock()
		}
		answered = true
		status := "200 OK"
		if m.Fate != rfc.Read || m.Method == "CONNECT" { // 200 would begin a tunnel
			status = "405 Method Not Allowed"
		}
		if _, err := io.WriteString(c, "HTTP/1.1 "+status+"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"); err != nil {
			break
		}
	}
	if answered && at < len(all) {
		b.mu.Lock()
		b.odd = append(b.odd, "bytes behind the message: "+string(all))
		b.mu.Unlock()
	}
}

// knock is what a connection of the test's own says.
const knock = "knock\n"

// take waits until no connection is open and returns what has arrived since the last time.
// A proxy may have connected and given up before the connection was accepted, so the test
// knocks first: connections are accepted in the order they were made.
func (b *backend) take() (got []*rfc.Message, odd []string) {
	if c, err := net.Dial("unix", b.ln.Addr().String()); err == nil {
		_, _ = io.WriteString(c, knock)
		_, _ = c.Read(make([]byte, 1))
		c.Close()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.open > 0 {
		b.idle.Wait()
	}
	got, odd = b.got, b.odd
	b.got, b.odd = nil, nil
	return got, odd
}
