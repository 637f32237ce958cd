package https

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/integration_test/edgetest"
)

// idleCost is how much resident memory an idle TLS connection may take, in bytes. With
// the race detector, that is but at the full size, memory says nothing.
const idleCost = 24 << 10

// TestIdle: connections that wait for their next request hold no buffers, and go on.
func TestIdle(t *testing.T) {
	s := start(t, "limits: {idle_timeout: 10m}")
	visit := func() *conn {
		c := s.dial(t, "a.test")
		if res, _ := c.ask(t, "GET /i HTTP/1.1\r\nHost: a.test\r\n\r\n"); res.StatusCode != 200 {
			t.Fatal(res.Status)
		}
		return c
	}
	for range 50 { // what is needed once
		_ = visit().Close()
	}
	n := edgetest.Size(300, 10000)
	before := s.Resident()
	conns := make([]*conn, n)
	for i := range conns {
		conns[i] = visit()
	}
	time.Sleep(time.Duration(edgetest.Size(1, 8)) * time.Second) // they are parked after two, and memory is given back
	each := (s.Resident() - before) / int64(n)
	t.Logf("%d idle connections: %d bytes of resident memory each, %d KiB in all", n, each, s.Resident()>>10)
	if edgetest.Full() && each > idleCost {
		t.Errorf("an idle connection takes %d bytes, want %d", each, idleCost)
	}
	for _, c := range conns[:20] {
		if res, _ := c.ask(t, "GET /again HTTP/1.1\r\nHost: a.test\r\n\r\n"); res.StatusCode != 200 {
			t.Error(res.Status)
		}
	}
}

// TestStop: idle connections are told about the end, and requests under way are answered.
func TestStop(t *testing.T) {
	s := start(t, "")
	idle, busy := s.dial(t, "a.test"), s.dial(t, "b.test")
	if res, _ := idle.ask(t, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"); res.StatusCode != 200 {
		t.Fatal(res.Status)
	}
	began := make(chan struct{})
	s.app.Answer(func(w http.ResponseWriter, _ *http.Request) {
		close(began)
		time.Sleep(time.Second)
		_, _ = io.WriteString(w, "late")
	})
	if _, err := io.WriteString(busy, "GET / HTTP/1.1\r\nHost: b.test\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-began
	go s.Stop()
	if _, err := idle.br.ReadByte(); err != io.EOF {
		t.Errorf("the idle connection ended with %v", err)
	}
	if res, body := answer(t, busy.br, "GET"); res.StatusCode != 200 || body != "late" || !res.Close {
		t.Errorf("%s %q", res.Status, body)
	}
	<-s.Ended()
}
