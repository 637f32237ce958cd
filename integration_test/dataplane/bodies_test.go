package dataplane

import (
	"bytes"
	"testing"
	"time"
)

// TestBodilessAnswers: what has no body has none, whatever its head announces, and the
// connections on both sides stay in step.
func TestBodilessAnswers(t *testing.T) {
	s := newSuite(t, "")
	cases := map[string]func(t *testing.T){}
	for name, tc := range map[string]struct {
		method, answer string
		status         int
		length         string // as the client sees it
	}{
		"head-length":     {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n", 200, "1234"},
		"head-chunked":    {"HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200, ""},
		"head-nothing":    {"HEAD", "HTTP/1.1 200 OK\r\nX-A: a\r\n\r\n", 200, ""},
		"head-with-body":  {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "5"},
		"head-404":        {"HEAD", "HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\n", 404, "9"},
		"204":             {"GET", "HTTP/1.1 204 No Content\r\n\r\n", 204, ""},
		"204-length":      {"GET", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 204, ""},
		"204-with-body":   {"DELETE", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", 204, ""},
		"204-chunked":     {"GET", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 204, ""},
		"304":             {"GET", "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n", 304, ""},
		"304-length":      {"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 777\r\n\r\n", 304, "777"},
		"304-with-body":   {"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello", 304, "5"},
		"200-zero-length": {"GET", okEmpty, 200, "0"},
	} {
		path := "/bodiless/" + name
		s.app.on(path, raw(true, tc.answer))
		outcome := "ok"
		if tc.status >= 400 {
			outcome = "upstream_4xx"
		}
		s.expect(path, outcome, tc.status, wantedBody{})
		cases[name] = func(t *testing.T) {
			c := s.dial(t)
			c.send(request(tc.method, path, "quick.test"))
			m := c.answer(tc.method)
			if m.status() != tc.status || m.err != nil || len(m.body) != 0 || m.get("Content-Length") != tc.length {
				t.Errorf("got %+v, want status %d and Content-Length %q", m, tc.status, tc.length)
			}
			if tc.status == 204 && m.has("Transfer-Encoding") {
				t.Error("a 204 with a framing")
			}
			time.Sleep(50 * time.Millisecond) // what the app sent too much has arrived
			for range 2 {
				c.send(post("/echo", "quick.test", []byte("still in step")))
				if m := c.answer("POST"); m.status() != 200 || string(m.body) != "still in step" {
					t.Errorf("the next answer is %+v", m)
				}
			}
		}
	}
	s.run(cases)
}

// TestCloseDelimited: an answer that ends with its connection reaches a client of
// HTTP/1.1 as chunks, and one of HTTP/1.0 as it is.
func TestCloseDelimited(t *testing.T) {
	s := newSuite(t, "")
	body := pattern(300_000)
	for path, head := range map[string]string{
		"/close/11":       "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
		"/close/11-plain": "HTTP/1.1 200 OK\r\n\r\n",
		"/close/10":       "HTTP/1.0 200 OK\r\n\r\n",
		"/close/10-keep":  "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n",
	} {
		s.app.on(path, raw(false, head, string(body)))
	}
	cases := map[string]func(t *testing.T){}
	for _, path := range []string{"/close/11", "/close/11-plain", "/close/10", "/close/10-keep"} {
		cases[path+"-to-11"] = func(t *testing.T) {
			c := s.dial(t)
			for range 2 { // the client's connection goes on
				c.send(request("GET", path, "quick.test"))
				m := c.answer("GET")
				if m.framing != "chunked" || m.err != nil || !bytes.Equal(m.body, body) {
					t.Fatalf("%s, framing %s, %d bytes, %v", m.start, m.framing, len(m.body), m.err)
				}
			}
		}
		cases[path+"-to-10"] = func(t *testing.T) {
			c := s.dial(t)
			c.send("GET " + path + " HTTP/1.0\r\nHost: quick.test\r\nConnection: keep-alive\r\n\r\n")
			m := c.answer("GET")
			if m.framing != "close" || m.err != nil || !bytes.Equal(m.body, body) || m.get("Connection") != "close" {
				t.Errorf("%s, framing %s, Connection %q, %d bytes, %v", m.start, m.framing, m.get("Connection"), len(m.body), m.err)
			}
		}
	}
	s.app.on("/close/chunked", raw(true, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunked(body, 8192, "X-T: t")))
	cases["chunked-to-10"] = func(t *testing.T) {
		c := s.dial(t)
		c.send("GET /close/chunked HTTP/1.0\r\nHost: quick.test\r\n\r\n")
		m := c.answer("GET")
		if m.framing != "close" || m.err != nil || !bytes.Equal(m.body, body) {
			t.Errorf("%s, framing %s, %d bytes, %v", m.start, m.framing, len(m.body), m.err)
		}
	}
	cases["length-to-10-keep-alive"] = func(t *testing.T) {
		c := s.dial(t)
		for range 3 {
			c.send("GET /ok HTTP/1.0\r\nHost: quick.test\r\nConnection: keep-alive\r\n\r\n")
			if m := c.answer("GET"); m.status() != 200 || m.framing != "length" || m.get("Connection") != "keep-alive" {
				t.Fatalf("got %+v", m)
			}
		}
	}
	s.run(cases)
}

// TestTrailers pass both ways.
func TestTrailers(t *testing.T) {
	s := newSuite(t, "")
	s.app.on("/trailers", func(c *call) bool {
		c.readBody()
		c.write("HTTP/1.1 200 OK\r\nTrailer: X-Sum, X-Count\r\nTransfer-Encoding: chunked\r\n\r\n",
			chunked([]byte("answer"), 2, "X-Sum: abc", "X-Count: 3"))
		return true
	})
	s.app.on("/trailers/fail", func(c *call) bool {
		c.readBody()
		c.write("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")
		return true
	})
	body := []byte("a request with trailers")
	s.expect("/trailers", "ok", 200, wantedBody{})
	s.expect("/trailers/fail", "upstream_5xx", 500, whole(body))
	send := func(t *testing.T, path string) *message {
		c := s.dial(t)
		c.send(request("POST", path, "quick.test", "Trailer: X-Digest", "Transfer-Encoding: chunked"),
			chunked(body, 7, "X-Digest: 123", "x-lower: v"))
		m := c.answer("POST")
		got := s.app.requests(path)
		if len(got) != 1 || got[0].err != nil || !bytes.Equal(got[0].body, body) || got[0].framing != "chunked" {
			t.Fatalf("the app got %+v", got)
		}
		if tr := got[0].trailers; len(tr) != 2 || tr[0] != (field{"X-Digest", "123"}) || tr[1] != (field{"x-lower", "v"}) {
			t.Errorf("the app got the trailers %v", tr)
		}
		if got[0].get("Trailer") != "X-Digest" {
			t.Errorf("the app got Trailer: %q", got[0].get("Trailer"))
		}
		return m
	}
	s.run(map[string]func(t *testing.T){
		"both ways": func(t *testing.T) {
			m := send(t, "/trailers")
			if m.err != nil || string(m.body) != "answer" || len(m.trailers) != 2 ||
				m.trailers[0] != (field{"X-Sum", "abc"}) || m.trailers[1] != (field{"X-Count", "3"}) {
				t.Errorf("the client got %+v", m)
			}
		},
		"failed": func(t *testing.T) { send(t, "/trailers/fail") },
	})
}

// TestInterim: 1xx answers of the app pass at once, 100 does not: the edge says that
// itself. HTTP/1.0 has none.
func TestInterim(t *testing.T) {
	s := newSuite(t, "")
	go103 := make(chan struct{})
	s.app.on("/interim", func(c *call) bool {
		c.readBody()
		c.write("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n")
		select {
		case <-go103: // the client has seen it
		case <-time.After(patience):
		}
		c.write("HTTP/1.1 100 Continue\r\n\r\n", okEmpty)
		return true
	})
	s.app.on("/interim/10", func(c *call) bool {
		c.readBody()
		c.write("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n", okEmpty)
		return true
	})
	s.expect("/interim", "ok", 200, wantedBody{})
	s.run(map[string]func(t *testing.T){
		"103 at once": func(t *testing.T) {
			c := s.dial(t)
			c.send(request("GET", "/interim", "patient.test"))
			first, err := readHead(c.br)
			close(go103)
			if err != nil || first.status() != 103 || first.get("Link") != "</a.css>; rel=preload" || first.has("X-Hop") || first.has("Connection") {
				t.Fatalf("first came %+v, %v", first, err)
			}
			final, more := c.answers("GET")
			if final.status() != 200 || len(more) != 0 {
				t.Errorf("then came %+v and %+v", more, final)
			}
		},
		"none in HTTP/1.0": func(t *testing.T) {
			c := s.dial(t)
			c.send("GET /interim/10 HTTP/1.0\r\nHost: quick.test\r\n\r\n")
			if final, more := c.answers("GET"); final.status() != 200 || len(more) != 0 {
				t.Errorf("came %+v and %+v", more, final)
			}
		},
	})
}
