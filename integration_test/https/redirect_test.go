package https

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/integration_test/edgetest"
)

// TestRedirect: what plain HTTP gets, for every kind of host.
func TestRedirect(t *testing.T) {
	s := start(t, "")
	p := port(s.Secure)
	long := strings.Repeat("x", 200<<10)
	for _, test := range []struct {
		name, raw string
		status    int
		to        string // without https://
		outcome   string
	}{
		{"path and query", "GET /p/a%41th//../x;y?q=%20&z=a+b HTTP/1.1\r\nHost: a.test\r\n\r\n", 308, "a.test" + p + "/p/a%41th//../x;y?q=%20&z=a+b", "ok"},
		{"nothing but a query", "GET /? HTTP/1.1\r\nHost: b.test\r\n\r\n", 308, "b.test" + p + "/?", "ok"},
		{"a port", "GET / HTTP/1.1\r\nHost: b.test:8080\r\n\r\n", 308, "b.test" + p + "/", "ok"},
		{"a wildcard", "GET /w HTTP/1.1\r\nHost: WWW.a.test.\r\n\r\n", 308, "www.a.test" + p + "/w", "ok"},
		{"absolute form", "GET http://a.test/abs?1 HTTP/1.1\r\nHost: a.test\r\n\r\n", 308, "a.test" + p + "/abs?1", "ok"},
		{"two slashes", "GET //evil.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n", 308, "a.test" + p + "//evil.test/", "ok"},
		{"asterisk", "OPTIONS * HTTP/1.1\r\nHost: b.test\r\n\r\n", 308, "b.test" + p + "/", "ok"},
		{"HEAD", "HEAD /h HTTP/1.1\r\nHost: a.test\r\n\r\n", 308, "a.test" + p + "/h", "ok"},
		{"a local answer", "GET /hello HTTP/1.1\r\nHost: a.test\r\n\r\n", 308, "a.test" + p + "/hello", "ok"},
		{"no route", "GET /none HTTP/1.1\r\nHost: routes.test\r\n\r\n", 308, "routes.test" + p + "/none", "ok"},
		{"POST", "POST /v HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nvisit", 308, "a.test" + p + "/v", "ok"},
		{"a long POST", "POST /v HTTP/1.1\r\nHost: a.test\r\nContent-Length: 204800\r\n\r\n" + long, 308, "a.test" + p + "/v", "ok"},
		{"chunked", "POST /v HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nvisit\r\n0\r\n\r\n", 308, "a.test" + p + "/v", "ok"},
		{"expecting", "POST /v HTTP/1.1\r\nHost: a.test\r\nContent-Length: 900000\r\nExpect: 100-continue\r\n\r\n", 308, "a.test" + p + "/v", "ok"},
		{"HTTP/1.0", "GET /0 HTTP/1.0\r\nHost: a.test\r\n\r\n", 308, "a.test" + p + "/0", "ok"},
		{"forged", "GET /f HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-Proto: https\r\n\r\n", 308, "a.test" + p + "/f", "ok"},
		{"not wanted", "GET /m HTTP/1.1\r\nHost: mixed.test\r\n\r\n", 200, "", "ok"},
		{"no certificate", "GET /p HTTP/1.1\r\nHost: plain.test\r\n\r\n", 200, "", "ok"},
		{"nobody", "GET /n HTTP/1.1\r\nHost: nobody.test\r\n\r\n", 421, "", "no_route"},
		{"an address", "GET /n HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 421, "", "no_route"},
		{"no host", "GET /n HTTP/1.0\r\n\r\n", 400, "", "rejected"},
		{"two ways", "GET /y/../x/../z HTTP/1.1\r\nHost: a.test\r\n\r\n", 400, "", "rejected"},
		{"malformed", "GET /%zz HTTP/1.1\r\nHost: a.test\r\n\r\n", 400, "", "rejected"},
	} {
		t.Run(test.name, func(t *testing.T) {
			res, body := plain(t, s.Addr, test.raw)
			to := test.to
			if to != "" {
				to = "https://" + to
			}
			if res.StatusCode != test.status || res.Header.Get("Location") != to || to != "" && body != "" {
				t.Errorf("%s to %q, want %d to %q; %q", res.Status, res.Header.Get("Location"), test.status, to, body)
			}
			r := s.records(t, 1, "--id", res.Header.Get("X-Request-Id"))[0]
			if r.Outcome != test.outcome || r.Status != test.status || test.status == 308 && (r.App != "" || r.Site == "" || r.Upstream != "") || r.Request.TLS != nil {
				t.Errorf("recorded: %+v", r)
			}
		})
	}
	for _, g := range s.app.Requests() {
		if g.Host != "mixed.test" && g.Host != "plain.test" {
			t.Errorf("the app got %s %s %s", g.Method, g.Host, g.URI)
		}
		if proto := g.Header.Get("X-Forwarded-Proto"); proto != "http" {
			t.Errorf("the app was told %q", proto)
		}
	}

	// The connection goes on, also with a body that was not wanted.
	c, err := net.DialTimeout("tcp", s.Addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(c, strings.Repeat("POST /k HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nvisit", 3))
	text := make([]byte, 4096)
	n := 0
	for strings.Count(string(text[:n]), "HTTP/1.1 308") < 3 {
		k, err := c.Read(text[n:])
		if err != nil {
			t.Fatalf("%v after %q", err, text[:n])
		}
		n += k
	}
}

// TestRedirectBehindProxy: a trusted proxy that had TLS with the client is not sent in
// circles.
func TestRedirectBehindProxy(t *testing.T) {
	s := start(t, "trusted_proxies: [127.0.0.0/8]")
	for proto, want := range map[string]int{"https": 200, "http": 308} {
		res, _ := plain(t, s.Addr, "GET / HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: "+proto+"\r\n\r\n")
		if res.StatusCode != want {
			t.Errorf("%s: %s", proto, res.Status)
		}
	}
}

// TestReload: certificates, addresses and sites change without a connection lost; what
// is not good changes nothing.
func TestReload(t *testing.T) {
	s := start(t, "")
	serial := func(name string) string {
		return fmt.Sprint(s.dial(t, name).ConnectionState().PeerCertificates[0].SerialNumber)
	}
	before := serial("a.test")
	kept := s.dial(t, "a.test")
	if res, _ := kept.ask(t, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"); res.StatusCode != 200 {
		t.Fatal(res.Status)
	}

	// The same file, a new certificate.
	s.ca.Certificate(t, "a", "a.test", "*.a.test")
	if serial("a.test") != before {
		t.Error("it changed before anybody looked")
	}
	s.Reload("reloaded")
	now := serial("a.test")
	if now == before {
		t.Error("the old certificate is served")
	}

	// A certificate for somebody else, and the key of another.
	s.ca.Certificate(t, "a", "other.test")
	s.Reload("reload refused")
	if !strings.Contains(s.Log(), "does not cover") || serial("a.test") != now {
		t.Errorf("after a bad certificate:\n%s", s.Log())
	}
	s.ca.Certificate(t, "a", "a.test", "*.a.test")
	s.Reload("reloaded")

	// A site loses its certificate, another gets one; the secure port stays.
	config := s.config(t, "")
	s.Write(strings.Replace(config, "{hosts: [b.test], app: app, certificate: "+s.value("b")+"}", "{hosts: [b.test], app: app, https_redirect: false}", 1))
	s.Reload("reloaded")
	if res, _ := plain(t, s.Addr, "GET / HTTP/1.1\r\nHost: b.test\r\n\r\n"); res.StatusCode != 200 {
		t.Error(res.Status)
	}
	if _, err := s.ca.Client(t, s.Secure).Get("https://b.test/"); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
		t.Errorf("%v", err)
	}

	// What was a port for HTTP becomes one for HTTPS, and the other way round.
	s.Write(strings.Replace(config, "{http: ADDR, https: TLSADDR}", "{http: TLSADDR, https: ADDR}", 1))
	s.Reload("reloaded")
	if res, err := s.ca.Client(t, s.Addr).Get("https://a.test/"); err != nil || res.StatusCode != 200 {
		t.Errorf("%v %v", res, err)
	}
	if res, _ := plain(t, s.Secure, "GET /p HTTP/1.1\r\nHost: a.test\r\n\r\n"); res.Header.Get("Location") != "https://a.test"+port(s.Addr)+"/p" {
		t.Errorf("%+v", res)
	}

	// No TLS at all any more; then only TLS.
	s.Write("listen: {http: ADDR}\ndata: data\napps: {app: \"" + s.app.URL + "\"}\nsites: [{hosts: [a.test], app: app}]\n")
	s.Reload("reloaded")
	if res, _ := plain(t, s.Addr, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"); res.StatusCode != 200 {
		t.Error(res.Status)
	}
	if c, err := net.DialTimeout("tcp", s.Secure, patience); err == nil {
		_ = c.Close()
		t.Error("the secure port is still open")
	}
	s.Write("listen: {https: ADDR}\ndata: data\napps: {app: \"" + s.app.URL + "\"}\nsites: [{hosts: [a.test], app: app, certificate: " + s.value("a") + "}]\n")
	s.Reload("reloaded")
	if res, err := s.ca.Client(t, s.Addr).Get("https://a.test/"); err != nil || res.StatusCode != 200 {
		t.Errorf("%v %v", res, err)
	}

	// Through all of it, the connection that was there first.
	if res, _ := kept.ask(t, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"); res.StatusCode != 200 {
		t.Error(res.Status)
	}
	if s.app.Requests()[0].Header.Get("X-Forwarded-Proto") != "https" {
		t.Error("not over TLS")
	}
}

// value is what config wrote for a certificate.
func (s *site) value(name string) string {
	cert, key := s.ca.Files(name)
	return `{cert: "` + cert + `", key: "` + key + `"}`
}

// TestPortTaken: the hint names the key that the address stands under.
func TestPortTaken(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ca := edgetest.NewAuthority(t)
	app := edgetest.NewApp(t)
	e := edgetest.New(t, "listen: {http: ADDR, https: \""+ln.Addr().String()+"\"}\ndata: data\napps: {app: \""+app.URL+
		"\"}\nsites: [{hosts: [a.test], app: app, certificate: "+ca.Certificate(t, "a", "a.test")+"}]\n")
	e.Launch()
	if code := e.Wait(patience); code != 1 || !strings.Contains(e.Log(), "or change listen.https") {
		t.Errorf("exit %d:\n%s", code, e.Log())
	}
}
