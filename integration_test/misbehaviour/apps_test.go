package misbehaviour

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
)

// TestApps: apps that hang, trickle, reset and answer too early, while another app is
// asked by others.
func TestApps(t *testing.T) {
	var whole, heard atomic.Int32
	large := pattern(4 << 20)
	weather(t,
		storm{name: "hang", at: full(50, 500), costs: streamCost, outcomes: "+timeout 504, +client_abort 499",
			apps: map[string]script{"/hang/": func(c *call) bool {
				_, _ = c.read()
				if !c.untilClosed(patience) {
					t.Error("the edge never gives up")
				}
				return false
			}},
			act: asks("POST", http.StatusGatewayTimeout, nil)},
		storm{name: "hang unread", at: full(10, 200), costs: streamCost, outcomes: "timeout 504, client_abort 499",
			apps: map[string]script{"/hang-unread/": func(c *call) bool { // of a body that fits no buffer
				time.Sleep(response + bodyTimeout + 2*time.Second)
				return c.reset()
			}},
			act: func(a *actor) error {
				c, err := a.dial(0)
				if err != nil {
					return err
				}
				defer a.drop(c)
				if err := a.send(c, request("POST", a.path, "quick.test", "Content-Length: 500000")); err != nil {
					return err
				}
				go func() { _, _ = c.Write(large[:500_000]) }()
				resp, err := c.answer("POST")
				if err == nil && resp.StatusCode != http.StatusGatewayTimeout {
					err = fmt.Errorf("answered %d", resp.StatusCode)
				}
				return err
			}},
		storm{name: "trickle", at: full(30, 200), costs: streamCost, outcomes: "+ok 200, +client_abort 499",
			apps: map[string]script{"/trickle/": func(c *call) bool {
				_, _ = c.read()
				c.write("HTTP/1.1 200 OK\r\nContent-Length: 20\r\nConnection: close\r\n\r\n")
				for _, b := range []byte("01234567890123456789") {
					time.Sleep(full(20*time.Millisecond, 50*time.Millisecond))
					if _, err := c.Write([]byte{b}); err != nil {
						return false
					}
				}
				return false
			}},
			act: asks("POST", http.StatusOK, []byte("01234567890123456789"))},
		storm{name: "trickled head", at: full(50, 500), costs: streamCost, outcomes: "+timeout 504, +client_abort 499",
			apps: map[string]script{"/trickled-head/": func(c *call) bool {
				_, _ = c.read()
				for c.write("HTTP/1.1 200 OK\r\nX-A: ") && c.write("b") {
					for range 100 {
						time.Sleep(100 * time.Millisecond)
						if !c.write("c") {
							return false
						}
					}
				}
				return false
			}},
			act: asks("POST", http.StatusGatewayTimeout, nil)},
		storm{name: "reset", at: full(20, 50), costs: streamCost, outcomes: "+upstream_down 502, +client_abort 499",
			apps: map[string]script{
				"/reset/":  func(c *call) bool { return c.reset() },
				"/reset/1": func(c *call) bool { _, _ = c.read(); return c.reset() },
				"/reset/2": func(c *call) bool {
					_, _ = c.read()
					c.write("HTTP/1.1 200 OK\r\nContent-Le")
					return c.reset()
				},
			},
			act: func(a *actor) error {
				act := asks("POST", http.StatusBadGateway, nil)
				if n := a.n % 3; n > 0 {
					act = asksAt(strconv.Itoa(n), "POST", http.StatusBadGateway, nil)
				}
				return errors.Join(act(a), a.rest(50*time.Millisecond))
			}},
		storm{name: "reset in the answer", at: full(20, 50), costs: streamCost, outcomes: "+upstream_down 200, +client_abort 499",
			apps: map[string]script{"/reset-in-the-answer/": func(c *call) bool {
				_, _ = c.read()
				c.write("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n0123456789")
				time.Sleep(time.Millisecond)
				return c.reset()
			}},
			act: func(a *actor) error {
				c, err := a.dial(0)
				if err != nil {
					return err
				}
				defer a.drop(c)
				if err := a.send(c, request("POST", a.path, "quick.test", "Content-Length: 5"), "hello"); err != nil {
					return err
				}
				if resp, err := c.answer("POST"); err == nil { // else cut in the head
					if body, err := io.ReadAll(resp.Body); err == nil {
						return fmt.Errorf("the cut is not to be seen: %d with %q", resp.StatusCode, body)
					}
				}
				return a.rest(50 * time.Millisecond)
			}},
		// 4 MiB down before any of 4 MiB up is read: neither may wait for the other.
		storm{name: "answer first", at: full(1, 4), costs: streamCost + 8<<20, outcomes: "ok 200, client_abort 499",
			apps: map[string]script{"/answer-first/": func(c *call) bool {
				if !c.write("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4194304\r\n\r\n", large...) {
					return false
				}
				h := &comparer{want: large}
				if _, err := io.Copy(h, c.req.Body); err == nil && len(h.want) == 0 && !h.differs {
					whole.Add(1)
				} else if h.differs {
					t.Error("the app got another body")
				}
				return false
			}},
			act: func(a *actor) error {
				c, err := a.dial(0)
				if err != nil {
					return err
				}
				defer a.drop(c)
				if err := a.send(c, request("POST", a.path, "patient.test", "Content-Length: 4194304")); err != nil {
					return err
				}
				sent := make(chan error, 1)
				go func() { _, err := c.Write(large); sent <- err }()
				resp, err := c.answer("POST")
				if err != nil {
					return err
				}
				body, err := io.ReadAll(resp.Body)
				if err != nil || !bytes.Equal(body, large) {
					return fmt.Errorf("%d with %d bytes, %v", resp.StatusCode, len(body), err)
				}
				if err := <-sent; err != nil {
					return fmt.Errorf("the upload after the answer: %w", err)
				}
				heard.Add(1)
				return a.rest(200 * time.Millisecond)
			}},
	)
	if w, h := whole.Load(), heard.Load(); w < h-1 || h == 0 {
		t.Errorf("%d clients had sent it all and heard it all; the app got it all from %d", h, w)
	}
}

// asks makes a small request of the storm's path and wants a status and, if not nil, a body.
func asks(method string, status int, body []byte) func(a *actor) error {
	return asksAt("", method, status, body)
}

func asksAt(below, method string, status int, want []byte) func(a *actor) error {
	return func(a *actor) error {
		c, err := a.dial(0)
		if err != nil {
			return err
		}
		defer a.drop(c)
		if err := a.send(c, request(method, a.path+below, "quick.test", "Content-Length: 5"), "hello"); err != nil {
			return err
		}
		resp, err := c.answer(method)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != status || want != nil && !bytes.Equal(body, want) {
			return fmt.Errorf("%s was answered %d with %.80q, %v; want %d", below, resp.StatusCode, body, err, status)
		}
		return nil
	}
}

// rest waits before the next act, so that it is the misbehaviour that is measured, not
// how many requests the machine can do.
func (a *actor) rest(d time.Duration) error {
	a.pause(d)
	return nil
}

// comparer compares what is written to it with what it wants.
type comparer struct {
	want    []byte
	differs bool
}

func (c *comparer) Write(p []byte) (int, error) {
	n := min(len(p), len(c.want))
	c.differs = c.differs || n < len(p) || !bytes.Equal(p, c.want[:n])
	c.want = c.want[n:]
	return len(p), nil
}
