package dataplane

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// TestHeadLimits: heads are bounded, and the client is told which part was too large.
func TestHeadLimits(t *testing.T) {
	s := newSuite(t, "")
	cases := map[string]func(t *testing.T){}
	filler := strings.Repeat("a", maxHeader)
	fields := func(n int) string { return strings.Repeat("X-A: a\r\n", n) }
	for name, tc := range map[string]struct {
		sent, path string
		status     int
		outcome    string
	}{
		"large field":  {"GET /head/field HTTP/1.1\r\nHost: quick.test\r\nX-A: " + filler + "\r\n\r\n", "/head/field", 431, "rejected"},
		"endless":      {"GET /head/endless HTTP/1.1\r\nHost: quick.test\r\nX-A: " + filler + filler, "/head/endless", 431, "rejected"},
		"many fields":  {"GET /head/many HTTP/1.1\r\nHost: quick.test\r\n" + fields(1000) + "\r\n", "/head/many", 431, "rejected"},
		"long target":  {"GET /head/target?" + filler + " HTTP/1.1\r\nHost: quick.test\r\n\r\n", "", 414, ""},
		"endless line": {"GET /head/line?" + filler + filler, "", 414, ""},
		"just fits": {"GET /head/fits HTTP/1.1\r\nHost: quick.test\r\nX-A: " + filler[:maxHeader-200] + "\r\n\r\n",
			"/head/fits", 200, "ok"},
		"target fits": {"GET /head/target-fits?" + filler[:maxHeader-200] + " HTTP/1.1\r\nHost: quick.test\r\n\r\n",
			"/head/target-fits", 200, "ok"},
		"200 fields": {"GET /head/200 HTTP/1.1\r\nHost: quick.test\r\n" + fields(200) + "\r\n", "/head/200", 200, "ok"},
	} {
		if tc.outcome != "" {
			s.expect(tc.path, tc.outcome, tc.status, wantedBody{})
		}
		cases[name] = func(t *testing.T) {
			c, start := s.dial(t), time.Now()
			c.send(tc.sent)
			m := c.answer("GET")
			if m.status() != tc.status || m.get("X-Request-Id") == "" {
				t.Errorf("got %+v", m)
			}
			if tc.status != 200 {
				c.closed()
				within(t, start, 0, time.Second)
				if n := len(s.app.requests(tc.path)); n != 0 {
					t.Errorf("the app got it")
				}
			}
		}
	}
	cases["never ends"] = func(t *testing.T) { // bounded in memory: the edge stops reading
		c := s.dial(t)
		c.send("GET /head/never HTTP/1.1\r\nHost: quick.test\r\n")
		wait := c.sendAside([]byte(strings.Repeat("X-A: "+filler[:1000]+"\r\n", 20_000)))
		if m := c.answer("GET"); m.status() != 431 {
			t.Errorf("got %q", m.start)
		}
		_ = c.Close()
		wait()
	}
	s.run(cases)
}

// TestBodyLimits: a body over limits.max_body is 413 in either framing, and no app has
// it as a whole request.
func TestBodyLimits(t *testing.T) {
	const limit = 256 << 10
	s := newSizedSuite(t, limit, "")
	over, fits := pattern(limit+1), pattern(limit)
	cases := map[string]func(t *testing.T){}
	for name, body := range map[string][]byte{"over": over, "fits": fits, "far-over": pattern(4 * limit)} {
		for framing, frame := range map[string]func(path string) string{
			"length": func(path string) string { return post(path, "patient.test", body) },
			"chunked": func(path string) string {
				return request("POST", path, "patient.test", "Transfer-Encoding: chunked") + chunked(body, 9000)
			},
		} {
			path := "/limit/" + framing + "/" + name
			status := 413
			if name == "fits" {
				status = 200
				s.expect(path, "ok", 200, wantedBody{})
			} else {
				s.expect(path, "rejected", 413, wantedBody{})
			}
			cases[path] = func(t *testing.T) {
				c, start := s.dial(t), time.Now()
				wait := c.sendAside([]byte(frame(path)))
				m := c.answer("POST")
				if m.status() != status || m.err != nil {
					t.Errorf("got %+v", m.start)
				}
				within(t, start, 0, time.Second)
				if status == 200 {
					wait()
					if !bytes.Equal(m.body, body) {
						t.Errorf("%d bytes came back", len(m.body))
					}
					return
				}
				_ = c.Close()
				wait()
				time.Sleep(50 * time.Millisecond)
				for _, r := range s.app.requests(path) {
					if framing == "length" || r.err == nil && r.framing != "" {
						t.Errorf("the app got %d bytes, error %v", len(r.body), r.err)
					}
				}
			}
		}
	}
	s.run(cases)
	for _, r := range s.edge.Records("--path", "/limit", "--status", "413") {
		if r.Body.Complete || !r.Body.Truncated {
			t.Errorf("%s: complete %v, truncated %v: it would be replayed", r.Request.URI, r.Body.Complete, r.Body.Truncated)
		}
	}
}

// TestBadUploadAfterEarlyAnswer: the app has begun to answer when the upload turns out
// to be too large, malformed, or stuck: the answer is visibly cut, and the record says
// that the request was at fault, not that its client had left.
func TestBadUploadAfterEarlyAnswer(t *testing.T) {
	const limit = 256 << 10
	s := newSizedSuite(t, limit, "")
	cases := map[string]func(t *testing.T){}
	for name, rest := range map[string]string{
		"too-large": chunked(pattern(limit+1), 9000),
		"malformed": "zz\r\n",
		"stuck":     "",
	} {
		path := "/late/" + name
		s.app.on(path, func(c *call) bool {
			c.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
			c.readBody()
			return false
		})
		cases[name] = func(t *testing.T) {
			c, start := s.dial(t), time.Now()
			c.send(request("POST", path, "patient.test", "Transfer-Encoding: chunked"), "5\r\nhello\r\n")
			head, err := readHead(c.br)
			if err != nil || head.status() != 200 {
				t.Fatalf("%+v, %v", head, err)
			}
			wait := c.sendAside([]byte(rest))
			defer wait()
			head.readBody(c.br, "POST")
			if head.err == nil || string(head.body) != "hello" {
				t.Errorf("body %q, %v: want a visible cut", head.body, head.err)
			}
			within(t, start, 0, bodyTimeout+time.Second)
			for _, r := range s.app.requests(path) {
				if r.err == nil && r.framing != "" {
					t.Error("the app got a whole request")
				}
			}
		}
	}
	s.run(cases)
	for _, r := range s.edge.Records("--path", "/late") {
		if r.Outcome != "rejected" || r.Body.Complete {
			t.Errorf("%s: recorded as %s %d (%s), complete %v", r.Request.URI, r.Outcome, r.Status, r.Reason, r.Body.Complete)
		}
	}
}

// TestPipelining: requests sent ahead are answered in order, each with its own.
func TestPipelining(t *testing.T) {
	s := newSuite(t, "")
	s.app.on("/pipe/slow", func(c *call) bool { time.Sleep(300 * time.Millisecond); return answerOK(c) })
	s.app.on("/pipe/early", raw(true, "HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\nfail"))
	large := pattern(150_000)
	s.run(map[string]func(t *testing.T){
		"in order": func(t *testing.T) {
			c := s.dial(t)
			var all strings.Builder
			var want []string
			for i := range 40 {
				body := []byte(fmt.Sprintf("body %d", i))
				switch i % 5 {
				case 0:
					all.WriteString(request("GET", fmt.Sprintf("/pipe/%d", i), "quick.test"))
					want = append(want, "200 ")
				case 1:
					all.WriteString(request("POST", "/pipe/x", "quick.test", "Transfer-Encoding: chunked") + chunked(body, 3))
					want = append(want, "200 "+string(body))
				case 2:
					all.WriteString(post("/pipe/early", "quick.test", body))
					want = append(want, "500 fail")
				case 3:
					all.WriteString(post("/pipe/large", "quick.test", large))
					want = append(want, "200 "+string(large))
				default:
					all.WriteString(post("/pipe/x", "quick.test", body))
					want = append(want, "200 "+string(body))
				}
			}
			wait := c.sendAside([]byte(all.String()))
			defer wait()
			for i, w := range want {
				m := c.answer("POST")
				if got := fmt.Sprintf("%d %s", m.status(), m.body); got != w || m.err != nil {
					t.Fatalf("answer %d is %.60q, want %.60q (%v)", i, got, w, m.err)
				}
			}
		},
		"nothing after close": func(t *testing.T) {
			c := s.dial(t)
			c.send(request("GET", "/pipe/slow", "quick.test"), request("GET", "/pipe/last", "quick.test", "Connection: close"), request("GET", "/pipe/ignored", "quick.test"))
			for range 2 {
				if m := c.answer("GET"); m.status() != 200 {
					t.Errorf("got %q", m.start)
				}
			}
			c.closed()
			if n := len(s.app.requests("/pipe/ignored")); n != 0 {
				t.Error("a request after Connection: close was served")
			}
		},
		"half-closed after the last": func(t *testing.T) {
			c := s.dial(t)
			c.send(request("GET", "/pipe/h1", "quick.test"), post("/pipe/h2", "quick.test", []byte("x")))
			_ = c.CloseWrite()
			for range 2 {
				if m := c.answer("POST"); m.status() != 200 {
					t.Errorf("got %q", m.start)
				}
			}
			c.closed()
		},
		"byte by byte": func(t *testing.T) {
			c := s.dial(t)
			_ = c.SetNoDelay(true)
			for _, b := range request("POST", "/pipe/bytes", "quick.test", "Transfer-Encoding: chunked") + chunked([]byte("hello world"), 4, "X-T: t") {
				c.send(string(b))
			}
			if m := c.answer("POST"); m.status() != 200 || string(m.body) != "hello world" {
				t.Errorf("got %+v", m)
			}
		},
		"tunnel with bytes ahead": func(t *testing.T) {
			s.app.on("/pipe/tunnel", func(c *call) bool {
				if c.req.get("Upgrade") != "chat" || !strings.EqualFold(c.req.get("Connection"), "upgrade") {
					t.Errorf("the app got %+v", c.req)
				}
				c.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\nwelcome ")
				p, err := io.ReadAll(c.br) // until the client half-closes
				c.write("got " + string(p) + fmt.Sprint(err))
				return false
			})
			c := s.dial(t)
			c.send(request("GET", "/pipe/tunnel", "quick.test", "Connection: Upgrade", "Upgrade: chat"), "ahead ")
			head, err := readHead(c.br)
			if err != nil || head.status() != 101 || head.get("Upgrade") != "chat" || !strings.EqualFold(head.get("Connection"), "upgrade") {
				t.Fatalf("%+v, %v", head, err)
			}
			c.send("more")
			_ = c.CloseWrite()
			p, err := io.ReadAll(c.br)
			if err != nil || string(p) != "welcome got ahead more<nil>" {
				t.Errorf("the tunnel carried %q, %v", p, err)
			}
			s.expect("/pipe/tunnel", "ok", 101, wantedBody{})
		},
	})
}
