package accesslog

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"
)

var (
	// ErrPayload says that a payload is damaged or not the one that was
	// recorded.
	ErrPayload = errors.New("the payload is damaged")
	// ErrNoPayload says that a record has no payload.
	ErrNoPayload = errors.New("the record has no payload")
)

// Opened is the sealed part of a record, opened. Close Body when done.
type Opened struct {
	Client netip.AddrPort // the full address
	Scheme string
	Peer   netip.Addr // the trusted proxy that sent it, if one did
	// Head is the request from its first line to the empty line, Trailer the
	// raw trailer lines, byte for byte as they were received.
	Head, Trailer []byte
	// Body reads the kept bytes of the body. If they are not those that were
	// recorded, the read that finds out returns ErrPayload, at the latest in
	// place of io.EOF: only who read to the end can rely on the bytes.
	Body io.ReadCloser
	// Bytes is the length of Body.
	Bytes int64
}

// Open opens the payload of e. The errors are ErrNoPayload, ErrNoKey, and
// ErrPayload with the cause.
func (r *Reader) Open(e *Entry, keys Keys) (*Opened, error) {
	if !e.Captured() {
		return nil, ErrNoPayload
	}
	if keys.Empty() {
		return nil, ErrNoKey
	}
	f, err := os.Open(e.payload.file)
	if err != nil {
		return nil, fmt.Errorf("record %s: %w", e.ID, err)
	}
	defer f.Close()
	o, err := r.open(f, e, keys)
	if err != nil {
		return nil, fmt.Errorf("record %s: %w", e.ID, err)
	}
	return o, nil
}

func (r *Reader) open(f *os.File, e *Entry, keys Keys) (*Opened, error) {
	line := make([]byte, e.payload.length)
	if _, err := f.ReadAt(line, e.payload.offset); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPayload, err)
	}
	var v view
	if err := v.decode(line); err != nil || v.id != e.ID || !v.sealed {
		return nil, fmt.Errorf("%w: the line is not that record's any more", ErrPayload)
	}
	key, err := r.segmentKey(f, keys)
	if err != nil {
		return nil, err
	}
	box := make([]byte, base64.StdEncoding.DecodedLen(len(v.box)))
	n, err := base64.StdEncoding.Decode(box, v.box)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPayload, err)
	}
	if v.ordinal < 0 {
		return nil, fmt.Errorf("%w: ordinal %d", ErrPayload, v.ordinal)
	}
	nonce := boxNonce(uint64(v.ordinal))
	plain, err := key.aead.Open(box[:0], nonce[:], box[:n], appendBoxData(nil, key.id, v.id))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPayload, err)
	}
	h, head, body, trailer, err := parsePlaintext(plain)
	if err != nil {
		return nil, err
	}
	o := &Opened{Client: h.Client, Scheme: h.Scheme, Peer: h.Peer, Head: head, Trailer: trailer, Bytes: int64(len(body))}
	source := io.NopCloser(bytes.NewReader(body))
	if h.Blob != nil {
		if source, err = r.openBlob(h.Blob, keys); err != nil {
			return nil, err
		}
		o.Bytes = h.Blob.Bytes
	}
	o.Body = newCheckedBody(source, o.Bytes, h.SHA256)
	return o, nil
}

// segmentKey returns the data key of the segment that f is, which its first line
// has in wrapped form.
func (r *Reader) segmentKey(f *os.File, keys Keys) (segmentKey, error) {
	// The cache is by file, not by the keys that were given: a Reader belongs
	// to one caller, who had the key once.
	if key, ok := r.keys.Get(f.Name()); ok {
		return key, nil
	}
	line, _, err := newLineReader(io.NewSectionReader(f, 0, maxLine), 0).next()
	if err != nil {
		return segmentKey{}, fmt.Errorf("%w: first line of %s: %w", ErrPayload, f.Name(), err)
	}
	info, err := parseSegmentHeader(line)
	if err != nil {
		return segmentKey{}, fmt.Errorf("%w: first line of %s: %w", ErrPayload, f.Name(), err)
	}
	aead, err := unwrapKey(info.Key, keys)
	if err != nil {
		if errors.Is(err, ErrNoKey) {
			err = fmt.Errorf("%w (sealed to %s)", err, strings.Join(info.Recipients, ", "))
		}
		return segmentKey{}, err
	}
	key := segmentKey{id: info.ID, aead: aead}
	r.keys.Add(f.Name(), key)
	return key, nil
}

func (r *Reader) openBlob(b *boxBlob, keys Keys) (io.ReadCloser, error) {
	name := filepath.FromSlash(b.Name)
	if !filepath.IsLocal(name) {
		return nil, fmt.Errorf("%w: blob %q", ErrPayload, b.Name)
	}
	f, err := os.Open(filepath.Join(r.dir, classCaptured, blobsName, name))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPayload, err)
	}
	body, err := age.Decrypt(f, keys.identities...)
	if err != nil {
		if none := (*age.NoIdentityMatchError)(nil); errors.As(err, &none) {
			return nil, errors.Join(fmt.Errorf("%w: %w", ErrNoKey, err), f.Close())
		}
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrPayload, err), f.Close())
	}
	return openChain{body, f}, nil
}

// checkedBody is a body whose length and hash are checked at its end.
type checkedBody struct {
	source io.ReadCloser
	want   []byte // nil: no hash was recorded
	hash   hash.Hash
	left   int64
	err    error
}

func newCheckedBody(source io.ReadCloser, length int64, want []byte) *checkedBody {
	return &checkedBody{source: source, want: want, hash: sha256.New(), left: length}
}

func (c *checkedBody) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.source.Read(p)
	c.hash.Write(p[:n])
	c.left -= int64(n)
	switch {
	case c.left < 0:
		c.err = fmt.Errorf("%w: the body is longer than recorded", ErrPayload)
		return 0, c.err
	case err == nil:
		return n, nil
	case !errors.Is(err, io.EOF):
		c.err = fmt.Errorf("%w: %w", ErrPayload, err)
	case c.left > 0:
		c.err = fmt.Errorf("%w: the body ends %d bytes too early", ErrPayload, c.left)
	case c.want != nil && !bytes.Equal(c.hash.Sum(nil), c.want):
		c.err = fmt.Errorf("%w: the hash of the body is another", ErrPayload)
	default:
		c.err = io.EOF
	}
	return n, c.err
}

func (c *checkedBody) Close() error { return c.source.Close() }
