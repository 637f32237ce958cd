package dataplane

import (
	"bufio"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A script is what the app does with a request whose head it has read. It returns
// whether the connection goes on. A script that needs the body reads it.
type script func(c *call) (keep bool)

// An app is a TCP server that reads requests strictly and plays, for each target, the
// script that the test gave it. Safe for concurrent use.
type app struct {
	addr string

	mu      sync.Mutex
	ln      net.Listener // nil while it is down
	scripts map[string]script
	got     map[string][]*message // requests by target, also those cut short
	conns   map[net.Conn]bool
	opened  int
	wg      sync.WaitGroup
}

// A call is one request on its way through a script.
type call struct {
	net.Conn
	app *app
	br  *bufio.Reader
	req *message
	nth int // 1 for the first request on the connection
}

// newApp listens on a loopback port until the test ends.
func newApp(t testing.TB) *app {
	t.Helper()
	a := &app{addr: "127.0.0.1:0", scripts: map[string]script{}, got: map[string][]*message{}, conns: map[net.Conn]bool{}}
	a.up(t)
	t.Cleanup(func() { a.down(); a.wg.Wait() })
	return a
}

// up listens, on the same address as before.
func (a *app) up(t testing.TB) {
	t.Helper()
	ln, err := net.Listen("tcp", a.addr)
	if err != nil {
		t.Fatal(err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ln, a.addr = ln, ln.Addr().String()
	a.wg.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			a.mu.Lock()
			a.conns[nc] = true
			a.opened++
			a.wg.Go(func() { a.serve(nc) })
			a.mu.Unlock()
		}
	})
}

// down refuses connections and closes those that are open.
func (a *app) down() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ln != nil {
		_ = a.ln.Close()
		a.ln = nil
	}
	for c := range a.conns {
		_ = c.Close()
	}
}

// on plays s for requests to the target, query excluded.
func (a *app) on(target string, s script) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.scripts[target] = s
}

// requests returns what came for the target, in order, also what was cut short.
func (a *app) requests(target string) []*message {
	a.mu.Lock()
	defer a.mu.Unlock()
	var got []*message
	for _, m := range a.got[target] {
		c := *m // it may still be arriving
		got = append(got, &c)
	}
	return got
}

// connections counts those that were opened to the app so far.
func (a *app) connections() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.opened
}

func (a *app) serve(nc net.Conn) {
	defer func() {
		_ = nc.Close()
		a.mu.Lock()
		delete(a.conns, nc)
		a.mu.Unlock()
	}()
	br := bufio.NewReader(nc)
	for nth := 1; ; nth++ {
		_ = nc.SetDeadline(time.Now().Add(2 * patience))
		req, err := readHead(br)
		if err != nil {
			return
		}
		target, _, _ := strings.Cut(req.word(1), "?")
		a.mu.Lock()
		s := a.scripts[target]
		a.got[target] = append(a.got[target], req)
		a.mu.Unlock()
		if s == nil {
			s = answerOK
		}
		if !s(&call{nc, a, br, req, nth}) {
			return
		}
	}
}

// readBody reads the request's body into the message.
func (c *call) readBody() {
	m := *c.req
	m.readBody(c.br, "")
	c.app.mu.Lock()
	defer c.app.mu.Unlock()
	*c.req = m
}

// write sends an answer. That the edge has gone away is no fault here.
func (c *call) write(parts ...string) {
	_, _ = io.WriteString(c, strings.Join(parts, ""))
}

// untilClosed waits until the edge closes the connection and reports when, or the zero
// time if it has not done so within the limit.
func (c *call) untilClosed(limit time.Duration) time.Time {
	_ = c.SetReadDeadline(time.Now().Add(limit))
	for {
		if _, err := c.br.Discard(1); err != nil {
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				return time.Time{}
			}
			return time.Now()
		}
	}
}

// reset closes the connection with a RST.
func (c *call) reset() bool {
	_ = c.Conn.(*net.TCPConn).SetLinger(0)
	return false
}

// answerOK reads the request and answers 200 with its body.
func answerOK(c *call) bool {
	c.readBody()
	if c.req.err != nil {
		return false
	}
	body := string(c.req.body)
	if c.req.word(0) == "HEAD" {
		body = ""
	}
	c.write("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ", strconv.Itoa(len(c.req.body)), "\r\n\r\n", body)
	return true
}

// raw reads the request and answers with the bytes as they are.
func raw(keep bool, answer ...string) script {
	return func(c *call) bool {
		c.readBody()
		c.write(answer...)
		return keep
	}
}
