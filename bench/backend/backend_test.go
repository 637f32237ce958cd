//go:build linux

package backend

import (
	"strings"
	"testing"
)

// TestTake gives the app two requests in one, cut at every place: the answers
// are the same.
func TestTake(t *testing.T) {
	all := answers()
	const in = "POST /fail HTTP/1.1\r\nhost: a\r\nCONTENT-LENGTH: 5\r\n\r\nhello" + "GET /1k HTTP/1.1\r\nHost: a\r\n\r\n"
	want := string(all[Fail]) + string(all[Small])
	for i := range len(in) + 1 {
		a, c, got := &app{answers: all}, &conn{}, ""
		for _, part := range []string{in[:i], in[i:]} {
			if !a.take(c, []byte(part)) {
				t.Fatalf("cut at %d: refused", i)
			}
			got += string(c.out)
			c.out = nil
		}
		if got != want || c.close || c.next != nil || c.body != 0 {
			t.Fatalf("cut at %d: %d bytes, want %d: %+v", i, len(got), len(want), c)
		}
	}
}

func TestTakeRefuses(t *testing.T) {
	all := answers()
	for _, in := range []string{
		"GET\r\n\r\n", "GET /1k\r\n\r\n",
		"POST /ok HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
		"POST /ok HTTP/1.1\r\nContent-Length: x\r\n\r\n", "POST /ok HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
		strings.Repeat("x", maxHead+1),
	} {
		if (&app{answers: all}).take(&conn{}, []byte(in)) {
			t.Errorf("%.60q is taken", in)
		}
	}
}

func TestTakeCloses(t *testing.T) {
	c := &conn{}
	if !(&app{answers: answers()}).take(c, []byte("GET /10m HTTP/1.1\r\nConnection: close\r\n\r\n")) || !c.close || len(c.out) < LargeSize {
		t.Errorf("%d bytes, close %v", len(c.out), c.close)
	}
}
