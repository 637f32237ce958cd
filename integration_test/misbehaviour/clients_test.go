package misbehaviour

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// What one connection may cost the edge, in bytes.
const (
	idleCost   = 16 << 10                      // a goroutine and what it needs to know; no buffer
	headCost   = idleCost + 16<<10             // a small buffer for the head, one for the answer
	fatCost    = headCost + 128<<10            // a buffer for a head that is larger than a small one
	streamCost = headCost + 2*16<<10 + 128<<10 // the app's side, and one large buffer for a body
)

// TestSlowClients: clients that are slow or silent, while others are served.
func TestSlowClients(t *testing.T) {
	const trickle = 100 * time.Millisecond
	weather(t,
		storm{name: "silent", at: full(500, 5000), costs: idleCost,
			act: func(a *actor) error {
				c, err := a.dial(0)
				if err != nil {
					return err
				}
				defer a.drop(c)
				if p, err := io.ReadAll(c); err != nil || len(p) > 0 {
					return fmt.Errorf("a silent connection ended with %q, %v", p, err)
				}
				return nil
			}},
		storm{name: "slow heads", at: full(150, 1000), costs: headCost, outcomes: "rejected 408, client_abort 499",
			act: func(a *actor) error {
				c, err := a.dial(0)
				if err != nil {
					return err
				}
				defer a.drop(c)
				if err := a.send(c, "GET "+a.path+" HTTP/1.1\r\nHost: quick.test\r\nX-Slow: "); err != nil {
					return err
				}
				a.trickle(c, strings.Repeat("a", 100), trickle)
				return a.refused(c, 408)
			}},
		storm{name: "slow fat heads", at: full(50, 500), costs: fatCost, outcomes: "rejected 408, client_abort 499",
			act: func(a *actor) error {
				c, err := a.dial(0)
				if err != nil {
					return err
				}
				defer a.drop(c)
				if err := a.send(c, "GET "+a.path+" HTTP/1.1\r\nHost: quick.test\r\nX-Fat: "+strings.Repeat("f", 20<<10)); err != nil {
					return err
				}
				a.trickle(c, strings.Repeat("a", 100), trickle)
				return a.refused(c, 408)
			}},
		storm{name: "slow bodies", at: full(150, 1000), costs: streamCost, outcomes: "-client_abort 499",
			act: func(a *actor) error { // bytes come, so that no time limit ends it
				c, err := a.dial(0)
				if err != nil {
					return err
				}
				defer a.drop(c)
				head := "Content-Length: 5000"
				switch a.i % 3 {
				case 1:
					head = "Content-Length: 1000000"
				case 2:
					head = "Transfer-Encoding: chunked\r\nX-A: b"
				}
				if err := a.send(c, request("POST", a.path, "quick.test", head), "400\r\n"); err != nil {
					return err
				}
				a.trickle(c, strings.Repeat("b", 900), trickle)
				return nil
			}},
		storm{name: "stuck bodies", at: full(100, 1000), costs: streamCost, outcomes: "-rejected 408, -client_abort 499",
			act: func(a *actor) error {
				c, err := a.dial(0)
				if err != nil {
					return err
				}
				defer a.drop(c)
				lines := [3]string{"Content-Length: 5000", "Content-Length: 1000000", "Transfer-Encoding: chunked"}
				if err := a.send(c, request("POST", a.path, "quick.test", lines[a.i%3]), "400\r\nbody"); err != nil {
					return err
				}
				return a.refused(c, 408)
			}},
	)
}

// TestDeafClients: clients that ask and never read, while others are served.
func TestDeafClients(t *testing.T) {
	large := pattern(2 << 20)
	download := func(c *call) bool {
		c.write(fmt.Sprintf("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", len(large)), large...)
		return false
	}
	weather(t,
		storm{name: "deaf", at: full(100, 1000), costs: streamCost, outcomes: "+client_abort 499", lossy: true,
			apps: map[string]script{"/deaf/": download},
			act: func(a *actor) error {
				c, err := a.dial(4 << 10)
				if err != nil {
					return err
				}
				defer a.drop(c)
				if err := a.send(c, request("GET", a.path, "patient.test")); err != nil {
					return err
				}
				a.pause(patience) // the edge gives up, which is not seen without reading
				return nil
			}},
		storm{name: "deaf pipeliners", at: full(30, 200), costs: streamCost, outcomes: "+ok 200, +client_abort 499", lossy: true,
			apps: map[string]script{"/deaf-pipeliners/": func(c *call) bool {
				_, _ = c.read()
				return c.write("HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n", large[:64<<10]...)
			}},
			act: func(a *actor) error {
				c, err := a.dial(4 << 10)
				if err != nil {
					return err
				}
				defer a.drop(c)
				a.heads.Add(499)
				if err := a.send(c, strings.Repeat(request("GET", a.path, "patient.test"), 500)); err != nil && !a.over() {
					return err
				}
				a.pause(patience)
				return nil
			}},
	)
}

// refused reads an answer of a status that ends the connection.
func (a *actor) refused(c *client, status int) error {
	resp, err := c.answer("GET")
	if err != nil {
		return err
	}
	if resp.StatusCode != status || !resp.Close {
		return fmt.Errorf("answered %d, close %v; want %d and a close", resp.StatusCode, resp.Close, status)
	}
	_, err = io.Copy(io.Discard, c.br)
	return err
}
