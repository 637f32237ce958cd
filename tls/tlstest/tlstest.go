// Package tlstest makes certificates for tests: an authority that lives as long as the
// test, and certificates of it, good and bad. It is in no binary.
package tlstest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"
)

// Authority signs certificates.
type Authority struct {
	PEM  []byte // its own certificate: what a client has to trust
	cert *x509.Certificate
	key  crypto.Signer
}

// Template says what a certificate should be. The zero value of a field is what a good
// certificate has.
type Template struct {
	Hosts     []string // names, wildcards and IP addresses
	NotBefore time.Time
	NotAfter  time.Time
	RSA       bool // an RSA key of 2048 bits, else ECDSA P-256
	Key       crypto.Signer
	// Change has the last word on the template of the certificate; it may be nil.
	Change func(*x509.Certificate)
}

// Pair is a certificate with its key.
type Pair struct {
	Cert []byte // PEM: the certificate, without the authority's
	Key  []byte // PEM, PKCS #8
}

// NewAuthority makes an authority that signs itself.
func NewAuthority() (*Authority, error) { return newAuthority("Holdfast test root", nil) }

// Intermediate makes an authority that is signed by this one.
func (a *Authority) Intermediate() (*Authority, error) {
	return newAuthority("Holdfast test intermediate", a)
}

func newAuthority(name string, parent *Authority) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	signer, signed := crypto.Signer(key), t
	if parent != nil {
		signer, signed = parent.key, parent.cert
	}
	der, err := x509.CreateCertificate(rand.Reader, t, signed, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &Authority{PEM: encode("CERTIFICATE", der), cert: cert, key: key}, nil
}

// Issue makes a certificate for the hosts, valid for a year.
func (a *Authority) Issue(hosts ...string) (Pair, error) { return a.Make(Template{Hosts: hosts}) }

// Make makes a certificate as the template says.
func (a *Authority) Make(t Template) (Pair, error) {
	key, err := t.Key, error(nil)
	switch {
	case key != nil:
	case t.RSA:
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	default:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		return Pair{}, err
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return Pair{}, err
	}
	c := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Holdfast test"},
		NotBefore: t.NotBefore, NotAfter: t.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if c.NotBefore.IsZero() {
		c.NotBefore = time.Now().Add(-time.Hour)
	}
	if c.NotAfter.IsZero() {
		c.NotAfter = time.Now().AddDate(1, 0, 0)
	}
	for _, h := range t.Hosts {
		if ip := net.ParseIP(h); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
		} else {
			c.DNSNames = append(c.DNSNames, h)
		}
	}
	if t.Change != nil {
		t.Change(c)
	}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, key.Public(), a.key)
	if err != nil {
		return Pair{}, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Pair{}, err
	}
	return Pair{Cert: encode("CERTIFICATE", der), Key: encode("PRIVATE KEY", private)}, nil
}

// Pool trusts this authority and nobody else.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// Chain is the certificate with those of the authorities that follow, the issuer first.
func (p Pair) Chain(issuers ...*Authority) Pair {
	parts := [][]byte{p.Cert}
	for _, a := range issuers {
		parts = append(parts, a.PEM)
	}
	return Pair{Cert: bytes.Join(parts, nil), Key: p.Key}
}

// Write puts the pair into two files as they should be: the key for its owner only.
// Each is replaced at once and whole.
func (p Pair) Write(cert, key string) error {
	return errors.Join(replace(cert, p.Cert, 0o644), replace(key, p.Key, 0o600))
}

func replace(path string, text []byte, mode os.FileMode) error {
	if err := os.WriteFile(path+".new", text, mode); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("replacing a test certificate: %w", err)
	}
	return nil
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
