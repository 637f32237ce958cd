package clients

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/integration_test/edgetest"
)

// certificate writes a certificate for a name, which is its own authority, and its key.
func certificate(t *testing.T, name string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// TestKindsOfUpstreams: nginx behind TLS, behind a unix socket and under a name, each
// with another `host`. What comes while it is not there yet is replayed to it.
func TestKindsOfUpstreams(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t, "app.internal")
	dir, err := os.MkdirTemp("", "holdfast-unix-") // short: the path of a socket is
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	plain, secure, socket := edgetest.FreeAddr(t), edgetest.FreeAddr(t), filepath.Join(dir, "app.sock")
	_, port, _ := net.SplitHostPort(plain)
	e := start(t, `
listen: {http: ADDR}
data: data
apps:
  tls: {upstreams: ["https://`+secure+`"], tls: {ca: `+cert+`, server_name: app.internal}, host: upstream, health: {path: /own, interval: 200ms}}
  untrusted: "https://`+secure+`"
  socket: {upstreams: ["unix:`+socket+`"], host: app.internal}
  name: "http://localhost:`+port+`"
sites:
  - {hosts: [tls.test], app: tls}
  - {hosts: [untrusted.test], app: untrusted}
  - {hosts: [socket.test], app: socket}
  - {hosts: [name.test], app: name}
`)
	names := []string{"tls.test", "socket.test", "name.test"}
	for _, name := range names {
		if res, _ := fetch(t, "POST", e.Addr, name, "/early", strings.NewReader("early "+name)); res.StatusCode != 502 {
			t.Errorf("%s: %s before there is an app", name, res.Status)
		}
	}
	root := t.TempDir()
	big := pattern(8 << 20)
	if err := os.WriteFile(filepath.Join(root, "big"), big, 0o644); err != nil {
		t.Fatal(err)
	}
	nginx(t, plain, `listen `+secure+` ssl; listen unix:`+socket+`; ssl_certificate `+cert+`; ssl_certificate_key `+key+`; ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:s:1m;
    root `+root+`; add_header X-Conn "$connection" always; add_header X-Resumed "$ssl_session_reused" always; add_header X-Version "$ssl_protocol" always;
    location = /own { return 200 "$http_host $http_x_forwarded_host $scheme"; } location = /early { return 200 "$http_x_edge_replay"; } location = /take { client_body_buffer_size 16m; proxy_pass http://`+plain+`/early; }`)
	want := map[string]string{"tls.test": secure + " tls.test https", "socket.test": "app.internal socket.test http", "name.test": "name.test name.test http"}
	e.WaitLog(0, "the upstream is back", 10*time.Second) // which the check of app tls has found
	for _, name := range names {
		connections := map[string]int{}
		for range 100 {
			res, p := fetch(t, "GET", e.Addr, name, "/own", nil)
			if res.StatusCode != 200 || string(p) != want[name] {
				t.Fatalf("%s: %s %q", name, res.Status, p)
			}
			connections[res.Header.Get("X-Conn")]++
			if name == "tls.test" && res.Header.Get("X-Version") != "TLSv1.3" {
				t.Errorf("%v", res.Header)
			}
		}
		// nginx closes after a second without requests, or after its own limit of 1000.
		if len(connections) > 2 {
			t.Errorf("%s: 100 requests in a row took %d connections", name, len(connections))
		}
		if res, p := fetch(t, "GET", e.Addr, name, "/big", nil); res.StatusCode != 200 || !bytes.Equal(p, big) {
			t.Errorf("%s: %s with %d bytes", name, res.Status, len(p))
		}
		if res, _ := fetch(t, "POST", e.Addr, name, "/take", bytes.NewReader(big)); res.StatusCode != 200 {
			t.Errorf("%s: %s", name, res.Status)
		}
	}
	time.Sleep(1200 * time.Millisecond)
	if res, _ := fetch(t, "GET", e.Addr, "tls.test", "/own", nil); res.Header.Get("X-Resumed") != "r" {
		t.Errorf("the session is not resumed: %v", res.Header)
	}
	if res, _ := fetch(t, "GET", e.Addr, "untrusted.test", "/own", nil); res.StatusCode != 502 || !strings.Contains(e.Log(), "the certificate is not for 127.0.0.1") {
		t.Errorf("%s from an upstream that nobody vouches for", res.Status)
	}
	if r := e.Run("replay", "--since", "1h", "--outcome", "upstream_down", "--host", "tls.test,socket.test,name.test", "--yes"); r.Code != 0 {
		t.Fatalf("replay: %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	records := e.Records("--outcome", "upstream_down", "--app", "untrusted")
	if len(records) != 1 || !strings.Contains(records[0].Reason, "TLS failed") {
		t.Errorf("%+v", records)
	}
	if r := e.Records("--app", "socket", "--status", "200", "-n", "1"); len(r) != 1 || r[0].Upstream != "unix:"+socket {
		t.Errorf("%+v", r)
	}
}
