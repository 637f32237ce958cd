package clients

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/integration_test/edgetest"
)

// nginx runs Debian's nginx with the server blocks until the test ends.
func nginx(t *testing.T, addr, server string) {
	t.Helper()
	path, dir := need(t, "nginx"), t.TempDir()
	config := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf(`
daemon off; worker_processes 1; pid %[1]s/pid; error_log stderr error;
events { worker_connections 512; }
http {
  access_log off; client_max_body_size 64m; keepalive_timeout 1s;
  client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  server { listen %[2]s; %[3]s }
}
`, dir, addr, server)
	if os.Geteuid() == 0 {
		text = "user root;" + text
	}
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	spawn(t, path, "-p", dir, "-c", config, "-e", "stderr")
	waitListen(t, addr)
}

// haproxy runs Debian's haproxy with the frontend and backend lines until the test ends.
func haproxy(t *testing.T, addr, frontend, backend string) {
	t.Helper()
	path := need(t, "haproxy")
	config := filepath.Join(t.TempDir(), "haproxy.cfg")
	text := fmt.Sprintf(`
global
  maxconn 512
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  timeout http-keep-alive 1s
frontend f
  bind %s
%s
%s
`, addr, frontend, backend)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	spawn(t, path, "-db", "-f", config)
	waitListen(t, addr)
}

// fetch sends one request to an address under a host name.
func fetch(t *testing.T, method, addr, host, target string, body io.Reader, fields ...string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+addr+target, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	for i := 0; i < len(fields); i += 2 {
		req.Header.Add(fields[i], fields[i+1])
	}
	client := &http.Client{Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	defer res.Body.Close()
	p, err := io.ReadAll(res.Body)
	if err != nil {
		t.Errorf("%s %s: %v", method, target, err)
	}
	return res, p
}

// TestNginxBehind: nginx as the app: files by sendfile, ranges, gzip in chunks, HEAD,
// 304, its own early refusals, and its keep-alive that ends after a second.
func TestNginxBehind(t *testing.T) {
	root, addr := t.TempDir(), edgetest.FreeAddr(t)
	big := bytes.Repeat([]byte("0123456789abcdef\n"), 8<<20/17)
	if err := os.WriteFile(filepath.Join(root, "big.txt"), big, 0o644); err != nil {
		t.Fatal(err)
	}
	nginx(t, addr, `root `+root+`; if_modified_since before; gzip on; gzip_types *; gzip_min_length 1;
    location = /empty { return 204; } location = /hello { return 200 "hello"; } location = /small { client_max_body_size 1k; proxy_pass http://`+addr+`/hello; }
    location = /fail { return 503 "busy"; }`)
	e := start(t, `
listen: {http: ADDR}
data: data
apps: {nginx: "http://`+addr+`"}
sites: [{hosts: [app.test], app: nginx}]
`)
	for round := range 3 {
		for _, tc := range []struct {
			method, target string
			body           []byte
			fields         []string
			status         int
			want           []byte // nil: any
		}{
			{"GET", "/big.txt", nil, []string{"Accept-Encoding", "identity"}, 200, big},
			{"GET", "/big.txt", nil, nil, 200, big}, // gzip, in chunks; the client unpacks it
			{"GET", "/big.txt", nil, []string{"Range", "bytes=1000-1999"}, 206, big[1000:2000]},
			{"HEAD", "/big.txt", nil, nil, 200, []byte{}},
			{"GET", "/big.txt", nil, []string{"If-Modified-Since", time.Now().UTC().Format(http.TimeFormat)}, 304, []byte{}},
			{"GET", "/empty", nil, nil, 204, []byte{}},
			{"GET", "/hello", nil, nil, 200, []byte("hello")},
			{"POST", "/hello", []byte("data"), nil, 200, []byte("hello")},
			{"POST", "/big.txt", []byte("data"), nil, 405, nil},
			{"POST", "/small", big[:1<<20], nil, 413, nil}, // refused before it was read
			{"GET", "/missing", nil, nil, 404, nil},
			{"POST", "/fail", []byte("visit"), nil, 503, []byte("busy")},
		} {
			res, p := fetch(t, tc.method, e.Addr, "app.test", tc.target, bytes.NewReader(tc.body), tc.fields...)
			if res.StatusCode != tc.status || tc.want != nil && !bytes.Equal(p, tc.want) {
				t.Errorf("%s %s %v: %d with %d bytes, want %d", tc.method, tc.target, tc.fields, res.StatusCode, len(p), tc.status)
			}
		}
		if round < 2 {
			time.Sleep(950*time.Millisecond + time.Duration(round)*100*time.Millisecond)
		}
	}
	for _, r := range e.Records("--path", "/small", "--payload") {
		if r.Outcome != "upstream_4xx" || !r.Body.Complete || !bytes.Equal(r.Body.Base64, big[:1<<20]) {
			t.Errorf("the refused upload is recorded as %s %d, %d bytes, complete %v", r.Outcome, r.Status, r.Body.Bytes, r.Body.Complete)
		}
	}
	if r := e.Records("--outcome", "upstream_down,timeout,rejected,client_abort"); len(r) != 0 {
		t.Errorf("recorded: %+v", r)
	}
}

// TestHAProxyBehind: haproxy between the edge and an app.
func TestHAProxyBehind(t *testing.T) {
	app, addr := edgetest.NewApp(t), edgetest.FreeAddr(t)
	haproxy(t, addr, `  http-request return status 200 content-type text/plain string "from haproxy" if { path /own }
  http-request deny deny_status 403 if { path /denied }
  default_backend b`, "backend b\n  server s "+strings.TrimPrefix(app.URL, "http://"))
	e := start(t, `
listen: {http: ADDR}
data: data
apps: {haproxy: "http://`+addr+`"}
sites: [{hosts: [app.test], app: haproxy}]
`)
	big := pattern(3 << 20)
	for round := range 3 {
		for _, tc := range []struct {
			method, target string
			body           io.Reader
			status         int
			want           string
		}{
			{"GET", "/own", nil, 200, "from haproxy"},
			{"POST", "/own", strings.NewReader("data"), 200, "from haproxy"},
			{"POST", "/app", bytes.NewReader(big), 200, "ok"},
			{"POST", "/app", io.MultiReader(bytes.NewReader(big)), 200, "ok"},
			{"HEAD", "/app", nil, 200, ""},
		} {
			res, p := fetch(t, tc.method, e.Addr, "app.test", tc.target, tc.body)
			if res.StatusCode != tc.status || string(p) != tc.want {
				t.Errorf("round %d: %s %s: %d %q", round, tc.method, tc.target, res.StatusCode, p)
			}
		}
		time.Sleep(950*time.Millisecond + time.Duration(round)*50*time.Millisecond)
	}
	for _, g := range app.Requests() {
		if g.Method == "POST" && !bytes.Equal(g.Body, big) {
			t.Errorf("the app got %d bytes", len(g.Body))
		}
	}
	if res, _ := fetch(t, "POST", e.Addr, "app.test", "/denied", bytes.NewReader(big)); res.StatusCode != 403 {
		t.Errorf("a denied upload got %s", res.Status)
	}
	app.Down() // haproxy answers 503 by itself
	if res, _ := fetch(t, "POST", e.Addr, "app.test", "/down", strings.NewReader("a visit")); res.StatusCode != 503 {
		t.Errorf("got %s", res.Status)
	}
	if r := e.Records("--path", "/down", "--payload"); len(r) != 1 || r[0].Outcome != "upstream_5xx" || string(r[0].Body.Base64) != "a visit" {
		t.Errorf("recorded: %+v", r)
	}
}

// TestInFront: nginx and haproxy as proxies in front of the edge, trusted and not.
func TestInFront(t *testing.T) {
	app := edgetest.NewApp(t)
	const visitor = "203.0.113.9"
	config := `
listen: {http: ADDR}
data: data
apps: {app: "` + app.URL + `"}
sites: [{hosts: [app.test], app: app}]
`
	for name, proxy := range map[string]func(t *testing.T, addr, edge string){
		"nginx": func(t *testing.T, addr, edge string) {
			nginx(t, addr, `location / { proxy_pass http://`+edge+`; proxy_http_version 1.1; proxy_set_header Connection "";
  proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto https; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
  proxy_set_header X-Request-Id outer-id; proxy_request_buffering off; }`)
		},
		"haproxy": func(t *testing.T, addr, edge string) {
			haproxy(t, addr, `  http-request set-header X-Forwarded-Proto https
  http-request set-header X-Request-Id outer-id
  option forwardfor
  default_backend b`, "backend b\n  server s "+edge)
		},
	} {
		for trusted, more := range map[bool]string{true: "trusted_proxies: [127.0.0.1/32]\n", false: ""} {
			t.Run(fmt.Sprintf("%s trusted %v", name, trusted), func(t *testing.T) {
				app.Forget()
				e := start(t, config+more)
				addr := edgetest.FreeAddr(t)
				proxy(t, addr, e.Addr)
				big := pattern(2 << 20)
				for range 3 {
					res, p := fetch(t, "POST", addr, "app.test", "/front?x", io.MultiReader(bytes.NewReader(big)), "X-Forwarded-For", visitor)
					if res.StatusCode != 200 || string(p) != "ok" || res.Header.Get("X-Request-Id") == "" {
						t.Fatalf("%s %q", res.Status, p)
					}
				}
				for _, g := range app.Requests() {
					chain := strings.Join(g.Header.Values("X-Forwarded-For"), ", ")
					proto, id := g.Header.Get("X-Forwarded-Proto"), g.Header.Get("X-Request-Id")
					if g.Host != "app.test" || !bytes.Equal(g.Body, big) || g.URI != "/front?x" {
						t.Errorf("the app got %s %s with %d bytes", g.Host, g.URI, len(g.Body))
					}
					if trusted && (chain != visitor+", 127.0.0.1, 127.0.0.1" || proto != "https" || id != "outer-id") ||
						!trusted && (chain != "127.0.0.1" || proto != "http" || id == "outer-id") {
						t.Errorf("the app got X-Forwarded-For %q, -Proto %q, X-Request-Id %q", chain, proto, id)
					}
				}
				if n := len(app.Requests()); n != 3 {
					t.Errorf("the app got %d requests", n)
				}
				want := "127.0.0.0"
				if trusted {
					want = "203.0.113.0"
				}
				var records []edgetest.Record
				waitUntil(t, "three are recorded", func() bool { records = e.Records(); return len(records) == 3 })
				for _, r := range records {
					if r.Request.ClientIP != want || r.Outcome != "ok" {
						t.Errorf("recorded as %s for %s, want %s", r.Outcome, r.Request.ClientIP, want)
					}
				}
			})
		}
	}
}
