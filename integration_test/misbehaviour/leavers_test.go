package misbehaviour

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestLeavers: clients that go away, in every state and in every way, while others are
// served.
func TestLeavers(t *testing.T) {
	large := pattern(4 << 20)
	abandoned := newAbandoned(t)
	weather(t,
		storm{name: "leave in the body", at: full(20, 30), costs: streamCost, outcomes: "-client_abort 499", lossy: true,
			apps: map[string]script{"/leave-in-the-body/": func(c *call) bool {
				if n, err := c.read(); err == nil {
					t.Errorf("the app got a whole request of %d bytes", n)
				}
				return false
			}},
			act: func(a *actor) error {
				c, err := a.dial(0)
				if err != nil {
					return err
				}
				defer a.drop(c)
				length := [2]int{5000, 500_000}[a.i%2]
				head := request("POST", a.path, "patient.test", fmt.Sprintf("Content-Length: %d", length))
				if a.i%3 == 2 {
					head = request("POST", a.path, "patient.test", "Transfer-Encoding: chunked") + "fffff\r\n"
				}
				if err := a.send(c, head, string(large[:a.rng.IntN(length-1)])); err != nil {
					return err
				}
				a.pause(time.Duration(a.rng.IntN(50)) * time.Millisecond)
				if a.n%2 == 0 {
					c.reset()
				}
				a.drop(c)
				a.pause(200 * time.Millisecond)
				return nil
			}},
		storm{name: "reset anywhere", at: full(20, 30), costs: streamCost, lossy: true,
			outcomes: "client_abort 499, +ok 200",
			apps: map[string]script{"/reset-anywhere/": func(c *call) bool {
				if _, err := c.read(); err != nil {
					return false
				}
				time.Sleep(10 * time.Millisecond)
				c.write("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1000000\r\n\r\n", large[:1_000_000]...)
				return false
			}},
			act: func(a *actor) error {
				c, err := a.dial(4 << 10)
				if err != nil {
					return err
				}
				defer a.drop(c)
				switch state := a.n % 5; state {
				case 0: // idle
				case 1: // in the head
					a.heads.Add(1)
					_, _ = c.Write([]byte("POST " + a.path + " HTTP/1.1\r\nHost: patient.te"))
				default: // in the body, or while the answer is awaited or sent
					sent := [5]int{2: 30, 3: 100, 4: 100}[state]
					if err := a.send(c, request("POST", a.path, "patient.test", "Content-Length: 100"), string(large[:sent])); err != nil {
						return err
					}
					if state == 4 {
						_, _ = io.ReadFull(c.br, make([]byte, a.rng.IntN(20_000)))
					}
				}
				a.pause(time.Duration(a.rng.IntN(10)) * time.Millisecond)
				c.reset()
				a.pause(50 * time.Millisecond)
				return nil
			}},
		// The app takes ten seconds; nobody waits for it that long.
		storm{name: "leave early", at: full(50, 500), costs: streamCost, outcomes: "+client_abort 499",
			apps: map[string]script{"/leave-early/": abandoned.thinks, "/leave-early/in-the-answer": abandoned.talks},
			act: func(a *actor) error {
				c, err := a.dial(0)
				if err != nil {
					return err
				}
				defer a.drop(c)
				path, id := a.path, fmt.Sprintf("%p-%d-%d", a.scene, a.i, a.n)
				if a.i%2 == 1 {
					path += "in-the-answer"
				}
				if err := a.send(c, request("POST", path, "patient.test", "X-Id: "+id, "Content-Length: 5"), "hello"); err != nil {
					return err
				}
				a.pause(500 * time.Millisecond)
				abandoned.leave(id)
				if a.i%4 < 2 {
					c.reset()
				}
				a.drop(c)
				a.pause(500 * time.Millisecond)
				return nil
			}},
		// They are at the end of what they have to say, and still want to hear.
		storm{name: "half-closers", at: full(10, 50), costs: streamCost, outcomes: "+ok 200, +client_abort 499", lossy: true,
			apps: map[string]script{"/half-closers/": func(c *call) bool {
				_, _ = c.read()
				return c.write("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", large[:100_000]...)
			}},
			act: func(a *actor) error {
				c, err := a.dial(0)
				if err != nil {
					return err
				}
				defer a.drop(c)
				if a.n%2 == 0 { // the FIN comes in the segment of the request
					raw, err := c.SyscallConn()
					if err != nil {
						return err
					}
					if err := raw.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_CORK, 1) }); err != nil {
						return err
					}
				}
				sent := time.Now()
				if err := a.send(c, request("POST", a.path, "quick.test", "Content-Length: 5"), "hello"); err != nil {
					return err
				}
				if err := c.CloseWrite(); err != nil {
					return err
				}
				resp, err := c.answer("POST")
				if err != nil {
					if time.Since(sent) > 450*time.Millisecond {
						return nil // for the edge it may have left then: docs/ARCHITECTURE.md
					}
					return err
				}
				a.pause(5 * time.Millisecond)
				body, err := io.ReadAll(resp.Body)
				if err != nil || !bytes.Equal(body, large[:100_000]) {
					return fmt.Errorf("%d with %d of 100000 bytes, %v", resp.StatusCode, len(body), err)
				}
				a.pause(20 * time.Millisecond)
				return nil
			}},
	)
}

// abandoned is an app whose clients leave; it measures how soon the edge lets it go.
type abandoned struct {
	t    *testing.T
	left sync.Map // when which client has left
}

// noticed is how long the edge may take to notice; at the small size a busy machine
// gets as much again.
var noticed = full(4*time.Second, 2*time.Second)

func newAbandoned(t *testing.T) *abandoned { return &abandoned{t: t} }

func (a *abandoned) leave(id string) { a.left.Store(id, time.Now()) }

// thinks says nothing for ten seconds.
func (a *abandoned) thinks(c *call) bool {
	_, _ = c.read()
	a.wait(c)
	return false
}

// talks stops in the middle of its answer.
func (a *abandoned) talks(c *call) bool {
	_, _ = c.read()
	c.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
	a.wait(c)
	return false
}

func (a *abandoned) wait(c *call) {
	if !c.untilClosed(10 * time.Second) {
		a.t.Errorf("%s: the edge still waits after ten seconds", c.req.URL)
		return
	}
	if at, ok := a.left.Load(c.req.Header.Get("X-Id")); ok {
		if d := time.Since(at.(time.Time)); d > noticed {
			a.t.Errorf("%s: that the client had left was noticed after %v", c.req.URL, d)
		}
	}
}
