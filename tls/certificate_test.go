package tlsgate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/tls/tlstest"
)

// TestRefresh: a good pair replaces the one that is served, and nothing else does. What
// is wrong is said once.
func TestRefresh(t *testing.T) {
	ca := authority(t)
	middle, err := ca.Intermediate()
	if err != nil {
		t.Fatal(err)
	}
	pair := func(a *tlstest.Authority, hosts ...string) tlstest.Pair {
		p, err := a.Issue(hosts...)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	first, second, third := pair(ca, "a.test"), pair(ca, "a.test", "b.test"), pair(middle, "a.test")
	f := files(t, first)
	p, err := Load(f)
	if err != nil {
		t.Fatal(err)
	}
	c := names{}.gate().Certificate(p, []string{"a.test"}, time.Now())
	put := func(path string, text []byte) func() {
		return func() {
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	write := func(p tlstest.Pair) func() {
		return func() {
			if err := p.Write(f.Cert, f.Key); err != nil {
				t.Fatal(err)
			}
		}
	}
	old := func(path string) func() {
		return func() {
			if err := os.Chtimes(path, time.Time{}, time.Now().Add(-time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, step := range []struct {
		name    string
		do      func()
		renewed bool
		err     string
		serves  tlstest.Pair
	}{
		{"nothing happened", func() {}, false, "", first},
		{"touched", old(f.Cert), false, "", first},
		{"the new certificate, the old key", put(f.Cert, second.Cert), false, "does not belong to the certificate", first},
		{"still", func() {}, false, "", first},
		{"and the new key", put(f.Key, second.Key), true, "", second},
		{"again", func() {}, false, "", second},
		{"another host", write(pair(ca, "b.test")), false, "does not cover a.test", second},
		{"empty", put(f.Cert, nil), false, "holds no certificate", second},
		{"cut", put(f.Cert, second.Cert[:len(second.Cert)/2]), false, "", second}, // the same, to a reader
		{"gone", func() { _ = os.Remove(f.Cert) }, false, "does not exist", second},
		{"still gone", func() {}, false, "", second},
		{"back", write(second), false, "", second},
		{"gone again", func() { _ = os.Remove(f.Key) }, false, "x.key does not exist", second},
		{"a new one", write(third), true, "", third},
		{"with its chain", write(third.Chain(middle)), true, "", third},
	} {
		step.do()
		renewed, err := c.Refresh()
		if renewed != step.renewed {
			t.Errorf("%s: renewed %v", step.name, renewed)
		}
		if step.err == "" && err != nil || step.err != "" && (err == nil || !strings.Contains(err.Error(), step.err)) {
			t.Errorf("%s: %v, want %q", step.name, err, step.err)
		}
		block, _ := pem.Decode(step.serves.Cert)
		if leaf := c.Pair().Leaf; string(leaf.Raw) != string(block.Bytes) {
			t.Errorf("%s: another certificate is served", step.name)
		}
	}
}

// TestDue: a certificate that ends is mentioned once a day.
func TestDue(t *testing.T) {
	ca := authority(t)
	now := time.Now()
	day := 24 * time.Hour
	made, err := ca.Make(tlstest.Template{Hosts: []string{"a.test"}, NotBefore: now.Add(-day), NotAfter: now.Add(30 * day)})
	if err != nil {
		t.Fatal(err)
	}
	p, err := Load(files(t, made))
	if err != nil {
		t.Fatal(err)
	}
	c := names{}.gate().Certificate(p, nil, now)
	for _, test := range []struct {
		after time.Duration
		want  Validity
		due   bool
	}{
		{-2 * day, NotYet, false}, // before it was said last
		{0, Valid, false},
		{15 * day, Valid, false},
		{16*day + time.Hour, Ending, true},
		{16*day + 2*time.Hour, Ending, false},
		{17*day + 2*time.Hour, Ending, true},
		{31 * day, Expired, true},
		{31*day + time.Minute, Expired, false},
	} {
		if v, due := c.Due(now.Add(test.after)); v != test.want || due != test.due {
			t.Errorf("after %v: %v %v", test.after, v, due)
		}
	}
}

func TestCovers(t *testing.T) {
	p := &Pair{Leaf: &x509.Certificate{DNSNames: []string{"a.test", "*.a.test", "UPPER.test", "dot.test.", "*"}}}
	for host, want := range map[string]bool{
		"a.test": true, "x.a.test": true, "*.a.test": true, "x.y.a.test": false, "*.x.a.test": false, "test": false, "b.test": false,
		"upper.test": true, "*.test": false, "dot.test": true, "*.upper.test": false, "192.0.2.1": false, "[2001:db8::1]": false, "": false,
	} {
		if p.Covers(host) != want {
			t.Errorf("%q: %v", host, !want)
		}
	}
	made, err := authority(t).Issue("192.0.2.1", "2001:db8::1")
	if err != nil {
		t.Fatal(err)
	}
	p, err = Load(files(t, made))
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]bool{"192.0.2.1": true, "[2001:db8::1]": true, "192.0.2.2": false, "a.test": false} {
		if p.Covers(host) != want {
			t.Errorf("%q: %v", host, !want)
		}
	}
}

// TestKeys: the forms in which keys come. What is wrong with files is in the tests of
// the configuration.
func TestKeys(t *testing.T) {
	ca := authority(t)
	ec, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	}
	for _, test := range []struct {
		name     string
		template tlstest.Template
		key      []byte // nil: as it was made
	}{
		{"ECDSA, PKCS #8", tlstest.Template{Key: ec}, nil},
		{"ECDSA, SEC 1, as openssl ecparam writes it", tlstest.Template{Key: ec},
			append(block("EC PARAMETERS", []byte{6, 5, 43, 129, 4, 0, 34}), block("EC PRIVATE KEY", sec1)...)},
		{"RSA, PKCS #8", tlstest.Template{Key: rs}, nil},
		{"RSA, PKCS #1", tlstest.Template{Key: rs}, block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rs))},
	} {
		p, err := ca.Make(test.template)
		if err != nil {
			t.Fatal(err)
		}
		if test.key != nil {
			p.Key = test.key
		}
		if got, err := Load(files(t, p)); err != nil || len(got.Notices) > 0 {
			t.Errorf("%s: %v %v", test.name, err, got)
		}
	}
}

// TestUnreadable: the error of the system is found behind what is said.
func TestUnreadable(t *testing.T) {
	f := issue(t, authority(t), "a.test")
	_, err := Load(Files{Cert: f.Cert, Key: f.Key + ".absent"})
	var bad *FileError
	if !errors.As(err, &bad) || !bad.Key || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if os.Getuid() == 0 {
		return // may read everything
	}
	if err := os.Chmod(f.Key, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(f); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("%v", err)
	}
}
