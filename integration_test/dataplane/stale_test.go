package dataplane

import (
	"bytes"
	"fmt"
	"net"
	"testing"
	"time"
)

// fillQueue connects until the listener's queue is full.
func fillQueue(t *testing.T, addr string) {
	t.Helper()
	for range 16 {
		nc, err := net.DialTimeout("tcp", addr, 300*time.Millisecond)
		if err != nil {
			return
		}
		t.Cleanup(func() { nc.Close() })
	}
	t.Skip("this kernel takes connections beyond the queue")
}

// TestStaleConnections: what an app does with a connection that the edge keeps for
// later must not lose or double a request.
func TestStaleConnections(t *testing.T) {
	s := newSuite(t, "")
	body := []byte("a visit that must not get lost")
	// spoil answers and then does something to the connection, which the edge keeps.
	spoil := func(path string, how func(c *call) bool) {
		s.app.on(path, func(c *call) bool { answerOK(c); return how(c) })
	}
	spoil("/stale/closed", func(*call) bool { return false })
	spoil("/stale/reset", func(c *call) bool { return c.reset() })
	spoil("/stale/408", func(c *call) bool {
		c.write("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		return false
	})
	spoil("/stale/408-open", func(c *call) bool {
		c.write("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
		return true
	})
	spoil("/stale/second-answer", func(c *call) bool {
		c.write("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
		return true
	})
	spoil("/stale/garbage", func(c *call) bool { c.write("\r\n"); return true })
	for _, name := range []string{"closed", "reset", "408", "408-open", "second-answer", "garbage"} {
		path := "/stale/" + name
		// One at a time: bytes that cross the next request cannot be told from its answer.
		t.Run(name, func(t *testing.T) {
			for i := range 10 {
				c := s.dial(t)
				c.send(request("GET", path, "quick.test"))
				if m := c.answer("GET"); m.status() != 200 {
					t.Fatalf("got %q", m.start)
				}
				time.Sleep(20 * time.Millisecond)
				unique := fmt.Sprintf("/after/%s/%d", name, i)
				c.send(post(unique, "quick.test", body))
				m := c.answer("POST")
				if m.status() != 200 || !bytes.Equal(m.body, body) {
					t.Errorf("the POST after it got %q %q", m.start, m.body)
				}
				if n := len(s.app.requests(unique)); n != 1 {
					t.Errorf("the app got it %d times", n)
				}
			}
		})
	}
}

// TestClosedUnderRequest: the app closes a kept connection at the moment the next
// request is on its way. What is not idempotent fails, once, and is recorded whole;
// what is goes through on a new connection.
func TestClosedUnderRequest(t *testing.T) {
	s := newSuite(t, "")
	body := []byte("a visit on a connection that has just gone")
	reads := map[string]bool{"closes": false, "reads-and-closes": true}
	for name, read := range reads {
		for _, method := range []string{"POST", "GET", "PUT"} {
			s.app.on("/under/"+name+"/"+method, func(c *call) bool {
				if c.nth == 1 {
					return answerOK(c)
				}
				if read {
					c.readBody()
				}
				return c.reset()
			})
		}
	}
	for name := range reads {
		for _, method := range []string{"POST", "GET", "PUT"} {
			path := "/under/" + name + "/" + method
			// One after the other: the kept connection must be the one that is used.
			c := s.dial(t)
			c.send(request("GET", "/ok", "quick.test"))
			c.answer("GET")
			if method == "GET" {
				c.send(request("GET", path, "quick.test"))
			} else {
				c.send(request(method, path, "quick.test", fmt.Sprintf("Content-Length: %d", len(body))), string(body))
			}
			want, times := 200, 2
			if method == "POST" {
				want, times = 502, 1
				s.expect(path, "upstream_down", 502, whole(body))
			} else {
				s.expect(path, "ok", 200, wantedBody{})
			}
			if m := c.answer(method); m.status() != want {
				t.Errorf("%s: got %q, want %d", path, m.start, want)
			}
			if n := len(s.app.requests(path)); n != times {
				t.Errorf("%s: the app got it %d times, want %d", path, n, times)
			}
		}
	}
	s.check()
}

// TestClosedAtWorstTime posts in time with an app that closes each connection a moment
// after its answer: a POST is answered 200 and the app got it once, or it is answered
// 502, recorded whole, and the app got it once at most.
func TestClosedAtWorstTime(t *testing.T) {
	s := newSuite(t, "")
	const idle = 20 * time.Millisecond
	cases := map[string]func(t *testing.T){}
	for lane := range 4 {
		cases[fmt.Sprint("lane ", lane)] = func(t *testing.T) {
			c := s.dial(t)
			failed := 0
			for i := range 60 {
				path := fmt.Sprintf("/worst/%d/%d", lane, i)
				s.app.on(path, func(c *call) bool {
					answerOK(c)
					_ = c.SetReadDeadline(time.Now().Add(idle))
					_, err := c.br.Peek(1)
					return err == nil
				})
				body := []byte("visit " + path)
				c.send(post(path, "quick.test", body))
				m := c.answer("POST")
				n := len(s.app.requests(path))
				switch {
				case m.status() == 200 && n == 1 && bytes.Equal(m.body, body):
					s.expect(path, "ok", 200, wantedBody{})
				case m.status() == 502 && n <= 1:
					failed++
					s.expect(path, "upstream_down", 502, whole(body))
				default:
					t.Errorf("%s: got %q, the app got it %d times", path, m.start, n)
				}
				time.Sleep(idle - 2*time.Millisecond + time.Duration(i%8)*500*time.Microsecond)
			}
			t.Logf("%d of 60 were under way when the app closed", failed)
		}
	}
	s.run(cases)
}
