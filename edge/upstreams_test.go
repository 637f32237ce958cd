package edge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/holdfast-edge/holdfast/accesslog"
	"github.com/holdfast-edge/holdfast/configs"
	"github.com/holdfast-edge/holdfast/edge/exchange"
	"github.com/holdfast-edge/holdfast/edge/upstream"
)

// loadText loads a configuration.
func loadText(t *testing.T, text string) *configs.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "edge.yaml")
	if err := os.WriteFile(path, []byte("listen: {http: \"127.0.0.1:0\"}\n"+text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := configs.Load(path, configs.Options{Getenv: func(string) (string, bool) { return "", false }})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// An app is taken over by a reload if nothing about it has changed.
func TestSameApp(t *testing.T) {
	authority, err := os.ReadFile("../configs/testdata/good/ca.pem")
	if err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	write := func(p []byte) {
		if err := os.WriteFile(ca, p, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(authority)
	const base = `{upstreams: ["https://127.0.0.1:3000"], host: keep, tls: {ca: CA, server_name: a}, timeouts: {connect: 1s, response: 2s}, health: {path: /a, interval: 5s}, idempotent: true, max_connections: 3}`
	load := func(app string) *configs.App {
		return loadText(t, "apps: {a: "+strings.ReplaceAll(app, "CA", ca)+"}\nsites: [{hosts: [a.test], app: a}]\n").App("a")
	}
	was := load(base)
	if !sameApp(was, load(base)) || !sameApp(was, load(strings.Replace(base, "127.0.0.1:3000\"]", "127.0.0.1:3000\" ]", 1))) {
		t.Error("the same app is not the same")
	}
	for _, change := range [][2]string{
		{"3000", "3001"}, {"host: keep", "host: upstream"}, {"server_name: a", "server_name: b"}, {"connect: 1s", "connect: 3s"},
		{"response: 2s", "response: 3s"}, {"path: /a", "path: /b"}, {"interval: 5s", "interval: 6s"}, {"idempotent: true", "idempotent: false"},
		{"max_connections: 3", "max_connections: 4"}, {", server_name: a", ""}, {`"https://127.0.0.1:3000"`, `"https://127.0.0.1:3000", "http://127.0.0.1:3002"`},
	} {
		if app := strings.Replace(base, change[0], change[1], 1); app == base || sameApp(was, load(app)) {
			t.Errorf("%s: still the same", change[1])
		}
	}
	write(append([]byte("# renewed\n"), authority...))
	if sameApp(was, load(base)) {
		t.Error("another file of authorities: still the same")
	}
}

// Checks go on under the next generation if the app is the same, and end with their
// own if it is not.
func TestChecksFollowReloads(t *testing.T) {
	var mu sync.Mutex
	count := map[string]int{}
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		count[r.URL.Path]++
	}))
	defer s.Close()
	checked := func(path string) int {
		mu.Lock()
		defer mu.Unlock()
		return count[path]
	}
	more := func(path string) {
		t.Helper()
		was := checked(path)
		for end := time.Now().Add(10 * time.Second); checked(path) < was+2; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s is not checked", path)
			}
		}
	}
	config := func(path, more string) *configs.Config {
		return loadText(t, fmt.Sprintf("apps: {a: {upstreams: [%q], health: {path: %s, interval: 100ms}}}\nsites: [{hosts: [a.test], app: a}]\n%s", s.URL, path, more))
	}
	e := newEdge(zerolog.Nop(), nil, nil, config("/one", ""))
	e.gate = new(levelGate)
	first := e.live.Load().apps["a"]
	e.live.Load().start(nil)
	more("/one")
	for _, step := range []struct {
		path, more string
		same       bool
	}{{"/one", "unmatched: {respond: 404}", true}, {"/two", "", false}} {
		cfg := config(step.path, step.more)
		cfg.Data, cfg.Admin = e.live.Load().cfg.Data, e.live.Load().cfg.Admin
		if err := e.swap(cfg); err != nil {
			t.Fatal(err)
		}
		if same := e.live.Load().apps["a"] == first; same != step.same {
			t.Errorf("%s: the same app %v", step.path, same)
		}
		more(step.path)
	}
	was := checked("/one")
	more("/two")
	if n := checked("/one"); n != was {
		t.Errorf("%d checks of a generation that is over", n-was)
	}
	e.closeListeners()
	e.live.Load().apps["a"].Close()
}

// A change of an upstream is told once, with what to do about it.
func TestToldOnce(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	var said bytes.Buffer
	e := newEdge(zerolog.New(&said), nil, nil, loadText(t, fmt.Sprintf("apps: {a: {upstreams: [%q]}, b: %q}\nsites: [{hosts: [a.test], app: a}, {hosts: [b.test], app: b}]\n",
		secure.URL, strings.Replace(plain.URL, "http:", "https:", 1))))
	for _, name := range []string{"a", "b"} {
		app := e.live.Load().apps[name]
		defer app.Close()
		for range 3 {
			var tried upstream.Tried
			if _, err := app.Acquire(t.Context(), nil, time.Now(), &tried, false); err == nil {
				t.Error("connected")
			}
		}
	}
	lines := strings.Split(strings.TrimSpace(said.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], "tls: {ca: FILE}") || !strings.Contains(lines[0], secure.URL) || !strings.Contains(lines[1], "write http://") {
		t.Errorf("%s", said.String())
	}
}

// With all its connections in use an app's requests wait, and are answered 503 and
// recorded if that takes too long; a client that leaves meanwhile is noticed.
func TestBusyApp(t *testing.T) {
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hold" {
			<-release
		}
	}))
	defer s.Close()
	config := fmt.Sprintf("apps: {a: {upstreams: [%q], max_connections: 1, timeouts: {connect: 3s}}}\nsites: [{hosts: [a.test], app: a}]\n", s.URL)
	e, addr, data := startEdge(t, config, func(s *accesslog.Store) Store { return s })
	const post = "POST /visit HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi"
	_, held := ask(t, addr, "GET /hold HTTP/1.1\r\nHost: a.test\r\n\r\n")
	app := e.live.Load().apps["a"]
	waitFor(t, func() bool { return app.Status().InUse == 1 })
	leaver, _ := ask(t, addr, post)
	waitFor(t, func() bool { return app.Status().Waiting == 1 })
	_ = leaver.Close()
	began := time.Now()
	waitFor(t, func() bool { return app.Status().Waiting == 0 })
	if d := time.Since(began); d > 2*time.Second {
		t.Errorf("the client that left was noticed after %v", d)
	}
	_, refused := ask(t, addr, post)
	if resp, err := http.ReadResponse(refused, nil); err != nil || resp.StatusCode != 503 {
		t.Errorf("%v %v", resp, err)
	}
	_, patient := ask(t, addr, post)
	waitFor(t, func() bool { return app.Status().Waiting == 1 })
	close(release)
	for _, r := range []io.Reader{held, patient} {
		p := make([]byte, 15)
		if _, err := io.ReadFull(r, p); err != nil || string(p) != "HTTP/1.1 200 OK" {
			t.Errorf("%q %v", p, err)
		}
	}
	found := map[string]string{}
	reader, err := accesslog.OpenReader(data)
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool {
		clear(found)
		_, err := reader.Scan(t.Context(), accesslog.Filter{Paths: []string{"/visit"}}, func(e *accesslog.Entry) error {
			found[fmt.Sprint(e.Outcome, e.Status)] = fmt.Sprintf("%v %d %v; %s", e.Captured(), e.Body.Bytes, e.Body.Complete, e.Reason)
			return nil
		})
		return err == nil && len(found) == 3
	})
	if got := found["upstream_down 503"]; got != "true 2 true; all connections that the app may have (max_connections) were in use" {
		t.Errorf("%v", found)
	}
	if got := found["client_abort 499"]; !strings.HasPrefix(got, "true 2 true") {
		t.Errorf("%v", found)
	}
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not within ten seconds")
		}
	}
}

// The admin socket tells how every upstream stands.
func TestStatusOfUpstreams(t *testing.T) {
	e := newEdge(zerolog.Nop(), nil, nil, loadText(t, "apps: {b: \"http://127.0.0.1:1\", a: {upstreams: [\"unix:x.sock\", \"https://[::1]:9\"], health: {path: /}, max_connections: 4}}\nsites: [{hosts: [a.test], app: a}, {hosts: [b.test], app: b}]\n"))
	w := httptest.NewRecorder()
	e.adminStatus(w, accesslog.Stats{})
	var got struct {
		Apps []upstream.Status `json:"apps"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Apps) != 2 || got.Apps[0].Name != "b" || got.Apps[1].Connections != 4 ||
		!strings.HasSuffix(got.Apps[1].Upstreams[0].URL, "/x.sock") || got.Apps[1].Upstreams[1].Health != upstream.Unchecked {
		t.Errorf("%s", w.Body)
	}
}

// Who the client is, by trusted proxies with IPv4 and IPv6 addresses.
func TestTrustedProxies(t *testing.T) {
	const proxies = "trusted_proxies: [127.0.0.1/32, 10.0.0.0/8, \"::1/128\", \"2001:db8:1::/48\"]\n"
	tests := []struct {
		peer   string
		fields []string // X-Forwarded-For
		client string
	}{
		{"192.0.2.1", []string{"203.0.113.9"}, "192.0.2.1"},
		{"2001:db8:2::1", []string{"203.0.113.9"}, "2001:db8:2::1"},
		{"127.0.0.1", nil, "127.0.0.1"},
		{"127.0.0.1", []string{"203.0.113.9"}, "203.0.113.9"},
		{"::1", []string{"2001:db8:9::1"}, "2001:db8:9::1"},
		{"2001:db8:1:ffff::1", []string{"2001:db8:9::1, 10.1.2.3"}, "2001:db8:9::1"},
		{"10.0.0.1", []string{"203.0.113.9, [2001:db8:1::5]:443"}, "203.0.113.9"},
		{"10.0.0.1", []string{"6.6.6.6, 203.0.113.9"}, "203.0.113.9"},
		{"10.0.0.1", []string{"6.6.6.6", "203.0.113.9", "10.1.1.1"}, "203.0.113.9"},
		{"10.0.0.1", []string{"::ffff:203.0.113.9"}, "203.0.113.9"},
		{"10.0.0.1", []string{"fe80::1%eth0"}, "fe80::1"},
		{"10.0.0.1", []string{"10.0.0.2, 10.0.0.3"}, "10.0.0.2"},
		{"10.0.0.1", []string{"6.6.6.6, unknown"}, "10.0.0.1"},
		{"10.0.0.1", []string{"6.6.6.6", "unknown"}, "10.0.0.1"},
		{"10.0.0.1", []string{"6.6.6.6, _hidden, 10.0.0.2"}, "10.0.0.2"},
	}
	e := newEdge(zerolog.Nop(), nil, nil, loadText(t, proxies+"apps: {}\nsites: []\n"))
	for _, tt := range tests {
		x := &exchange.Exchange{Remote: netip.AddrPortFrom(netip.MustParseAddr(tt.peer), 1), Scheme: "http"}
		for _, v := range tt.fields {
			x.Fields = append(x.Fields, exchange.Field{Name: []byte("X-Forwarded-For"), Value: []byte(v), ID: exchange.XForwardedFor})
		}
		f := &flight{edge: e, gen: e.live.Load(), x: x}
		f.findClient()
		if got := f.client.addr.Addr().String(); got != tt.client {
			t.Errorf("%s says %q: %s, want %s", tt.peer, tt.fields, got, tt.client)
		}
	}
}

// An IPv6 upstream and an IPv6 client.
func TestIPv6(t *testing.T) {
	ln, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skipf("no IPv6 here: %v", err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, r.Host, " ", r.Header.Get("X-Forwarded-For"), " ", r.Header.Get("X-Forwarded-Host"))
	}))
	_ = s.Listener.Close()
	s.Listener = ln
	s.Start()
	defer s.Close()
	_, addr, _ := startEdge(t, fmt.Sprintf("apps: {a: {upstreams: [%q], host: upstream}}\nsites: [{hosts: [a.test], app: a}]\n", s.URL), func(s *accesslog.Store) Store { return s })
	_, r := ask(t, addr, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.TrimPrefix(s.URL, "http://") + " 127.0.0.1 a.test"
	if p, err := io.ReadAll(resp.Body); err != nil || string(p) != want {
		t.Errorf("%q %v, want %q", p, err, want)
	}
}

// An address that leads back to the edge itself is not connected to: one request would
// come in again and again until nothing else could.
func TestLoop(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	_ = ln.Close()
	_, port, _ := net.SplitHostPort(addr)
	cfg := loadText(t, "apps: {a: \"http://127.0.0.1:1\"}\nsites: [{hosts: [a.example], app: a}]\n")
	cfg.Listen.HTTP = []string{addr}
	e := newEdge(zerolog.Nop(), nil, nil, cfg)
	opened, err := openListeners(nil, listenAddresses(cfg))
	if err != nil {
		t.Fatal(err)
	}
	e.startListeners(opened, listenAddresses(cfg))
	t.Cleanup(func() {
		e.closeListeners()
		if err := e.server.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	for own, want := range map[string]bool{addr: true, "127.0.0.1:1": false, "[::1]:" + port: false, "192.0.2.1:" + port: false} {
		if got := e.own(netip.MustParseAddrPort(own)); got != want {
			t.Errorf("%s: %v", own, got)
		}
	}
	a := upstream.NewApp("a", []*upstream.Endpoint{{Address: addr, Name: "http://" + addr}})
	a.Connect = time.Second
	var told error
	a.Marked, a.Own = func(_ string, cause error) { told = cause }, e.own
	var tried upstream.Tried
	_, err = a.Acquire(t.Context(), nil, time.Now(), &tried, false)
	if !errors.Is(err, upstream.ErrLoop) || !errors.Is(told, upstream.ErrLoop) {
		t.Errorf("%v; told %v", err, told)
	}
	if reason := upstream.Reason(err); !strings.Contains(reason, "back to this edge") {
		t.Error(reason)
	}
}
