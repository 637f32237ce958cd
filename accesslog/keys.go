package accesslog

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"filippo.io/age"

	"github.com/holdfast-edge/holdfast/internal/durable"
)

const (
	privateKeyFile = "record.key"
	publicKeyFile  = "record.pub"
)

// ErrNoKey says that none of the keys at hand opens a payload.
var ErrNoKey = errors.New("no key opens this payload")

// Keys are the private keys that open payloads. The zero Keys opens nothing.
type Keys struct{ identities []age.Identity }

// Empty reports whether there is no key.
func (k Keys) Empty() bool { return len(k.identities) == 0 }

// KeysDir is where the store in the data directory keeps its keys.
func KeysDir(data string) string { return filepath.Join(data, "keys") }

// LoadKeys reads age identities (lines that begin with AGE-SECRET-KEY-). A path
// is a file, or a directory whose files named *.key are read. A directory
// without one gives no keys and no error: then the private half has been moved
// off the machine. A path that does not exist is an error.
func LoadKeys(paths ...string) (Keys, error) {
	var keys Keys
	for _, path := range paths {
		files := []string{path}
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			if files, err = filepath.Glob(filepath.Join(globEscape(path), "*.key")); err != nil {
				return Keys{}, err
			}
			slices.Sort(files)
		}
		for _, name := range files {
			text, err := os.ReadFile(name)
			if err != nil {
				return Keys{}, fmt.Errorf("reading a key: %w", err)
			}
			ids, err := age.ParseIdentities(bytes.NewReader(text))
			if err != nil {
				return Keys{}, fmt.Errorf("reading the key %s: %w", name, err)
			}
			keys.identities = append(keys.identities, ids...)
		}
	}
	return keys, nil
}

func globEscape(path string) string {
	var b []byte
	for _, c := range []byte(path) {
		if bytes.IndexByte([]byte(`*?[\`), c) >= 0 {
			b = append(b, '\\')
		}
		b = append(b, c)
	}
	return string(b)
}

// loadRecipients returns the public keys that payloads are sealed to: all the
// *.pub files in dir. If there is none, one is made: from the private key if
// that is there, else with a new pair. It is durable before anything is sealed
// to it, the private half first, so that no crash leaves a public key alone. A
// public key whose private half is gone is used as it is: that is how the
// private half is taken off the machine.
func loadRecipients(dir string) ([]*age.X25519Recipient, error) {
	recipients, err := readRecipients(dir)
	if err != nil || len(recipients) > 0 {
		return recipients, err
	}
	private := filepath.Join(dir, privateKeyFile)
	var identity *age.X25519Identity
	switch text, err := os.ReadFile(private); {
	case err == nil:
		ids, err := age.ParseIdentities(bytes.NewReader(text))
		if err != nil {
			return nil, fmt.Errorf("reading the key %s: %w", private, err)
		}
		found := false
		if identity, found = ids[0].(*age.X25519Identity); !found {
			return nil, fmt.Errorf("the key %s is not an X25519 key (AGE-SECRET-KEY-1...)", private)
		}
	case errors.Is(err, fs.ErrNotExist):
		if identity, err = age.GenerateX25519Identity(); err != nil {
			return nil, err
		}
		if err := durable.WriteFile(private, []byte(identity.String()+"\n")); err != nil {
			return nil, fmt.Errorf("writing a new key: %w", err)
		}
	default:
		return nil, fmt.Errorf("reading the key %s: %w", private, err)
	}
	public := filepath.Join(dir, publicKeyFile)
	if err := durable.WriteFile(public, []byte(identity.Recipient().String()+"\n")); err != nil {
		return nil, fmt.Errorf("writing a new key: %w", err)
	}
	return []*age.X25519Recipient{identity.Recipient()}, nil
}

func readRecipients(dir string) ([]*age.X25519Recipient, error) {
	files, err := filepath.Glob(filepath.Join(globEscape(dir), "*.pub"))
	if err != nil {
		return nil, err
	}
	slices.Sort(files)
	var recipients []*age.X25519Recipient
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("reading a public key: %w", err)
		}
		parsed, err := age.ParseRecipients(bytes.NewReader(text))
		if err != nil {
			return nil, fmt.Errorf("reading the public key %s: %w", name, err)
		}
		for _, r := range parsed {
			x, ok := r.(*age.X25519Recipient)
			if !ok {
				return nil, fmt.Errorf("the public key %s is not an X25519 key (age1...)", name)
			}
			recipients = append(recipients, x)
		}
	}
	return recipients, nil
}

// asRecipients is what age.Encrypt takes.
func asRecipients(recipients []*age.X25519Recipient) []age.Recipient {
	list := make([]age.Recipient, len(recipients))
	for i, r := range recipients {
		list[i] = r
	}
	return list
}
