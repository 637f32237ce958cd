package tlsgate

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// Files are the paths of a certificate chain and its private key, both PEM. They may
// be the same file. Two sites with equal Files have the same certificate.
type Files struct{ Cert, Key string }

// Pair is a certificate chain with its key, as it was read. It does not change and
// is safe for concurrent use. It holds a private key: it must never be printed.
type Pair struct {
	// Leaf is the first certificate of the chain, the one of the key. Read-only.
	Leaf *x509.Certificate
	// Notices are what is worth a warning whatever the time is.
	Notices []Notice

	files Files
	cert  tls.Certificate
	read  [2]fs.FileInfo // of cert and key, as they were opened
}

// Notice is something odd about one of the two files that does not make it unusable.
type Notice struct {
	Key    bool // it is about the key's file, else about the certificate's
	Reason string
	Hint   string
}

// FileError says why a pair cannot be used. Its text leaves the path out.
type FileError struct {
	Key    bool // it is about the key's file, else about the certificate's
	Reason string
	Hint   string // what to do about it; may be empty
	Err    error  // the error of the system behind it, or nil
}

func (e *FileError) Error() string { return e.Reason }

func (e *FileError) Unwrap() error { return e.Err }

// maxFile bounds what is read of one file, in bytes. A chain has a few KiB.
const maxFile = 1 << 20

// Load reads the two files and checks that they belong together: the certificate of
// the key comes first, and each one after it signed the one before (RFC 8446, section
// 4.4.2). It does not look at the time. All errors are *FileError.
func Load(f Files) (*Pair, error) {
	certText, certInfo, err := readFile(f.Cert)
	if err != nil {
		return nil, fileError(err, false)
	}
	keyText, keyInfo, err := readFile(f.Key)
	if err != nil {
		return nil, fileError(err, true)
	}
	chain, bad := parseChain(certText)
	if bad != nil {
		return nil, bad
	}
	key, bad := parseKey(keyText)
	if bad != nil {
		bad.Key = true
		return nil, bad
	}
	if bad := checkChain(chain, key); bad != nil {
		return nil, bad
	}
	p := &Pair{Leaf: chain[0], files: f, read: [2]fs.FileInfo{certInfo, keyInfo}}
	p.cert = tls.Certificate{PrivateKey: key, Leaf: chain[0]}
	for _, c := range chain {
		p.cert.Certificate = append(p.cert.Certificate, c.Raw)
	}
	p.notice(len(chain), keyInfo)
	return p, nil
}

// ReadLeaf reads the first certificate of a file, for those who only want to tell what
// is in it. Its errors are *FileError.
func ReadLeaf(path string) (*x509.Certificate, error) {
	text, _, err := readFile(path)
	if err != nil {
		return nil, fileError(err, false)
	}
	chain, bad := parseChain(text)
	if bad != nil {
		return nil, bad
	}
	return chain[0], nil
}

// readFile reads a small regular file.
func readFile(path string) ([]byte, fs.FileInfo, error) {
	// Opening a named pipe would wait for its writer, so the type is asked before,
	// and once more of what was opened.
	info, err := os.Stat(path)
	if err == nil && info.Mode().IsRegular() {
		var f *os.File
		if f, err = os.Open(path); err == nil {
			defer f.Close()
			info, err = f.Stat()
			if err == nil && info.Mode().IsRegular() {
				text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
				if err == nil && len(text) > maxFile {
					return nil, nil, &FileError{Reason: "is larger than 1 MiB", Hint: "is it the right file?"}
				}
				return text, info, err
			}
		}
	}
	switch {
	case err != nil:
		return nil, nil, err
	case info.IsDir():
		return nil, nil, &FileError{Reason: "is a directory, not a file"}
	}
	return nil, nil, &FileError{Reason: "is not a regular file"}
}

// fileError says in words why a file could not be read.
func fileError(err error, key bool) *FileError {
	var bad *FileError
	switch {
	case errors.As(err, &bad):
		bad.Key = key
		return bad
	case errors.Is(err, fs.ErrNotExist):
		return &FileError{key, "does not exist", "a relative path starts at the folder of the configuration file", err}
	case errors.Is(err, fs.ErrPermission):
		return &FileError{key, "cannot be read: permission denied", "the user that the edge runs as must be able to read it", err}
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return &FileError{key, "cannot be read: " + err.Error(), "", err}
}

// parseChain reads the certificates of a PEM file in their order. Keys and parameters
// beside them are passed over.
func parseChain(text []byte) ([]*x509.Certificate, *FileError) {
	var chain []*x509.Certificate
	var others []string
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			others = append(others, block.Type)
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, &FileError{Reason: fmt.Sprintf("cannot be parsed: certificate %d in it", len(chain)+1),
				Hint: "see what openssl says: openssl x509 -noout -text -in FILE", Err: err}
		}
		chain = append(chain, c)
	}
	if len(chain) > 0 {
		return chain, nil
	}
	e := &FileError{Reason: "holds no certificate", Hint: "a PEM file is needed: -----BEGIN CERTIFICATE-----"}
	switch kinds := strings.Join(others, ", "); {
	case len(others) == 0 && isDER(text):
		e.Reason = "is DER, not PEM"
		e.Hint = "convert it: openssl x509 -inform der -in OLD -out NEW.pem"
	case strings.Contains(kinds, "CERTIFICATE REQUEST"):
		e.Reason = "holds a request for a certificate, not a certificate"
		e.Hint = "send it to a certificate authority; what comes back belongs here"
	case strings.Contains(kinds, "PRIVATE KEY"):
		e.Reason = "holds a private key and no certificate"
		e.Hint = "are `cert` and `key` swapped?"
	case strings.Contains(kinds, "TRUSTED CERTIFICATE"):
		e.Hint = "convert it: openssl x509 -in OLD -out NEW.pem"
	}
	return nil, e
}

func isDER(text []byte) bool {
	if len(text) == 0 || text[0] != 0x30 { // SEQUENCE
		return false
	}
	_, err := x509.ParseCertificate(text)
	return err == nil
}

// parseKey reads the first private key of a PEM file.
func parseKey(text []byte) (crypto.Signer, *FileError) {
	certificates := false
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			certificates = true
		}
		if !strings.HasSuffix(block.Type, "PRIVATE KEY") {
			continue
		}
		if block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") {
			return nil, &FileError{Reason: "is encrypted with a pass phrase, which nobody could type when the edge starts",
				Hint: "decrypt it: openssl pkey -in OLD -out NEW.key; chmod 600 NEW.key"}
		}
		key, err := parseBlock(block)
		if err != nil {
			return nil, &FileError{Reason: "holds a private key that cannot be parsed", Err: err}
		}
		signer, ok := key.(crypto.Signer)
		if !ok {
			return nil, &FileError{Reason: "holds a key that cannot sign", Hint: "use an ECDSA (P-256) or RSA key"}
		}
		return signer, nil
	}
	e := &FileError{Reason: "holds no private key", Hint: "a PEM file is needed: -----BEGIN PRIVATE KEY-----"}
	if certificates {
		e.Reason, e.Hint = "holds a certificate and no private key", "are `cert` and `key` swapped?"
	}
	return nil, e
}

func parseBlock(block *pem.Block) (any, error) {
	switch block.Type {
	case "RSA PRIVATE KEY":
		return x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		return x509.ParseECPrivateKey(block.Bytes)
	}
	return x509.ParsePKCS8PrivateKey(block.Bytes)
}

// checkChain reports what is wrong with the certificates and their key.
func checkChain(chain []*x509.Certificate, key crypto.Signer) *FileError {
	if !belongs(key, chain[0]) {
		for i, c := range chain[1:] {
			if belongs(key, c) {
				return &FileError{Reason: fmt.Sprintf("has the certificate of the key as number %d, it must be the first", i+2),
					Hint: "put the site's own certificate first, then the one that signed it, and so on"}
			}
		}
		return &FileError{Key: true, Reason: "does not belong to the certificate",
			Hint: "`openssl x509 -noout -pubkey -in CERT` and `openssl pkey -pubout -in KEY` must print the same"}
	}
	for i := range chain[1:] {
		child, parent := chain[i], chain[i+1]
		var weak x509.InsecureAlgorithmError
		if err := child.CheckSignatureFrom(parent); err != nil && !errors.As(err, &weak) {
			return &FileError{Reason: fmt.Sprintf("is not a chain: certificate %d in it did not sign certificate %d", i+2, i+1),
				Hint: "put the site's own certificate first, then the one that signed it, and so on", Err: err}
		}
	}
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		if n := k.Curve.Params().BitSize; n != 256 && n != 384 && n != 521 {
			return &FileError{Reason: fmt.Sprintf("has a key on the curve %s, which no client takes", k.Curve.Params().Name),
				Hint: "get a certificate for an ECDSA key on P-256"}
		}
	case *rsa.PrivateKey:
		if n := k.N.BitLen(); n < 1024 {
			return &FileError{Reason: fmt.Sprintf("has an RSA key of %d bits, which no client takes", n),
				Hint: "get a certificate for a key of at least 2048 bits, or an ECDSA key on P-256"}
		}
	}
	if u := chain[0].ExtKeyUsage; len(u) > 0 && !forServers(u) {
		return &FileError{Reason: "is not a certificate for servers", Hint: "its extended key usage lacks serverAuth: get another one"}
	}
	return nil
}

func belongs(key crypto.Signer, c *x509.Certificate) bool {
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(c.PublicKey)
}

func forServers(usages []x509.ExtKeyUsage) bool {
	for _, u := range usages {
		if u == x509.ExtKeyUsageServerAuth || u == x509.ExtKeyUsageAny {
			return true
		}
	}
	return false
}

// notice collects what is odd.
func (p *Pair) notice(chain int, key fs.FileInfo) {
	add := func(key bool, reason, hint string) { p.Notices = append(p.Notices, Notice{key, reason, hint}) }
	if key.Mode()&0o007 != 0 {
		add(true, "every user of this machine has access to the key", "chmod 600 "+p.files.Key)
	}
	switch k := p.cert.PrivateKey.(type) {
	case *rsa.PrivateKey:
		if n := k.N.BitLen(); n < 2048 {
			add(false, fmt.Sprintf("its RSA key has %d bits, and browsers want 2048", n), "get a certificate for a new key")
		}
	case ed25519.PrivateKey:
		add(false, "it has an Ed25519 key, which browsers do not accept", "get a certificate for an ECDSA (P-256) key")
	}
	if chain == 1 && !bytes.Equal(p.Leaf.RawIssuer, p.Leaf.RawSubject) {
		if full := strings.TrimSuffix(p.files.Cert, "cert.pem") + "fullchain.pem"; strings.HasSuffix(p.files.Cert, "/cert.pem") {
			if _, err := os.Stat(full); err == nil {
				add(false, "the file has the site's certificate without those that signed it", "write cert: "+full)
			}
		}
	}
}
