package dataplane

import (
	"fmt"
	"testing"
	"time"
)

// TestClientLeaves: a client that goes away is noticed, the app is let go, and what
// had arrived is in the record.
func TestClientLeaves(t *testing.T) {
	t.Parallel()
	s := newSuite(t, "")
	cases := map[string]func(t *testing.T){}
	leave := map[string]func(c *client){
		"fin":        func(c *client) { _ = c.Close() },
		"rst":        (*client).reset,
		"half-close": func(c *client) { _ = c.CloseWrite() },
	}

	// In the middle of the upload: no app has a whole request, the record says so.
	large := pattern(1 << 20)
	for how, goes := range leave {
		for _, tc := range []struct {
			name, head string
			sent       []byte // body bytes that were sent
			wire       string
			app        bool // the app sees the beginning
		}{
			{"small", "Content-Length: 1000", large[:400], string(large[:400]), false},
			{"large", fmt.Sprintf("Content-Length: %d", len(large)), large[:300_000], string(large[:300_000]), true},
			{"chunked", "Transfer-Encoding: chunked", large[:5000], chunked(large[:5000], 5000)[:6+5000], true},
			{"no-last-chunk", "Transfer-Encoding: chunked", large[:5000], chunked(large[:5000], 1000)[:5*(5+1000+2)], true},
		} {
			path := "/leave/upload/" + tc.name + "/" + how
			gone := make(chan struct{})
			s.app.on(path, func(c *call) bool { c.readBody(); close(gone); return false })
			// A reset may overtake the bytes in front of it.
			if body := partOf(large); how != "rst" {
				s.expect(path, "client_abort", 499, body)
			} else {
				s.expect(path, "client_abort", 499, wantedBody{})
			}
			cases[path] = func(t *testing.T) {
				c := s.dial(t)
				c.send(request("POST", path, "patient.test", tc.head), tc.wire)
				time.Sleep(100 * time.Millisecond)
				start := time.Now()
				goes(c)
				if tc.app {
					waitFor(t, gone)
					within(t, start, 0, 0)
				} else {
					time.Sleep(200 * time.Millisecond)
				}
				for _, r := range s.app.requests(path) {
					if r.err == nil || !tc.app {
						t.Errorf("the app got a whole request: %+v", r)
					}
				}
				if how == "half-close" {
					c.closed()
				}
			}
		}
	}

	// While the app thinks for ten seconds: noticed within two, and the app is let go.
	body := []byte("a visit of somebody in a hurry")
	for how, goes := range leave {
		path := "/leave/wait/" + how
		left, noticed := make(chan time.Time, 1), make(chan time.Time, 1)
		s.app.on(path, func(c *call) bool { c.readBody(); noticed <- c.untilClosed(10 * time.Second); return false })
		s.expect(path, "client_abort", 499, whole(body))
		cases[path] = func(t *testing.T) {
			c := s.dial(t)
			c.send(post(path, "patient.test", body))
			time.Sleep(300 * time.Millisecond)
			left <- time.Now()
			goes(c)
			if d := (<-noticed).Sub(<-left); d < 0 || d > 2500*time.Millisecond {
				t.Errorf("the app's connection was closed after %v", d)
			}
		}
	}

	// In the middle of the answer, silent or busy.
	for _, kind := range []string{"silent", "busy"} {
		path := "/leave/answer/" + kind
		noticed := make(chan time.Time, 1)
		s.app.on(path, func(c *call) bool {
			c.readBody()
			c.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n6\r\ndata:x\r\n")
			if kind == "busy" {
				for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
					if _, err := c.Write([]byte("6\r\ndata:y\r\n")); err != nil {
						noticed <- time.Now()
						return false
					}
				}
			}
			noticed <- c.untilClosed(10 * time.Second)
			return false
		})
		s.expect(path, "client_abort", 499, whole(body))
		cases[path] = func(t *testing.T) {
			c := s.dial(t)
			c.send(post(path, "patient.test", body))
			if head, err := readHead(c.br); err != nil || head.status() != 200 {
				t.Fatalf("%+v, %v", head, err)
			}
			time.Sleep(200 * time.Millisecond)
			left := time.Now()
			_ = c.Close()
			if d := (<-noticed).Sub(left); d < 0 || d > 2500*time.Millisecond {
				t.Errorf("the app's connection was closed after %v", d)
			}
		}
	}

	// A client that never reads: the app is let go in bounded time.
	for _, framing := range []string{"length", "chunked"} {
		path := "/leave/deaf/" + framing
		ended := make(chan struct{})
		s.app.on(path, func(c *call) bool {
			defer close(ended)
			c.readBody()
			piece := "HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n"
			if framing == "chunked" {
				piece = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
			}
			data := pattern(64 << 10)
			for i := range 1000 { // 64 MB; the sockets on the way hold less
				if _, err := c.Write([]byte(piece)); err != nil {
					return false
				}
				piece = string(data)
				if framing == "chunked" {
					piece = fmt.Sprintf("%x\r\n%s\r\n", len(data), data)
				}
				if i == 999 {
					t.Errorf("%s: somebody took it all", path)
				}
			}
			return false
		})
		s.expect(path, "client_abort", 499, whole(body))
		cases[path] = func(t *testing.T) {
			c, start := s.dial(t), time.Now()
			c.send(post(path, "patient.test", body))
			waitFor(t, ended)
			within(t, start, bodyTimeout-100*time.Millisecond, bodyTimeout+time.Second)
		}
	}
	s.run(cases)
}

// TestSlowClients: limits of time end in an answer that says so, and a client that is
// merely slow is served.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	s := newSuite(t, "")
	cases := map[string]func(t *testing.T){}
	body := pattern(200_000)

	// slow sends head and the beginning of a body at once, and then nothing.
	slow := func(name, path, sent string, limit time.Duration) {
		cases[name] = func(t *testing.T) {
			c, start := s.dial(t), time.Now()
			c.send(sent)
			m := c.answer("POST")
			if m.status() != 408 || m.get("Connection") != "close" || m.get("X-Request-Id") == "" {
				t.Errorf("got %+v", m)
			}
			within(t, start, limit-100*time.Millisecond, limit+time.Second)
			c.closed()
			for _, r := range s.app.requests(path) {
				if r.err == nil && r.framing != "" {
					t.Errorf("the app got a whole request: %+v", r)
				}
			}
		}
	}
	s.expect("/slow/head", "rejected", 408, wantedBody{})
	slow("head stops", "/slow/head", "GET /slow/head HTTP/1.1\r\nHost: quick.test\r\nX-Ne", headerTimeout)
	slow("request line stops", "", "GET /slow/line", headerTimeout)
	for name, tc := range map[string]struct{ head, wire string }{
		"small":   {"Content-Length: 1000", string(body[:500])},
		"large":   {fmt.Sprintf("Content-Length: %d", len(body)), string(body[:100_000])},
		"chunked": {"Transfer-Encoding: chunked", chunked(body[:1000], 1000)[:500]},
	} {
		path := "/slow/" + name
		s.expect(path, "rejected", 408, partOf(body))
		slow("body stops "+name, path, request("POST", path, "patient.test", tc.head)+tc.wire, bodyTimeout)
	}
	s.expect("/slow/trickled-head", "rejected", 408, wantedBody{})
	cases["trickled head"] = func(t *testing.T) {
		c, start := s.dial(t), time.Now()
		c.send("GET /slow/trickled-head HTTP/1.1\r\nHost: quick.test\r\n")
		go func() {
			for range 100 {
				if _, err := c.Write([]byte("X-Filler: a\r\n")); err != nil {
					return
				}
				time.Sleep(200 * time.Millisecond)
			}
		}()
		if m := c.answer("GET"); m.status() != 408 {
			t.Errorf("got %q", m.start)
		}
		within(t, start, headerTimeout-100*time.Millisecond, headerTimeout)
	}
	s.expect("/slow/trickled-body", "ok", 200, wantedBody{})
	cases["trickled body is served"] = func(t *testing.T) {
		c := s.dial(t)
		c.send(request("POST", "/slow/trickled-body", "quick.test", "Content-Length: 8"))
		for i := range 8 {
			time.Sleep(bodyTimeout / 4)
			c.send(fmt.Sprint(i))
		}
		if m := c.answer("POST"); m.status() != 200 || string(m.body) != "01234567" {
			t.Errorf("got %+v", m)
		}
	}
	cases["silent connection"] = func(t *testing.T) {
		c, start := s.dial(t), time.Now()
		c.closed()
		within(t, start, idleTimeout-100*time.Millisecond, idleTimeout)
	}
	cases["idle after a request"] = func(t *testing.T) {
		c := s.dial(t)
		c.send(request("GET", "/ok", "quick.test"))
		c.answer("GET")
		start := time.Now()
		c.closed()
		within(t, start, idleTimeout-100*time.Millisecond, idleTimeout)
	}
	cases["slow reader is served"] = func(t *testing.T) {
		c := s.dial(t)
		answer := pattern(4 << 20)
		s.app.on("/slow/reader", raw(true, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(answer)), string(answer)))
		_ = c.SetReadBuffer(32 << 10)
		c.send(request("GET", "/slow/reader", "quick.test"))
		time.Sleep(bodyTimeout / 2)
		head, err := readHead(c.br)
		if err != nil {
			t.Fatal(err)
		}
		for range 8 { // the kernel tells of room in steps of about a megabyte
			p, err := readN(c.br, 400_000)
			if err != nil {
				t.Fatal(err)
			}
			head.body = append(head.body, p...)
			time.Sleep(bodyTimeout / 5)
		}
		rest, err := readN(c.br, int64(len(answer)-len(head.body)))
		if err != nil || string(head.body)+string(rest) != string(answer) {
			t.Errorf("%d bytes, %v", len(head.body)+len(rest), err)
		}
	}
	s.run(cases)
}
