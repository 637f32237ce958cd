// Package https tries a real edge process over TLS, with certificates of the test's own:
// who is let in, what is recorded, what plain HTTP gets, how certificates change, and
// that connections begin and end as they should.
package https

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/integration_test/edgetest"
)

func TestMain(m *testing.M) { edgetest.MainFast(m) }

// patience is how long anything may take.
const patience = 30 * time.Second

// A site is an edge in front of one app, with a handful of sites:
//
//	a.test, *.a.test  a certificate of their own
//	b.test            another
//	c.test, d.test    two sites with the same certificate
//	mixed.test        a certificate, and plain HTTP as it is
//	plain.test        no certificate
type site struct {
	*edgetest.Edge
	app *edgetest.App
	ca  *edgetest.Authority
}

// start runs such an edge; more is added to its configuration.
func start(t *testing.T, more string) *site {
	t.Helper()
	s := &site{app: edgetest.NewApp(t), ca: edgetest.NewAuthority(t)}
	s.Edge = edgetest.Start(t, s.config(t, more))
	t.Cleanup(func() { s.Sound(t) })
	return s
}

// config is the configuration, with certificates that are issued anew.
func (s *site) config(t *testing.T, more string) string {
	t.Helper()
	shared := s.ca.Certificate(t, "shared", "c.test", "d.test")
	return fmt.Sprintf(`
listen: {http: ADDR, https: TLSADDR}
data: data
apps: {app: %q}
sites:
  - {hosts: [a.test, "*.a.test"], app: app, certificate: %s, routes: [{exact: /hello, respond: {status: 200, body: hi}}, {path: /x, app: app}]}
  - {hosts: [b.test], app: app, certificate: %s}
  - {hosts: [c.test], app: app, certificate: %s}
  - {hosts: [d.test], app: app, certificate: %s}
  - {hosts: [mixed.test], app: app, certificate: %s, https_redirect: false}
  - {hosts: [plain.test], app: app, https_redirect: false}
  - {hosts: [routes.test], certificate: %s, routes: [{exact: /only, app: app}]}
%s`, s.app.URL, s.ca.Certificate(t, "a", "a.test", "*.a.test"), s.ca.Certificate(t, "b", "b.test"), shared, shared,
		s.ca.Certificate(t, "mixed", "mixed.test"), s.ca.Certificate(t, "routes", "routes.test"), more)
}

// conn is a raw TLS connection to the edge.
type conn struct {
	*tls.Conn
	br *bufio.Reader
}

// dial opens a connection under a name.
func (s *site) dial(t testing.TB, name string) *conn {
	t.Helper()
	d := &net.Dialer{Timeout: patience}
	c, err := tls.DialWithDialer(d, "tcp", s.Secure, &tls.Config{ServerName: name, RootCAs: s.ca.Pool()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return &conn{c, bufio.NewReader(c)}
}

// ask sends a raw request and reads the answer to it.
func (c *conn) ask(t testing.TB, raw string) (*http.Response, string) {
	t.Helper()
	if _, err := io.WriteString(c, raw); err != nil {
		t.Fatal(err)
	}
	return answer(t, c.br, raw)
}

func answer(t testing.TB, br *bufio.Reader, raw string) (*http.Response, string) {
	t.Helper()
	method, _, _ := strings.Cut(raw, " ")
	res, err := http.ReadResponse(br, &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

// plain sends a raw request to an address in clear and reads the answer to it.
func plain(t testing.TB, addr, raw string) (*http.Response, string) {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, raw); err != nil {
		t.Fatal(err)
	}
	return answer(t, bufio.NewReader(c), raw)
}

// records waits until there are n records of the host, and returns them.
func (s *site) records(t testing.TB, n int, args ...string) []edgetest.Record {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		if rs := s.Records(args...); len(rs) == n {
			return rs
		} else if time.Now().After(end) {
			t.Fatalf("%d records for %v, want %d: %+v", len(rs), args, n, rs)
		}
	}
}

// port of an address, with its colon.
func port(addr string) string { return addr[strings.LastIndexByte(addr, ':'):] }

// need returns whether a program is there; CI must have it.
func need(t testing.TB, err error) {
	t.Helper()
	if err != nil && os.Getenv("CI") != "" {
		t.Fatalf("%v: make install-tools", err)
	} else if err != nil {
		t.Skipf("%v: make install-tools", err)
	}
}
