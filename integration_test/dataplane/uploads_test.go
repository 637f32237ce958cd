package dataplane

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"testing"
	"time"
)

// sendAside sends p from a goroutine of its own, so that the answer can be read
// meanwhile. A refused rest is no fault. The returned function waits for its end.
func (c *client) sendAside(p []byte) (wait func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = c.Write(p)
	}()
	return func() { <-done }
}

// TestUploads: large bodies go through byte for byte, in either framing, both ways.
func TestUploads(t *testing.T) {
	s := newSuite(t, "")
	cases := map[string]func(t *testing.T){}
	for _, size := range []int{1, 7 << 10, 64 << 10, 64<<10 + 1, 300_000, 4 << 20} {
		body := pattern(size)
		for framing, message := range map[string]string{
			"length":  post("PATH", "quick.test", body),
			"chunked": request("POST", "PATH", "quick.test", "Transfer-Encoding: chunked") + chunked(body, 10_000),
		} {
			path := fmt.Sprintf("/upload/%s/%d", framing, size)
			s.expect(path, "ok", 200, wantedBody{})
			cases[path] = func(t *testing.T) {
				c := s.dial(t)
				wait := c.sendAside([]byte("POST " + path + message[len("POST PATH"):]))
				defer wait()
				m := c.answer("POST")
				if m.status() != 200 || m.err != nil || !bytes.Equal(m.body, body) {
					t.Errorf("%s, %d of %d bytes came back, %v", m.start, len(m.body), size, m.err)
				}
				wait()
				c.send(request("GET", "/ok", "quick.test"))
				if m := c.answer("GET"); m.status() != 200 {
					t.Errorf("the next request got %q", m.start)
				}
			}
		}
	}
	s.run(cases)
}

// TestEarlyAnswers: an app may answer before it has read the request. If it reads on, it
// gets all of it; if it does not, the client gets the answer all the same.
func TestEarlyAnswers(t *testing.T) {
	s := newSuite(t, "")
	cases := map[string]func(t *testing.T){}
	readsOn := func(c *call) bool { c.readBody(); return false }
	// What the app has not read when it closes is answered by the kernel with a reset.
	leaves := func(*call) bool { time.Sleep(200 * time.Millisecond); return false }
	for name, tc := range map[string]struct {
		status   int
		up, down int
		after    script
	}{
		"200-reads-on": {200, 4 << 20, 4 << 20, readsOn},
		"200-leaves":   {200, 1 << 20, 1 << 10, leaves},
		"413-reads-on": {413, 4 << 20, 4 << 20, readsOn},
		"413-leaves":   {413, 1 << 20, 1 << 10, leaves},
	} {
		up, down := pattern(tc.up), bytes.Repeat([]byte("answer!\n"), tc.down/8)
		for _, framing := range []string{"length", "chunked"} {
			path := fmt.Sprintf("/early/%s/%s", framing, name)
			got := make(chan struct{})
			s.app.on(path, func(c *call) bool {
				defer close(got)
				c.write("HTTP/1.1 ", strconv.Itoa(tc.status), " Early\r\nConnection: close\r\nContent-Length: ", strconv.Itoa(tc.down), "\r\n\r\n", string(down))
				return tc.after(c)
			})
			if tc.status == 200 {
				s.expect(path, "ok", 200, wantedBody{})
			} else {
				s.expect(path, "upstream_4xx", tc.status, whole(up))
			}
			cases[path] = func(t *testing.T) {
				c := s.dial(t)
				message := post(path, "quick.test", up)
				if framing == "chunked" {
					message = request("POST", path, "quick.test", "Transfer-Encoding: chunked") + chunked(up, 30_000)
				}
				wait := c.sendAside([]byte(message))
				defer wait()
				m := c.answer("POST")
				if m.status() != tc.status || m.err != nil || !bytes.Equal(m.body, down) {
					t.Errorf("got %q with %d of %d bytes, %v", m.start, len(m.body), tc.down, m.err)
				}
				waitFor(t, got)
				if r := s.app.requests(path); len(r) != 1 {
					t.Errorf("the app got it %d times", len(r))
				} else if name == "200-reads-on" && (r[0].err != nil || !bytes.Equal(r[0].body, up)) {
					t.Errorf("the app has said yes, and then got %d of %d bytes: %v", len(r[0].body), tc.up, r[0].err)
				}
			}
		}
	}
	s.run(cases)
}

// TestAfterEarlyAnswer: an app that answered before it had everything, and does not say
// that it closes, may never read the rest; no other request is put behind it.
func TestAfterEarlyAnswer(t *testing.T) {
	s := newSuite(t, "")
	s.app.on("/after/early", func(c *call) bool {
		c.write("HTTP/1.1 200 Early\r\nContent-Length: 2\r\n\r\nok")
		time.Sleep(500 * time.Millisecond)
		return false
	})
	for i := range 3 {
		body := pattern(200_000)
		c := s.dial(t)
		c.send(request("POST", "/after/early", "quick.test", fmt.Sprintf("Content-Length: %d", len(body))), string(body[:100_000]))
		if m := c.answer("POST"); m.status() != 200 || string(m.body) != "ok" {
			t.Errorf("got %+v", m)
		}
		wait := c.sendAside(body[100_000:])
		time.Sleep(50 * time.Millisecond)
		next := fmt.Sprintf("/after/next/%d", i)
		d := s.dial(t)
		d.send(post(next, "quick.test", []byte("hello")))
		if m := d.answer("POST"); m.status() != 200 || string(m.body) != "hello" {
			t.Errorf("the next request got %q", m.start)
		}
		wait()
		s.expect(next, "ok", 200, wantedBody{})
	}
	s.check()
}

// TestDuplex: request and answer can go on at the same time, piece for piece.
func TestDuplex(t *testing.T) {
	s := newSuite(t, "")
	s.app.on("/duplex", func(c *call) bool {
		c.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		for {
			line, err := readLine(c.br)
			if err != nil {
				return false
			}
			n, _ := strconv.ParseInt(line, 16, 32)
			p := make([]byte, n+2)
			if _, err := io.ReadFull(c.br, p); err != nil {
				return false
			}
			c.write(line, "\r\n", string(p))
			if n == 0 {
				return true
			}
		}
	})
	s.expect("/duplex", "ok", 200, wantedBody{})
	s.run(map[string]func(t *testing.T){"in step": func(t *testing.T) {
		c := s.dial(t)
		c.send(request("POST", "/duplex", "quick.test", "Transfer-Encoding: chunked"))
		head, err := readHead(c.br)
		if err != nil || head.status() != 200 || head.get("Transfer-Encoding") != "chunked" {
			t.Fatalf("%+v, %v", head, err)
		}
		for i := range 30 {
			piece := fmt.Sprintf("%x\r\n%s\r\n", i+1, pattern(i+1))
			c.send(piece)
			back := make([]byte, len(piece))
			if _, err := io.ReadFull(c.br, back); err != nil || string(back) != piece {
				t.Fatalf("piece %d came back as %q, %v", i, back, err)
			}
		}
		c.send("0\r\n\r\n")
		if line, err := readLine(c.br); err != nil || line != "0" {
			t.Errorf("the end is %q, %v", line, err)
		}
	}})
}

// TestExpectContinue: the edge itself asks for the body, once, and never when the
// answer is known without it.
func TestExpectContinue(t *testing.T) {
	s := newSuite(t, "")
	cases := map[string]func(t *testing.T){}
	for _, size := range []int{5, 100_000} {
		body := pattern(size)
		path := fmt.Sprintf("/expect/%d", size)
		s.expect(path, "ok", 200, wantedBody{})
		cases[path] = func(t *testing.T) {
			c := s.dial(t)
			c.send(request("POST", path, "quick.test", "Expect: 100-continue", fmt.Sprintf("Content-Length: %d", size)))
			first, err := readHead(c.br)
			if err != nil || first.status() != 100 {
				t.Fatalf("first came %+v, %v", first, err)
			}
			wait := c.sendAside(body)
			defer wait()
			m, interim := c.answers("POST")
			if m.status() != 200 || len(interim) != 0 || !bytes.Equal(m.body, body) {
				t.Errorf("then came %q, %d interim, %d bytes", m.start, len(interim), len(m.body))
			}
			if r := s.app.requests(path); len(r) != 1 || r[0].has("Expect") {
				t.Errorf("the app got %+v", r)
			}
		}
	}
	s.expect("/expect/at-once", "ok", 200, wantedBody{})
	cases["body sent at once"] = func(t *testing.T) {
		c := s.dial(t)
		c.send(post("/expect/at-once", "quick.test", []byte("hello"), "Expect: 100-continue"))
		if m, _ := c.answers("POST"); m.status() != 200 || string(m.body) != "hello" {
			t.Errorf("got %+v", m)
		}
	}
	cases["unknown host"] = func(t *testing.T) {
		c := s.dial(t)
		c.send(request("POST", "/expect/unknown", "nobody.test", "Expect: 100-continue", "Content-Length: 5"))
		if m, interim := c.answers("POST"); m.status() != 421 || len(interim) != 0 {
			t.Errorf("got %q after %d interim answers", m.start, len(interim))
		}
		c.closed()
	}
	cases["too large"] = func(t *testing.T) {
		c := s.dial(t)
		c.send(request("POST", "/expect/large", "quick.test", "Expect: 100-continue", fmt.Sprintf("Content-Length: %d", maxBody+1)))
		if m, interim := c.answers("POST"); m.status() != 413 || len(interim) != 0 {
			t.Errorf("got %q after %d interim answers", m.start, len(interim))
		}
		c.closed()
	}
	cases["another expectation"] = func(t *testing.T) {
		c := s.dial(t)
		c.send(request("POST", "/expect/other", "quick.test", "Expect: 200-ok", "Content-Length: 5"))
		if m, _ := c.answers("POST"); m.status() != 417 {
			t.Errorf("got %q", m.start)
		}
	}
	s.run(cases)
}
