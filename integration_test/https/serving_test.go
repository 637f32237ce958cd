package https

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestServing: requests over TLS arrive whole, the app is told that it was HTTPS, and the
// record says what the connection was.
func TestServing(t *testing.T) {
	s := start(t, "")
	client := s.ca.Client(t, s.Secure)
	big := bytes.Repeat([]byte("0123456789abcdef"), 3<<16) // 3 MiB
	s.app.Answer(func(w http.ResponseWriter, r *http.Request) {
		got := s.app.Requests()
		w.Header().Set("X-Proto", r.Header.Get("X-Forwarded-Proto"))
		if r.URL.Path == "/length" {
			w.Header().Set("Content-Length", fmt.Sprint(len(got[len(got)-1].Body)))
		}
		_, _ = w.Write(got[len(got)-1].Body)
	})
	for _, test := range []struct {
		method, url string
		body        []byte
	}{
		{"GET", "https://a.test/visit?x=1", nil},
		{"HEAD", "https://a.test/visit?x=2", nil},
		{"POST", "https://www.a.test/small", []byte("hello")},
		{"POST", "https://b.test/chunked", big}, // no Content-Length from the app
		{"POST", "https://b.test/length", big},
		{"POST", "https://b.test/length", big[:40<<10]},
		{"POST", "https://b.test/length", big[:10<<10]},
	} {
		req, err := http.NewRequest(test.method, test.url, bytes.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != 200 || res.Proto != "HTTP/1.1" || res.Header.Get("X-Proto") != "https" || !bytes.Equal(got, test.body) {
			t.Errorf("%s %s: %s, %d bytes, %v, X-Forwarded-Proto %q", test.method, test.url, res.Status, len(got), err, res.Header.Get("X-Proto"))
		}
	}
	if res, err := client.Get("https://a.test/hello"); err != nil || res.StatusCode != 200 {
		t.Errorf("the edge's own answer: %v %v", res, err)
	}
	for _, r := range s.records(t, 8) {
		if r.Outcome != "ok" || r.Request.TLS == nil || r.Request.TLS.Version != "1.3" || r.Request.TLS.ServerName != r.Request.Host || r.Request.Proto != "HTTP/1.1" {
			t.Errorf("recorded: %+v %+v", r, r.Request.TLS)
		}
	}
	if r := s.records(t, 1, "--path", "/small")[0]; r.Match != "wildcard" || r.Request.TLS.ServerName != "www.a.test" {
		t.Errorf("recorded: %+v", r)
	}
}

// TestOneConnection: requests in a row, in one record of TLS, and in many small ones.
func TestOneConnection(t *testing.T) {
	s := start(t, "")
	c := s.dial(t, "a.test")
	get := func(n int) string { return fmt.Sprintf("GET /%d HTTP/1.1\r\nHost: a.test\r\n\r\n", n) }
	for i := range 3 {
		if res, _ := c.ask(t, get(i)); res.StatusCode != 200 {
			t.Fatal(res.Status)
		}
	}
	// Pipelined in one record, and with a head longer than what an idle connection holds.
	if _, err := io.WriteString(c, get(3)+"GET /4 HTTP/1.1\r\nHost: a.test\r\nX: "+strings.Repeat("x", 4000)+"\r\n\r\n"+get(5)); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if res, _ := answer(t, c.br, "GET"); res.StatusCode != 200 {
			t.Fatal(res.Status)
		}
	}
	for _, b := range []byte("POST /6 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nabcde") {
		if _, err := c.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	if res, _ := answer(t, c.br, "POST"); res.StatusCode != 200 {
		t.Fatal(res.Status)
	}
	got := s.app.Requests()
	if len(got) != 7 {
		t.Fatalf("the app got %d requests", len(got))
	}
	for i, g := range got {
		if g.URI != fmt.Sprintf("/%d", i) {
			t.Errorf("%d: %s", i, g.URI)
		}
	}
	if string(got[6].Body) != "abcde" {
		t.Errorf("%q", got[6].Body)
	}
	// 100 Continue.
	if _, err := io.WriteString(c, "POST /7 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	line, err := c.br.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "HTTP/1.1 100 ") {
		t.Fatalf("%q %v", line, err)
	}
	_, _ = c.br.ReadString('\n')
	if res, _ := c.ask(t, "xyz"); res.StatusCode != 200 {
		t.Error(res.Status)
	}
	// What is sent byte by byte, and Connection: close, ends with the client being told.
	res, _ := c.ask(t, "GET /8 HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
	if _, err := c.br.ReadByte(); err != io.EOF || !res.Close {
		t.Errorf("after the last answer: %v", err)
	}
}

// TestUpgrade: a switch of protocols over TLS passes bytes both ways and ends on both
// sides.
func TestUpgrade(t *testing.T) {
	s := start(t, "")
	s.app.Answer(func(w http.ResponseWriter, r *http.Request) {
		nc, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer nc.Close()
		_, _ = io.WriteString(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_ = rw.Flush()
		_, _ = io.Copy(nc, rw)
	})
	c := s.dial(t, "a.test")
	if _, err := io.WriteString(c, "GET /up HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nearly"); err != nil {
		t.Fatal(err)
	}
	for {
		line, err := c.br.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line == "\r\n" {
			break
		}
	}
	_, _ = io.WriteString(c, " and late")
	_ = c.CloseWrite()
	if text, err := io.ReadAll(c.br); err != nil || string(text) != "early and late" {
		t.Errorf("%q, %v", text, err)
	}
	if r := s.records(t, 1, "--path", "/up")[0]; r.Status != 101 || r.Outcome != "ok" {
		t.Errorf("recorded: %+v", r)
	}
}

// TestClientLeaves: over TLS too, a client that goes away while the app thinks is noticed
// within two seconds or so, and what it sent is on record.
func TestClientLeaves(t *testing.T) {
	s := start(t, "")
	hold := make(chan struct{})
	s.app.Answer(func(http.ResponseWriter, *http.Request) { <-hold })
	t.Cleanup(func() { close(hold) })
	c := s.dial(t, "a.test")
	if _, err := io.WriteString(c, "POST /x/slow HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nvisit"); err != nil {
		t.Fatal(err)
	}
	for len(s.app.Requests()) == 0 {
		time.Sleep(5 * time.Millisecond)
	}
	left := time.Now()
	_ = c.Close() // close_notify, then FIN
	r := s.records(t, 1, "--path", "/x/slow", "--payload")[0]
	if r.Outcome != "client_abort" || r.Status != 499 || !r.Body.Complete || string(r.Body.Base64) != "visit" {
		t.Errorf("recorded: %+v", r)
	}
	if d := time.Since(left); d > 8*time.Second {
		t.Errorf("noticed after %v", d)
	}
}
