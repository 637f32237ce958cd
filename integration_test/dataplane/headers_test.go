package dataplane

import (
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-edge/holdfast/integration_test/edgetest"
)

// names joins the names of fields as they were written.
func names(fields []field) string {
	var n []string
	for _, f := range fields {
		n = append(n, f.name)
	}
	return strings.Join(n, " ")
}

// TestHeaders: order, case, repetition and bytes of fields survive in both directions;
// what concerns one connection does not.
func TestHeaders(t *testing.T) {
	s := newSuite(t, "")
	s.app.on("/headers", raw(true, "HTTP/1.1 200 Fine\r\nsErVeR: app\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nSet-Cookie: a=1\r\nx-b: 1\r\nSET-COOKIE: b=2\r\n"+
		"Connection: keep-alive, X-Hop, close-not\r\nX-HOP: gone\r\nKeep-Alive: timeout=60\r\nProxy-Connection: keep-alive\r\n"+
		"Upgrade: h2c\r\nProxy-Authenticate: Basic\r\nTE: trailers\r\nX-Request-Id: of-the-app\r\nX-Tab:\ta\tb \r\nX-Obs: caf\xe9\r\nX-Empty:\r\nX-B: 2\r\n"+
		"cOnTeNt-LeNgTh: 2\r\nX-Last: z\r\n\r\nok"))
	s.expect("/headers", "ok", 200, wantedBody{})
	s.expect("/chained", "ok", 200, wantedBody{})
	s.run(map[string]func(t *testing.T){
		"both ways": func(t *testing.T) {
			c := s.dial(t)
			c.send("POST /headers?q=%2F//..;x HTTP/1.1\r\nx-First: 1\r\nHOST: Quick.Test:80\r\nUser-agent: raw/1\r\nX-Dup: a\r\nx-dup: b\r\nX-Dup: c\r\n" +
				"Connection: close-not, X-Hop , keep-alive,, Content-Type\r\nX-Hop: gone\r\nContent-Type: text/odd\r\nKeep-Alive: timeout=9\r\n" +
				"Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic Zm9v\r\nTE: trailers\r\nUpgrade: websocket\r\nHTTP2-Settings: AAMAAABk\r\n" +
				"X-Forwarded-For: 6.6.6.6\r\nx-forwarded-proto: https\r\nX-Forwarded-Host: evil.test\r\nX-Forwarded-Port: 1\r\nForwarded: for=6.6.6.6\r\n" +
				"X-Request-ID: forged\r\nX-Edge-Replay: id=forged\r\nDNT: 1\r\nSec-GPC: 1\r\nCookie: a=b; c=\"d\"\r\nX-Obs: caf\xe9\r\nX-Empty:\r\nContent-length: 2\r\nX-Last: z\r\n\r\nhi")
			m := c.answer("POST")
			id := m.get("X-Request-Id")
			if m.status() != 200 || string(m.body) != "ok" || len(id) != 18 || id == "of-the-app" {
				t.Fatalf("got %+v", m)
			}
			if got, want := names(m.fields), "sErVeR Date Set-Cookie x-b SET-COOKIE X-Tab X-Obs X-Empty X-B X-Last X-Request-Id Content-Length"; got != want {
				t.Errorf("the client got the fields\n%s, want\n%s", got, want)
			}
			if v := m.get("x-tab"); v != "a\tb" {
				t.Errorf("X-Tab: %q", v)
			}
			if v := m.get("X-Obs"); v != "caf\xe9" {
				t.Errorf("X-Obs: %q", v)
			}

			r := s.app.requests("/headers")
			if len(r) != 1 {
				t.Fatalf("the app got %d requests", len(r))
			}
			if r[0].start != "POST /headers?q=%2F//..;x HTTP/1.1" {
				t.Errorf("the app got %q", r[0].start)
			}
			if got, want := names(r[0].fields), "x-First HOST User-agent X-Dup x-dup X-Dup Content-Type DNT Sec-GPC Cookie X-Obs X-Empty X-Last "+
				"X-Forwarded-For X-Forwarded-Proto X-Forwarded-Host X-Request-Id Content-Length"; got != want {
				t.Errorf("the app got the fields\n%s, want\n%s", got, want)
			}
			for name, want := range map[string]string{"Host": "Quick.Test:80", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": edgetest.Scheme(),
				"X-Forwarded-Host": "Quick.Test:80", "X-Request-Id": id, "X-Dup": "a, b, c", "X-Obs": "caf\xe9", "Cookie": `a=b; c="d"`} {
				if got := r[0].get(name); got != want {
					t.Errorf("the app got %s: %q, want %q", name, got, want)
				}
			}
		},
		"not trusted": func(t *testing.T) {
			c := s.dial(t)
			c.send(request("GET", "/chained", "quick.test", "X-Forwarded-For: 1.2.3.4, 127.0.0.1", "X-Forwarded-Proto: https", "X-Request-Id: mine"))
			m := c.answer("GET")
			r := s.app.requests("/chained")
			if m.status() != 200 || len(r) != 1 || r[0].get("X-Forwarded-For") != "127.0.0.1" || r[0].get("X-Forwarded-Proto") != edgetest.Scheme() ||
				r[0].get("X-Request-Id") != m.get("X-Request-Id") {
				t.Errorf("the app got %+v", r)
			}
		},
	})
}

// TestTrustedProxy: the word of a trusted proxy is kept and continued.
func TestTrustedProxy(t *testing.T) {
	s := newSuite(t, "trusted_proxies: [127.0.0.0/8]\n")
	s.expect("/trusted", "ok", 200, wantedBody{})
	s.expect("/trusted/two-lines", "ok", 200, wantedBody{})
	s.run(map[string]func(t *testing.T){
		"kept": func(t *testing.T) {
			c := s.dial(t)
			c.send(request("GET", "/trusted", "quick.test", "X-Forwarded-For: 198.51.100.7, 127.0.0.9", "X-Forwarded-Proto: https",
				"X-Forwarded-Host: shop.test", "X-Request-Id: outer-1", "X-Edge-Stage: x"))
			m := c.answer("GET")
			r := s.app.requests("/trusted")
			if m.status() != 200 || len(r) != 1 {
				t.Fatalf("got %+v, the app %d", m, len(r))
			}
			for name, want := range map[string]string{"X-Forwarded-For": "198.51.100.7, 127.0.0.9, 127.0.0.1", "X-Forwarded-Proto": "https",
				"X-Forwarded-Host": "shop.test", "X-Request-Id": "outer-1", "X-Edge-Stage": "x"} {
				if got := r[0].get(name); got != want {
					t.Errorf("the app got %s: %q, want %q", name, got, want)
				}
			}
		},
		"two lines are one list": func(t *testing.T) {
			c := s.dial(t)
			c.send(request("GET", "/trusted/two-lines", "quick.test", "X-Forwarded-For: 198.51.100.7", "X-Other: x", "X-Forwarded-For: 203.0.113.5, 127.0.0.9"))
			c.answer("GET")
			r := s.app.requests("/trusted/two-lines")
			if len(r) != 1 || r[0].get("X-Forwarded-For") != "198.51.100.7, 203.0.113.5, 127.0.0.9, 127.0.0.1" {
				t.Errorf("the app got %+v", r)
			}
		},
	})
	t.Run("client", func(t *testing.T) {
		var got []string
		for _, r := range s.edge.Records("--path", "/trusted") {
			got = append(got, r.Request.ClientIP)
		}
		slices.Sort(got)
		if strings.Join(got, " ") != "198.51.100.0 203.0.113.0" {
			t.Errorf("recorded clients: %q", got)
		}
	})
}

// TestTargets: the target is forwarded byte for byte, the absolute-form as its path.
func TestTargets(t *testing.T) {
	s := newSuite(t, "")
	cases := map[string]func(t *testing.T){}
	for i, tc := range []struct{ method, sent, got string }{
		{"GET", "/targets/a%2Fb%2e%zz?x=%20+&y", "/targets/a%2Fb%2e%zz?x=%20+&y"},
		{"GET", "/targets/@scope%2Fname", "/targets/@scope%2Fname"},
		{"GET", "/targets//double//slash/", "/targets//double//slash/"},
		{"GET", "/targets/a;b=c|d^{}\\\"<>`", "/targets/a;b=c|d^{}\\\"<>`"},
		{"GET", "http://quick.test/targets/absolute?x", "/targets/absolute?x"},
		{"GET", "HTTP://quick.test/targets/upper", "/targets/upper"},
		{"OPTIONS", "*", "*"},
		{"GET", "http://quick.test", "/"},
		{"GET", "/?empty=", "/?empty="},
		{"PROPFIND", "/targets/webdav", "/targets/webdav"},
	} {
		cases[tc.sent] = func(t *testing.T) {
			path, _, _ := strings.Cut(tc.got, "?")
			c := s.dial(t)
			c.send(request(tc.method, tc.sent, "quick.test"))
			if m := c.answer(tc.method); m.status() != 200 {
				t.Errorf("%d: got %q", i, m.start)
			}
			found := slices.ContainsFunc(s.app.requests(path), func(r *message) bool { return r.start == tc.method+" "+tc.got+" HTTP/1.1" })
			if !found {
				t.Errorf("the app did not get %s %s", tc.method, tc.got)
			}
		}
	}
	s.run(cases)
}
