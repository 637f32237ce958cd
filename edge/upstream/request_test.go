package upstream

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/holdfast-edge/holdfast/edge/exchange"
	"github.com/holdfast-edge/holdfast/edge/http1"
)

func TestAppendHead(t *testing.T) {
	const tail = "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: h\r\nX-Request-Id: ID\r\n"
	tests := []struct {
		name, in string
		origin   Origin
		length   int64
		out      string
	}{
		{"order, case and repetition stay", "GET /a?b HTTP/1.1\r\nX-B: 1\r\nhOST: h\r\nx-a: 2\r\nX-B: 3\r\n\r\n", Origin{}, 0,
			"GET /a?b HTTP/1.1\r\nX-B: 1\r\nhOST: h\r\nx-a: 2\r\nX-B: 3\r\n" + tail + "\r\n"},
		{"hop-by-hop", "GET / HTTP/1.1\r\nHost: h\r\nConnection: X-Hop, close, Host, Content-Type\r\nX-Hop: 1\r\nContent-Type: t\r\nKeep-Alive: 1\r\nTE: trailers\r\nProxy-Authorization: p\r\nProxy-Connection: close\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\nExpect: 100-continue\r\n\r\n", Origin{}, 0,
			"GET / HTTP/1.1\r\nHost: h\r\nContent-Type: t\r\n" + tail + "\r\n"},
		{"what only the edge may say", "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Port: 1\r\nForwarded: for=1\r\nX-Request-Id: mine\r\nX-Edge-Replay: id=1\r\n\r\n", Origin{}, 0,
			"GET / HTTP/1.1\r\nHost: h\r\n" + tail + "\r\n"},
		{"from a trusted proxy", "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-For: 2.2.2.2\r\nX-Request-Id: mine\r\nX-Edge-Replay: id=1\r\n\r\n", Origin{Trusted: true}, 0,
			"GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-Proto: https\r\nX-Request-Id: mine\r\nX-Edge-Replay: id=1\r\nX-Forwarded-For: 1.1.1.1, 2.2.2.2, 192.0.2.1\r\nX-Forwarded-Host: h\r\n\r\n"},
		{"length", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n", Origin{}, 5,
			"POST / HTTP/1.1\r\nHost: h\r\n" + tail + "Content-Length: 5\r\n\r\n"},
		{"length of nothing", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", Origin{}, 0,
			"POST / HTTP/1.1\r\nHost: h\r\n" + tail + "Content-Length: 0\r\n\r\n"},
		{"chunked", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n", Origin{}, -1,
			"POST / HTTP/1.1\r\nHost: h\r\n" + tail + "Transfer-Encoding: chunked\r\n\r\n"},
		{"idempotency key", "POST / HTTP/1.1\r\nHost: h\r\n\r\n", Origin{Key: true}, 0,
			"POST / HTTP/1.1\r\nHost: h\r\n" + tail + "Idempotency-Key: ID\r\n\r\n"},
		{"the client's own key", "POST / HTTP/1.1\r\nHost: h\r\nIdempotency-Key: k\r\n\r\n", Origin{Key: true}, 0,
			"POST / HTTP/1.1\r\nHost: h\r\nIdempotency-Key: k\r\n" + tail + "\r\n"},
		{"replay", "POST / HTTP/1.1\r\nHost: h\r\nX-Edge-Replay: forged\r\n\r\n", Origin{Replay: "id=ID; attempt=1"}, 0,
			"POST / HTTP/1.1\r\nHost: h\r\n" + tail + "X-Edge-Replay: id=ID; attempt=1\r\n\r\n"},
		{"replay of what a trusted proxy replayed", "POST / HTTP/1.1\r\nHost: h\r\nX-Edge-Replay: id=1\r\n\r\n", Origin{Trusted: true, Replay: "id=ID; attempt=1"}, 0,
			"POST / HTTP/1.1\r\nHost: h\r\n" + tail + "X-Edge-Replay: id=ID; attempt=1\r\n\r\n"},
		{"websocket", "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", Origin{}, 0,
			"GET / HTTP/1.1\r\nHost: h\r\n" + tail + "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"},
		{"another host", "GET / HTTP/1.1\r\nA: 1\r\nhOST: h\r\nB: 2\r\n\r\n", Origin{Host: "app.internal:8080"}, 0,
			"GET / HTTP/1.1\r\nA: 1\r\nhOST: app.internal:8080\r\nB: 2\r\n" + tail + "\r\n"},
		{"another host, through a trusted proxy", "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-Host: client.test\r\n\r\n", Origin{Host: "app.internal", Trusted: true}, 0,
			"GET / HTTP/1.1\r\nHost: app.internal\r\nX-Forwarded-Host: client.test\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\nX-Request-Id: ID\r\n\r\n"},
		{"1.0", "GET / HTTP/1.0\r\nHost: h\r\n\r\n", Origin{}, 0, "GET / HTTP/1.1\r\nHost: h\r\n" + tail + "\r\n"},
		{"absolute form", "GET http://h/x HTTP/1.1\r\nHost: h\r\n\r\n", Origin{}, 0, "GET /x HTTP/1.1\r\nHost: h\r\n" + tail + "\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r http1.Request
			if _, err := r.Parse([]byte(tt.in)); err != nil {
				t.Fatal(err)
			}
			x := exchange.Exchange{Method: r.Method, Target: r.Target, Host: r.Host, Fields: r.Fields, Upgrade: r.Upgrade}
			o := tt.origin
			o.ID, o.Peer, o.Scheme = "ID", netip.MustParseAddr("192.0.2.1"), "http"
			got := string(AppendHead(nil, &x, &o, tt.length))
			if got != tt.out {
				t.Errorf("got\n%s\nwant\n%s", strings.ReplaceAll(got, "\r", ""), strings.ReplaceAll(tt.out, "\r", ""))
			}
			// What is written is read back by the strict parser.
			var again http1.Request
			if n, err := again.Parse([]byte(got)); err != nil || n != len(got) {
				t.Errorf("not a request: %d of %d, %v", n, len(got), err)
			}
		})
	}
}

func TestPick(t *testing.T) {
	app := NewApp("a", []*Endpoint{{Name: "0"}, {Name: "1"}, {Name: "2"}})
	app.endpoints[0].active.Store(2)
	app.endpoints[1].active.Store(1)
	app.endpoints[2].active.Store(3)
	if k := app.pick(0, 100); k != 1 {
		t.Errorf("picked %d, not the least busy", k)
	}
	if k := app.pick(1<<1, 100); k != 0 {
		t.Errorf("picked %d, not the least busy that was not tried", k)
	}
	app.endpoints[1].deadUntil.Store(200)
	if k := app.pick(0, 100); k != 0 {
		t.Errorf("picked %d, not a living one", k)
	}
	if k := app.pick(0, 200); k != 1 {
		t.Errorf("picked %d: the mark has ended", k)
	}
	app.endpoints[0].deadUntil.Store(300)
	app.endpoints[2].deadUntil.Store(400)
	if k := app.pick(0, 100); k != 1 {
		t.Errorf("picked %d: all are dead, the first to come back is tried", k)
	}
	if k := app.pick(7, 100); k != -1 {
		t.Errorf("picked %d of none", k)
	}
	// Equal ones take turns.
	even := NewApp("b", []*Endpoint{{}, {}, {}})
	seen := map[int]int{}
	for range 30 {
		seen[even.pick(0, 100)]++
	}
	if seen[0] != 10 || seen[1] != 10 || seen[2] != 10 {
		t.Errorf("turns: %v", seen)
	}
}

func TestKeepAlive(t *testing.T) {
	for value, want := range map[string]string{"timeout=5, max=100": "4s", "timeout=1": "0s", "max=3": "50s", "timeout=x": "50s", "timeout=900": "50s"} {
		f := exchange.Field{Name: []byte("Keep-Alive"), Value: []byte(value), ID: exchange.KeepAlive}
		if got := keepAlive([]exchange.Field{f}, idleTime).String(); got != want {
			t.Errorf("%q: %s, want %s", value, got, want)
		}
	}
}
