package accesslog

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/netip"
	"strconv"

	"filippo.io/age"
)

const (
	dataKeySize = 32 // AES-256
	nonceSize   = 12 // the 96 bits of NIST SP 800-38D §8.2.1
)

// errOrdinalsSpent cannot happen before a segment is full; it is checked because
// a repeated nonce would undo the cipher.
var errOrdinalsSpent = errors.New("segment has used all its ordinals")

// sealer seals the boxes of one segment. Its key exists in this process only and
// is used with each ordinal once: an ordinal is consumed by sealing and never
// given back, whatever becomes of the write. A segment that is continued, after
// a failure or a restart, is a new segment with a new key.
type sealer struct {
	segment string // id, part of the associated data
	aead    cipher.AEAD
	next    uint64
	plain   []byte // scratch
	box     []byte // scratch
	data    []byte // scratch
	nonce   [nonceSize]byte
	// used is called with every nonce; set by tests only.
	used func(segment string, ordinal uint64)
}

// newSealer makes a data key for a segment and returns it wrapped to the
// recipients, as an age file.
func newSealer(segment string, recipients []*age.X25519Recipient) (*sealer, []byte, error) {
	key := make([]byte, dataKeySize)
	_, _ = rand.Read(key) // crypto/rand.Read never fails since Go 1.24
	defer clear(key)
	wrapped, err := wrapKey(key, recipients)
	if err != nil {
		return nil, nil, err
	}
	aead, err := newAEAD(key)
	if err != nil {
		return nil, nil, err
	}
	return &sealer{segment: segment, aead: aead}, wrapped, nil
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func wrapKey(key []byte, recipients []*age.X25519Recipient) ([]byte, error) {
	var out bytes.Buffer
	w, err := age.Encrypt(&out, asRecipients(recipients)...)
	if err != nil {
		return nil, fmt.Errorf("wrapping a data key: %w", err)
	}
	if _, err := w.Write(key); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func unwrapKey(wrapped []byte, keys Keys) (cipher.AEAD, error) {
	if keys.Empty() {
		return nil, ErrNoKey
	}
	r, err := age.Decrypt(bytes.NewReader(wrapped), keys.identities...)
	if err != nil {
		if none := (*age.NoIdentityMatchError)(nil); errors.As(err, &none) {
			return nil, fmt.Errorf("%w: %w", ErrNoKey, err)
		}
		return nil, fmt.Errorf("%w: data key: %w", ErrPayload, err)
	}
	key, err := io.ReadAll(io.LimitReader(r, dataKeySize+1))
	if err != nil || len(key) != dataKeySize {
		return nil, fmt.Errorf("%w: data key of %d bytes: %w", ErrPayload, len(key), err)
	}
	defer clear(key)
	return newAEAD(key)
}

// appendSealed appends ,"sealed":{...} for the payload of r to a clear line that
// lacks its closing brace. It consumes an ordinal.
func (s *sealer) appendSealed(b []byte, r *Record) ([]byte, error) {
	if s.next == math.MaxUint32 {
		return b, errOrdinalsSpent
	}
	ordinal := s.next
	s.next++
	if s.used != nil {
		s.used(s.segment, ordinal)
	}
	s.plain = appendPlaintext(s.plain[:0], r)
	s.nonce = boxNonce(ordinal)
	s.data = appendBoxData(s.data[:0], s.segment, r.ID)
	s.box = s.aead.Seal(s.box[:0], s.nonce[:], s.plain, s.data)

	b = append(b, `,"sealed":{"n":`...)
	b = strconv.AppendUint(b, ordinal, 10)
	if r.Payload.Blob != nil {
		b = append(b, `,"blob":`...)
		b = appendString(b, r.Payload.Blob.Name, 0)
	}
	b = append(b, `,"box":"`...)
	b = base64.StdEncoding.AppendEncode(b, s.box)
	return append(b, '"', '}'), nil
}

// boxNonce is the ordinal as a big-endian number of 96 bits.
func boxNonce(ordinal uint64) [nonceSize]byte {
	var nonce [nonceSize]byte
	binary.BigEndian.PutUint64(nonce[4:], ordinal)
	return nonce
}

// appendBoxData appends what a box is bound to: a box cannot be moved to another
// record or segment.
func appendBoxData(b []byte, segment string, id ID) []byte {
	return append(append(append(b, segment...), '\n'), id[:]...)
}

// boxHeader is the first line of the plaintext. The lengths say how the raw
// bytes after it are divided. Body is 0 if Blob is set.
type boxHeader struct {
	Client  netip.AddrPort `json:"client"`
	Scheme  string         `json:"scheme"`
	Peer    netip.Addr     `json:"peer,omitzero"`
	Head    int            `json:"head"`
	Body    int            `json:"body"`
	Trailer int            `json:"trailer"`
	Blob    *boxBlob       `json:"blob,omitempty"`
	SHA256  []byte         `json:"sha256,omitempty"` // of the body, wherever it is
}

type boxBlob struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
}

func appendPlaintext(b []byte, r *Record) []byte {
	p := r.Payload
	client := p.Client
	if !client.IsValid() {
		client = r.Client
	}
	// As encoding/json writes a boxHeader, at a tenth of its price.
	b = append(b, `{"client":"`...)
	if client.IsValid() {
		b = client.AppendTo(b)
	}
	b = append(b, `","scheme":`...)
	b = appendString(b, p.Scheme, 0)
	if p.Peer.IsValid() {
		b = append(b, `,"peer":"`...)
		b = append(p.Peer.AppendTo(b), '"')
	}
	body := p.Body
	if p.Blob != nil {
		body = nil
	}
	b = strconv.AppendInt(append(b, `,"head":`...), int64(len(p.Head)), 10)
	b = strconv.AppendInt(append(b, `,"body":`...), int64(len(body)), 10)
	b = strconv.AppendInt(append(b, `,"trailer":`...), int64(len(p.Trailer)), 10)
	if p.Blob != nil {
		b = append(b, `,"blob":{"name":`...)
		b = appendString(b, p.Blob.Name, 0)
		b = strconv.AppendInt(append(b, `,"bytes":`...), p.Blob.Bytes, 10)
		b = append(b, '}')
	}
	if r.Body.Hashed {
		b = append(b, `,"sha256":"`...)
		b = append(base64.StdEncoding.AppendEncode(b, r.Body.SHA256[:]), '"')
	}
	b = append(b, '}', '\n')
	b = append(b, p.Head...)
	b = append(b, body...)
	return append(b, p.Trailer...)
}

// parsePlaintext divides an opened box. The parts point into plain.
func parsePlaintext(plain []byte) (h boxHeader, head, body, trailer []byte, err error) {
	line, rest, found := bytes.Cut(plain, []byte{'\n'})
	if !found {
		return h, nil, nil, nil, fmt.Errorf("%w: no first line in the box", ErrPayload)
	}
	if err := json.Unmarshal(line, &h); err != nil {
		return h, nil, nil, nil, fmt.Errorf("%w: first line of the box: %w", ErrPayload, err)
	}
	if h.Head < 0 || h.Body < 0 || h.Trailer < 0 || h.Head > len(rest) || h.Body > len(rest)-h.Head ||
		h.Trailer != len(rest)-h.Head-h.Body {
		return h, nil, nil, nil, fmt.Errorf("%w: lengths in the box do not add up", ErrPayload)
	}
	return h, rest[:h.Head:h.Head], rest[h.Head : h.Head+h.Body : h.Head+h.Body], rest[h.Head+h.Body:], nil
}
