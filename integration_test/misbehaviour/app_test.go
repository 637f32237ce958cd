package misbehaviour

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A script is what an app does with a request whose head it has read. It returns
// whether the connection goes on.
type script func(c *call) (keep bool)

// A call is one request on its way through a script.
type call struct {
	net.Conn
	req *http.Request
}

// An app is a TCP server that plays a script for each path, and gives an ordinary answer
// for all others.
type app struct {
	addr string
	ln   net.Listener
	wg   sync.WaitGroup

	mu      sync.Mutex
	scripts map[string]script
	conns   map[net.Conn]bool
}

// newApp listens on a loopback port until the test ends. One that is far away takes
// little ahead of what it reads, in segments of an Ethernet's size: connectTo says why.
func newApp(t testing.TB, far bool) *app {
	t.Helper()
	// What a peer does not read waits in the app, not in hundreds of megabytes of the kernel's.
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) {
			_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, 64<<10)
			if far {
				_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 8<<10)
				_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, 1460)
			}
		})
	}}
	ln, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &app{addr: ln.Addr().String(), ln: ln, scripts: map[string]script{}, conns: map[net.Conn]bool{}}
	a.wg.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			a.mu.Lock()
			a.conns[nc] = true
			a.wg.Go(func() { a.serve(nc) })
			a.mu.Unlock()
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		a.mu.Lock()
		for c := range a.conns {
			_ = c.Close()
		}
		a.mu.Unlock()
		a.wg.Wait()
	})
	return a
}

// on plays s for requests to the path.
func (a *app) on(path string, s script) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.scripts[path] = s
}

func (a *app) serve(nc net.Conn) {
	defer func() {
		_ = nc.Close()
		a.mu.Lock()
		delete(a.conns, nc)
		a.mu.Unlock()
	}()
	br := bufio.NewReader(nc)
	for {
		req, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		a.mu.Lock()
		s := a.scripts[req.URL.Path]
		a.mu.Unlock()
		if s == nil {
			s = echo
		}
		if !s(&call{nc, req}) {
			return
		}
		_, _ = io.Copy(io.Discard, req.Body)
	}
}

// page is what a GET is answered with.
var page = pattern(1 << 10)

// echo answers 200 with the request's body, or for a GET with page.
func echo(c *call) bool {
	body, err := io.ReadAll(c.req.Body)
	if err != nil {
		return false
	}
	if c.req.Method == "GET" {
		body = page
	}
	answer := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n", len(body))
	_, err = c.Write(append(answer, body...))
	return err == nil
}

// read reads the request's body to its end and reports how much there was.
func (c *call) read() (int64, error) { return io.Copy(io.Discard, c.req.Body) }

// write sends bytes of an answer. That the edge has gone away is told, no fault.
func (c *call) write(text string, body ...byte) bool {
	_, err := c.Write([]byte(text))
	if err == nil && len(body) > 0 {
		_, err = c.Write(body)
	}
	return err == nil
}

// raw reads the request, answers with the bytes as they are, and closes.
func raw(answer string) script {
	return func(c *call) bool {
		if _, err := c.read(); err == nil {
			c.write(answer)
		}
		return false
	}
}

// untilClosed waits until the edge closes the connection.
func (c *call) untilClosed(limit time.Duration) bool {
	_ = c.SetReadDeadline(time.Now().Add(limit))
	_, err := io.Copy(io.Discard, c.Conn)
	ne, ok := err.(net.Error)
	return !ok || !ne.Timeout()
}

// reset makes the close that follows a RST.
func (c *call) reset() bool {
	_ = c.Conn.(*net.TCPConn).SetLinger(0)
	return false
}
