package edgetest

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/tls/tlstest"
)

// Authority is a certificate authority of a test, with a folder for what it issues.
type Authority struct {
	*tlstest.Authority
	File string // its certificate, PEM: what curl --cacert and openssl -CAfile take

	dir string
}

// NewAuthority makes an authority. Its files go with the test.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	ca, err := tlstest.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	a := &Authority{Authority: ca, dir: t.TempDir()}
	a.File = filepath.Join(a.dir, "root.pem")
	if err := os.WriteFile(a.File, ca.PEM, 0o644); err != nil {
		t.Fatal(err)
	}
	return a
}

// Certificate issues a certificate for the hosts and returns its value for the file of
// the edge: {cert: "…/NAME.pem", key: "…/NAME.key"}. A name that was used already gets a
// new certificate in the same files.
func (a *Authority) Certificate(t testing.TB, name string, hosts ...string) string {
	t.Helper()
	pair, err := a.Issue(hosts...)
	if err != nil {
		t.Fatal(err)
	}
	cert, key := a.Files(name)
	if err := pair.Write(cert, key); err != nil {
		t.Fatal(err)
	}
	return `{cert: "` + cert + `", key: "` + key + `"}`
}

// Files are where Certificate puts a certificate and its key.
func (a *Authority) Files(name string) (cert, key string) {
	return filepath.Join(a.dir, name+".pem"), filepath.Join(a.dir, name+".key")
}

// Client is an HTTP client that trusts the authority and connects to addr whatever
// host a URL names. It speaks HTTP/1.1, follows no redirects, and ends with the test.
func (a *Authority) Client(t testing.TB, addr string) *http.Client {
	t.Helper()
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: a.Pool()},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", addr)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}
