package clients

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"testing"
	"time"

	"golang.org/x/net/websocket"

	"github.com/holdfast-edge/holdfast/integration_test/edgetest"
)

// connect opens a WebSocket through the edge.
func connect(t *testing.T, e *edgetest.Edge, path string) (*websocket.Conn, *net.TCPConn) {
	t.Helper()
	config, err := websocket.NewConfig("ws://ws.test"+path, "http://ws.test/")
	if err != nil {
		t.Fatal(err)
	}
	nc, err := net.Dial("tcp", e.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(30 * time.Second))
	ws, err := websocket.NewClient(config, nc)
	if err != nil {
		t.Fatalf("the handshake: %v", err)
	}
	return ws, nc.(*net.TCPConn)
}

// wsApp echoes on every path but /push, where it talks on its own and hangs up.
func wsApp(ws *websocket.Conn) {
	defer ws.Close()
	if ws.Request().URL.Path == "/push" {
		for i := range 100 {
			if websocket.Message.Send(ws, fmt.Sprintf("news %d", i)) != nil {
				return
			}
		}
		return
	}
	for {
		var p []byte
		if websocket.Message.Receive(ws, &p) != nil || websocket.Message.Send(ws, p) != nil {
			return
		}
	}
}

func TestWebSocket(t *testing.T) {
	t.Parallel()
	app := httptest.NewServer(websocket.Handler(wsApp))
	t.Cleanup(app.Close)
	e := start(t, `
listen: {http: ADDR}
data: data
limits: {idle_timeout: 1s, body_timeout: 1s, header_timeout: 1s}
apps: {ws: {upstreams: ["`+app.URL+`"], timeouts: {connect: 1s, response: 1s}}}
sites: [{hosts: [ws.test], app: ws}]
`)
	const messages = 2000
	total := 0
	for i := range messages {
		total += i*37%5000 + 1
	}

	t.Run("many both ways", func(t *testing.T) {
		ws, _ := connect(t, e, "/echo")
		sent := make(chan error, 1)
		data := pattern(5001)
		go func() {
			for i := range messages {
				if err := websocket.Message.Send(ws, data[:i*37%5000+1]); err != nil {
					sent <- err
					return
				}
			}
			sent <- nil
		}()
		for i := range messages {
			var p []byte
			if err := websocket.Message.Receive(ws, &p); err != nil {
				t.Fatalf("message %d: %v", i, err)
			}
			if !bytes.Equal(p, data[:i*37%5000+1]) {
				t.Fatalf("message %d came back as %d bytes", i, len(p))
			}
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		_ = ws.Close()
	})
	t.Run("half-close", func(t *testing.T) {
		ws, nc := connect(t, e, "/half-close")
		for i := range 50 {
			if err := websocket.Message.Send(ws, fmt.Sprintf("message %d", i)); err != nil {
				t.Fatal(err)
			}
		}
		_ = nc.CloseWrite() // the echoes still come
		for i := range 50 {
			var s string
			if err := websocket.Message.Receive(ws, &s); err != nil || s != fmt.Sprintf("message %d", i) {
				t.Fatalf("message %d is %q, %v", i, s, err)
			}
		}
		var s string
		if err := websocket.Message.Receive(ws, &s); !errors.Is(err, io.EOF) {
			t.Errorf("then came %q, %v", s, err)
		}
	})
	t.Run("closed by the server", func(t *testing.T) {
		ws, _ := connect(t, e, "/push")
		for i := range 100 {
			var s string
			if err := websocket.Message.Receive(ws, &s); err != nil || s != fmt.Sprintf("news %d", i) {
				t.Fatalf("message %d is %q, %v", i, s, err)
			}
		}
		var s string
		if err := websocket.Message.Receive(ws, &s); !errors.Is(err, io.EOF) {
			t.Errorf("then came %q, %v", s, err)
		}
	})
	t.Run("silence is allowed", func(t *testing.T) {
		ws, _ := connect(t, e, "/silence")
		time.Sleep(2500 * time.Millisecond) // more than every timeout
		if err := websocket.Message.Send(ws, "still there?"); err != nil {
			t.Fatal(err)
		}
		var s string
		if err := websocket.Message.Receive(ws, &s); err != nil || s != "still there?" {
			t.Errorf("%q, %v", s, err)
		}
		_ = ws.Close()
	})
	t.Run("large message", func(t *testing.T) {
		ws, _ := connect(t, e, "/large")
		data := pattern(3 << 20)
		go func() { _ = websocket.Message.Send(ws, data) }()
		var p []byte
		if err := websocket.Message.Receive(ws, &p); err != nil || !bytes.Equal(p, data) {
			t.Errorf("%d bytes came back, %v", len(p), err)
		}
		_ = ws.Close()
	})

	t.Run("records", func(t *testing.T) {
		var records []edgetest.Record
		waitUntil(t, "five are recorded", func() bool { records = e.Records(); return len(records) == 5 })
		for _, r := range records {
			if r.Status != 101 || r.Outcome != "ok" {
				t.Errorf("%s is recorded as %s %d", r.Request.URI, r.Outcome, r.Status)
			}
			least := int64(0)
			switch r.Request.URI {
			case "/echo":
				least = int64(total)
			case "/large":
				least = 3 << 20
			case "/push":
				if r.Size < 100*8 {
					t.Errorf("/push is recorded with size %d", r.Size)
				}
			}
			if least > 0 && (r.BytesRead < least || r.Size < least || r.BytesRead > least+least/2+100_000) {
				t.Errorf("%s is recorded with %d bytes read and %d sent, of %d each way", r.Request.URI, r.BytesRead, r.Size, least)
			}
		}
	})
}
