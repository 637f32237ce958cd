package dataplane

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// patience is how long a client waits for anything. It is far above every limit under
// test, so that a slow machine is not taken for a fault.
const patience = 30 * time.Second

// A client is a raw connection to the edge.
type client struct {
	t testing.TB
	*net.TCPConn
	br *bufio.Reader
}

// dial connects to the edge; the connection ends with the test.
func dial(t testing.TB, addr string) *client {
	t.Helper()
	nc, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(patience))
	return &client{t, nc.(*net.TCPConn), bufio.NewReader(nc)}
}

// send writes all of it; the edge must take it.
func (c *client) send(parts ...string) {
	c.t.Helper()
	if _, err := io.WriteString(c, strings.Join(parts, "")); err != nil {
		c.t.Fatalf("sending: %v", err)
	}
}

// answer reads the next final answer, and keeps no interim one.
func (c *client) answer(method string) *message {
	c.t.Helper()
	m, _ := c.answers(method)
	return m
}

// answers reads the next final answer and the interim ones before it. A cut body is in
// the message's err; a missing or malformed head fails the test.
func (c *client) answers(method string) (final *message, interim []*message) {
	c.t.Helper()
	for {
		m, err := readHead(c.br)
		if err != nil {
			c.t.Fatalf("no answer: %v", err)
		}
		m.readBody(c.br, method)
		if s := m.status(); s/100 != 1 || s == 101 {
			return m, interim
		}
		interim = append(interim, m)
	}
}

// closed fails the test unless the edge closes the connection without another byte.
func (c *client) closed() {
	c.t.Helper()
	p, err := c.br.Peek(1)
	switch {
	case len(p) > 0:
		rest, _ := c.br.Peek(min(c.br.Buffered(), 200))
		c.t.Fatalf("the connection goes on with %q", rest)
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.t.Fatal("the connection is not closed")
	}
}

// reset closes the connection with a RST.
func (c *client) reset() {
	_ = c.SetLinger(0)
	_ = c.Close()
}

// request makes a head; each line is a field line.
func request(method, target, host string, lines ...string) string {
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\n", method, target, host)
	for _, l := range lines {
		head += l + "\r\n"
	}
	return head + "\r\n"
}

// post makes a whole POST with a Content-Length.
func post(target, host string, body []byte, lines ...string) string {
	return request("POST", target, host, append(lines, fmt.Sprintf("Content-Length: %d", len(body)))...) + string(body)
}
