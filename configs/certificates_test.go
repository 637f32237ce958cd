package configs

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/tls/tlstest"
)

// certificateClock is the time that testdata/certificates is judged at.
var certificateClock = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// makeCertificates fills a directory with the certificates that the files of
// testdata/certificates name, good and bad.
func makeCertificates(t *testing.T, dir string) {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	put := func(name string, text []byte, mode os.FileMode) {
		t.Helper()
		check(os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		check(os.WriteFile(filepath.Join(dir, name), text, mode))
		check(os.Chmod(filepath.Join(dir, name), mode)) // whatever the umask is
	}
	root, err := tlstest.NewAuthority()
	check(err)
	middle, err := root.Intermediate()
	check(err)
	stranger, err := tlstest.NewAuthority()
	check(err)
	from, to := certificateClock.AddDate(-1, 0, 0), certificateClock.AddDate(1, 0, 0)
	issue := func(name string, tmpl tlstest.Template) tlstest.Pair {
		t.Helper()
		if tmpl.NotBefore.IsZero() {
			tmpl.NotBefore = from
		}
		if tmpl.NotAfter.IsZero() {
			tmpl.NotAfter = to
		}
		if tmpl.Hosts == nil {
			tmpl.Hosts = []string{name + ".example.com"}
		}
		pair, err := middle.Make(tmpl)
		check(err)
		put(name+".pem", pair.Cert, 0o644)
		put(name+".key", pair.Key, 0o600)
		return pair
	}
	good := issue("good", tlstest.Template{Hosts: []string{"queue.example.com", "*.queue.example.com"}})
	chain := issue("chain", tlstest.Template{Hosts: []string{"*.b.example.com"}})
	put("chain.pem", chain.Chain(middle, root).Cert, 0o644)
	put("reversed.pem", append(append([]byte(nil), middle.PEM...), chain.Cert...), 0o644)
	put("gap.pem", chain.Chain(middle, stranger).Cert, 0o644)
	put("live/cert.pem", chain.Cert, 0o644)
	put("live/fullchain.pem", chain.Chain(middle).Cert, 0o644)
	issue("rsa", tlstest.Template{RSA: true})
	bundle := issue("bundle", tlstest.Template{})
	put("bundle.pem", append(bundle.Cert, bundle.Key...), 0o600)
	issue("idn", tlstest.Template{Hosts: []string{"xn--bcher-kva.example"}})
	issue("many", tlstest.Template{Hosts: []string{"a.test", "b.test", "c.test", "d.test", "e.test", "f.test"}})
	issue("nosan", tlstest.Template{Hosts: []string{}, Change: func(c *x509.Certificate) { c.Subject.CommonName = "nosan.example.com" }})
	issue("expired", tlstest.Template{NotAfter: certificateClock.AddDate(0, 0, -3)})
	issue("ending", tlstest.Template{NotAfter: certificateClock.AddDate(0, 0, 5)})
	issue("notyet", tlstest.Template{NotBefore: certificateClock.AddDate(0, 0, 2)})
	issue("client", tlstest.Template{Change: func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }})
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	check(err)
	issue("short", tlstest.Template{Key: short})
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	check(err)
	issue("ed", tlstest.Template{Key: ed})
	put("loose.key", good.Key, 0o644)
	block, _ := pem.Decode(good.Cert)
	put("good.der", block.Bytes, 0o644)
	block, _ = pem.Decode(good.Key)
	put("encrypted.key", pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: block.Bytes}), 0o600)
	put("encrypted-old.key", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: block.Bytes,
		Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"}}), 0o600)
	put("request.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: []byte{0x30, 0}}), 0o644)
	put("garbled.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{0x30, 0}}), 0o644)
	put("garbled.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{0x30, 0}}), 0o600)
	put("empty.pem", nil, 0o600)
	put("large.pem", make([]byte, 2<<20), 0o644)
}

// TestCertificates loads every file of testdata/certificates, beside certificates that
// are made on the spot. What is beside it is all that Load has to say.
func TestCertificates(t *testing.T) {
	files, err := filepath.Glob("testdata/certificates/*.yaml")
	if err != nil || len(files) < 15 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	dir := t.TempDir()
	makeCertificates(t, dir)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, filepath.Base(file))
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
			o := Options{Getenv: environment("SECRET", secretValue, "HOST", "hidden-host.example"),
				Now: func() time.Time { return certificateClock }}
			c, err := Load(path, o)
			got := "valid\n"
			switch {
			case err != nil:
				checkProblems(t, err)
				got = err.Error() + "\n"
			case len(c.Warnings) > 0:
				got = (&Errors{Problems: c.Warnings}).Error() + "\n"
			}
			if strings.Contains(strings.ToLower(got), "s3cr3t") || strings.Contains(got, "hidden-host") {
				t.Errorf("the value of a variable is shown:\n%s", got)
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".txt", strings.ReplaceAll(got, dir, "DIR"))

			// Who only asks does not look at the files.
			o.NoCertificates = true
			if _, bare := Load(path, o); bare == nil && c != nil {
				return
			} else if bare != nil && strings.Contains(bare.Error(), "does not cover") {
				t.Errorf("certificates were read: %v", bare)
			}
		})
	}
}

// TestSecured: which names the handshake knows, and what may share a connection.
func TestSecured(t *testing.T) {
	dir := t.TempDir()
	makeCertificates(t, dir)
	text, err := os.ReadFile("testdata/certificates/good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	more := `
  - {hosts: [same.queue.example.com], app: collector, certificate: {cert: "./good.pem", key: good.key}}
`
	path := filepath.Join(dir, "edge.yaml")
	if err := os.WriteFile(path, append(text, more...), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path, Options{Getenv: environment(), Now: func() time.Time { return certificateClock }})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"queue.example.com": "queue.example.com", "QUEUE.example.com": "queue.example.com", "x.queue.example.com": "queue.example.com",
		"same.queue.example.com": "same.queue.example.com", "rsa.example.com": "rsa.example.com", "xn--bcher-kva.example": "xn--bcher-kva.example",
		"plain.example.com": "", "192.0.2.1": "", "other.example": "", "": "", "queue.example.com:443": "", "a.x.queue.example.com": "", "*.queue.example.com": "",
	} {
		got := ""
		if s := c.Secured(name); s != nil {
			got = s.Name
		}
		if got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
	site := func(name string) *Site {
		for i := range c.Sites {
			if c.Sites[i].Name == name {
				return &c.Sites[i]
			}
		}
		t.Fatalf("no site %s", name)
		return nil
	}
	for _, test := range []struct {
		sni, site string
		want      bool
	}{
		{"queue.example.com", "queue.example.com", true},
		{"x.queue.example.com", "queue.example.com", true},
		{"queue.example.com", "same.queue.example.com", true}, // the same certificate
		{"same.queue.example.com", "queue.example.com", true},
		{"queue.example.com", "rsa.example.com", false},
		{"queue.example.com", "plain.example.com", false},
		{"plain.example.com", "plain.example.com", false},
		{"other.example", "queue.example.com", false},
	} {
		if got := c.Covers(test.sni, site(test.site)); got != test.want {
			t.Errorf("%s carries %s: %v", test.sni, test.site, got)
		}
	}
	if !site("queue.example.com").Redirect || site("bundle.example.com").Redirect || site("plain.example.com").Redirect {
		t.Error("redirects")
	}
}
