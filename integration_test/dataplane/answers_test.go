package dataplane

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const okEmpty = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

// TestBadAnswers: an answer that is wrong or missing before its head could be passed on
// is a 502, or a 504 where nothing comes; one that breaks later is visibly cut.
func TestBadAnswers(t *testing.T) {
	t.Parallel()
	s := newSuite(t, "")
	cases := map[string]func(t *testing.T){}
	body := []byte("payload of a visit")

	refused := func(name, outcome string, status int, play script) {
		path := "/bad/" + name
		s.app.on(path, play)
		s.expect(path, outcome, status, whole(body))
		cases[name] = func(t *testing.T) {
			c, start := s.dial(t), time.Now()
			c.send(post(path, "quick.test", body))
			m := c.answer("POST")
			if m.status() != status || m.err != nil {
				t.Fatalf("got %q, %v; want %d", m.start, m.err, status)
			}
			if m.get("X-Request-Id") == "" {
				t.Error("no X-Request-Id")
			}
			within(t, start, 0, response)
			if n := len(s.app.requests(path)); n != 1 {
				t.Errorf("the app got it %d times", n)
			}
			// The connection is good for the next request.
			c.send(request("GET", "/ok", "quick.test"))
			if m := c.answer("GET"); m.status() != 200 {
				t.Errorf("the next request got %q", m.start)
			}
		}
	}
	for name, answer := range map[string]string{
		"nothing":            "",
		"half-status-line":   "HTTP/1.1 20",
		"half-head":          "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Half",
		"no-blank-line":      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
		"html":               "<html>not http</html>\r\n\r\n",
		"http09":             "hello\n",
		"http2":              "HTTP/2 200\r\n\r\n",
		"http2-preface":      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"version-12":         "HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n",
		"lower-case":         "http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"two-digit-status":   "HTTP/1.1 99 Low\r\nContent-Length: 0\r\n\r\n",
		"status-099":         "HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n",
		"status-700":         "HTTP/1.1 700 High\r\nContent-Length: 0\r\n\r\n",
		"status-text":        "HTTP/1.1 abc Bad\r\nContent-Length: 0\r\n\r\n",
		"status-four-digits": "HTTP/1.1 2000 Bad\r\nContent-Length: 0\r\n\r\n",
		"bare-lf":            "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
		"bare-cr":            "HTTP/1.1 200 OK\r\nX-A: a\rb\r\nContent-Length: 0\r\n\r\n",
		"nul":                "HTTP/1.1 200 OK\r\nX-A: a\x00b\r\nContent-Length: 0\r\n\r\n",
		"fold":               "HTTP/1.1 200 OK\r\nX-A: a\r\n b\r\nContent-Length: 0\r\n\r\n",
		"no-colon":           "HTTP/1.1 200 OK\r\nXA\r\nContent-Length: 0\r\n\r\n",
		"space-before-colon": "HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello",
		"empty-name":         "HTTP/1.1 200 OK\r\n: x\r\nContent-Length: 0\r\n\r\n",
		"two-framings":       "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"two-lengths":        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
		"length-list":        "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello",
		"length-negative":    "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nhello",
		"length-plus":        "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
		"length-hex":         "HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\nhello",
		"length-huge":        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nhello",
		"gzip-chunked":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		"two-codings":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"identity":           "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nhello",
		"chunked-in-10":      "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"many-fields":        "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-A: a\r\n", 5000) + "\r\n",
		"huge-head":          "HTTP/1.1 200 OK\r\nX-A: " + strings.Repeat("a", 1<<20) + "\r\n\r\n",
		"unasked-101":        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
	} {
		refused(name, "upstream_down", 502, raw(false, answer))
	}
	refused("reset", "upstream_down", 502, func(c *call) bool { c.readBody(); return c.reset() })
	refused("reset-in-head", "upstream_down", 502, func(c *call) bool {
		c.readBody()
		c.write("HTTP/1.1 200 OK\r\nContent-")
		time.Sleep(50 * time.Millisecond)
		return c.reset()
	})
	refused("endless-1xx", "upstream_down", 502, func(c *call) bool {
		c.readBody()
		for range 2000 {
			c.write("HTTP/1.1 102 Processing\r\n\r\n")
		}
		return false
	})
	refused("endless-100", "upstream_down", 502, func(c *call) bool {
		c.readBody()
		for range 2000 {
			c.write("HTTP/1.1 100 Continue\r\n\r\n")
		}
		return false
	})
	refused("hangs", "timeout", 504, func(c *call) bool { c.untilClosed(patience); return false })
	refused("hangs-in-head", "timeout", 504, func(c *call) bool {
		c.write("HTTP/1.1 200 OK\r\nContent-Le")
		c.untilClosed(patience)
		return false
	})
	refused("trickles-head", "timeout", 504, func(c *call) bool {
		c.readBody()
		for _, b := range []byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Filler: aaaaaaaaaaaaaaaaaaaa\r\n\r\n") {
			c.write(string(b))
			time.Sleep(200 * time.Millisecond)
		}
		return false
	})
	refused("slow-1xx", "timeout", 504, func(c *call) bool {
		c.readBody()
		for range 30 {
			c.write("HTTP/1.1 102 Processing\r\n\r\n")
			time.Sleep(200 * time.Millisecond)
		}
		return false
	})

	// cut: the head and some of the body were fine.
	cut := func(name, outcome, framing, got string, play script) {
		path := "/cut/" + name
		s.app.on(path, play)
		s.expect(path, outcome, 200, whole(body))
		cases["cut-"+name] = func(t *testing.T) {
			c, start := s.dial(t), time.Now()
			c.send(post(path, "quick.test", body))
			m := c.answer("POST")
			if m.status() != 200 || m.framing != framing || m.err == nil || string(m.body) != got {
				t.Errorf("got %q, framing %s, body %q, error %v; want %q and a visible cut", m.start, m.framing, m.body, m.err, got)
			}
			c.closed()
			within(t, start, 0, response)
			if n := len(s.app.requests(path)); n != 1 {
				t.Errorf("the app got it %d times", n)
			}
		}
	}
	const head = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
	const chunkedHead = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	cut("length", "upstream_down", "length", "hello", raw(false, head, "hello"))
	cut("length-empty", "upstream_down", "length", "", raw(false, head))
	cut("chunk", "upstream_down", "chunked", "hel", raw(false, chunkedHead, "5\r\nhel"))
	cut("between-chunks", "upstream_down", "chunked", "hello", raw(false, chunkedHead, "5\r\nhello\r\n"))
	cut("in-size", "upstream_down", "chunked", "hello", raw(false, chunkedHead, "5\r\nhello\r\n1"))
	cut("no-trailer-end", "upstream_down", "chunked", "hello", raw(false, chunkedHead, "5\r\nhello\r\n0\r\n"))
	cut("bad-chunk-later", "upstream_down", "chunked", "hello", func(c *call) bool {
		c.readBody()
		c.write(chunkedHead, "5\r\nhello\r\n")
		time.Sleep(100 * time.Millisecond)
		c.write("zz\r\n")
		return false
	})
	cut("reset", "upstream_down", "length", "hello", func(c *call) bool {
		c.readBody()
		c.write(head, "hello")
		time.Sleep(100 * time.Millisecond)
		return c.reset()
	})
	cut("hangs", "timeout", "length", "hello", func(c *call) bool {
		c.readBody()
		c.write(head, "hello")
		c.untilClosed(patience)
		return false
	})

	// A body that is wrong from its first byte, in one segment with the head: nothing
	// has left for the client yet, so it may be a 502 as well as a visible cut.
	for name, b := range map[string]string{"size": "zz\r\n", "negative": "-1\r\n", "huge": "fffffffffffffffff\r\n", "end": "1\r\nabc\r\n",
		"trailer": "0\r\nContent-Length: 5\r\n\r\n", "bare-lf": "5\nhello\n0\n\n"} {
		path := "/badbody/" + name
		s.app.on(path, raw(false, chunkedHead, b))
		cases["badbody-"+name] = func(t *testing.T) {
			c := s.dial(t)
			c.send(post(path, "quick.test", body))
			head, err := readHead(c.br)
			if err == nil {
				head.readBody(c.br, "POST")
				if head.status() == 200 && head.err == nil {
					t.Errorf("the client sees a whole answer: %+v", head)
				}
				if s := head.status(); s != 200 && s != 502 {
					t.Errorf("the client sees %q", head.start)
				}
			}
			c.closedUnless(head)
		}
	}

	s.run(cases)
	s.t.Run("badbody-records", func(t *testing.T) {
		for _, r := range s.edge.Records("--path", "/badbody") {
			if r.Outcome != "upstream_down" {
				t.Errorf("%s: recorded as %s %d", r.Request.URI, r.Outcome, r.Status)
			}
		}
	})
}

// closedUnless waits for the end of the connection, unless the answer was a 502 that
// leaves it open.
func (c *client) closedUnless(m *message) {
	if m == nil || m.status() != 502 {
		c.closed()
	}
}

// TestTrickledAnswer: an app that is slow but never silent for its response time is no
// failure, and each piece arrives as it comes.
func TestTrickledAnswer(t *testing.T) {
	t.Parallel()
	s := newSuite(t, "")
	const pieces = 8
	s.app.on("/trickle", func(c *call) bool {
		c.readBody()
		c.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		for i := range pieces {
			time.Sleep(response / 4)
			c.write(fmt.Sprintf("1\r\n%d\r\n", i))
		}
		c.write("0\r\n\r\n")
		return true
	})
	s.expect("/trickle", "ok", 200, wantedBody{})
	s.run(map[string]func(t *testing.T){"trickle": func(t *testing.T) {
		c, start := s.dial(t), time.Now()
		c.send(request("GET", "/trickle", "quick.test"))
		head, err := readHead(c.br)
		if err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d > response {
			t.Errorf("the head came after %v", d)
		}
		head.readBody(c.br, "GET")
		if head.err != nil || string(head.body) != "01234567" {
			t.Errorf("body %q, %v", head.body, head.err)
		}
		within(t, start, (pieces-1)*response/4, pieces*response/4)
	}})
}
