package accesslog

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"
)

// Header is one header field as it was received: its name and its value without
// the white space around it.
type Header struct {
	Name  string
	Value []byte
}

// Body tells what is known of a request body.
type Body struct {
	// Bytes is how many bytes of the body arrived, kept or not.
	Bytes int64 `json:"bytes"`
	// Complete: the client sent all of it.
	Complete bool `json:"complete"`
	// Truncated: not every byte that arrived is in the record. Such a payload
	// is never sent again.
	Truncated bool `json:"truncated"`
	// SHA256 is the hash of the bytes that were kept, if Hashed.
	SHA256 [32]byte `json:"sha256"`
	// Hashed tells whether SHA256 has a meaning.
	Hashed bool `json:"-"`
}

type bodyJSON struct {
	Bytes     int64  `json:"bytes"`
	Complete  bool   `json:"complete"`
	Truncated bool   `json:"truncated"`
	SHA256    string `json:"sha256,omitempty"`
}

// MarshalJSON writes the hash as hexadecimal digits and leaves it out if there
// is none.
func (b Body) MarshalJSON() ([]byte, error) {
	j := bodyJSON{Bytes: b.Bytes, Complete: b.Complete, Truncated: b.Truncated}
	if b.Hashed {
		j.SHA256 = hex.EncodeToString(b.SHA256[:])
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (b *Body) UnmarshalJSON(data []byte) error {
	var j bodyJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	*b = Body{Bytes: j.Bytes, Complete: j.Complete, Truncated: j.Truncated}
	if j.SHA256 == "" {
		return nil
	}
	if len(j.SHA256) != 2*len(b.SHA256) {
		return fmt.Errorf("body.sha256 is not %d digits long", 2*len(b.SHA256))
	}
	if _, err := hex.Decode(b.SHA256[:], []byte(j.SHA256)); err != nil {
		return fmt.Errorf("body.sha256: %w", err)
	}
	b.Hashed = true
	return nil
}

// UserAgent is what could be told from a User-Agent field.
type UserAgent struct {
	Browser string `json:"browser"`
	Version string `json:"version"`
	OS      string `json:"os"`
	Mobile  bool   `json:"mobile"`
	Bot     bool   `json:"bot"`
}

// Record is one exchange, as the edge hands it to the Store. The Store reads it
// only while Commit or Append runs and keeps no reference to any of its parts,
// so every slice may point into a connection's buffer.
type Record struct {
	ID       ID
	Time     time.Time // arrival
	Outcome  Outcome
	Status   int           // what the client was answered; 0 if nothing
	Duration time.Duration // from arrival to the end of the answer

	Generation, Site, Route, App, Upstream, Match, Stage string
	// Reason says in a few words why the exchange failed, where the edge knows.
	Reason string

	// Client is the full address of the client. Clear lines get it truncated
	// (/24 or /48, no port); the whole of it is sealed.
	Client netip.AddrPort
	Proto  string // "HTTP/1.1"
	// Method, Host and URI as they were received; URI is the request target.
	Method, Host, URI         []byte
	TLSServerName, TLSVersion string
	// Headers holds the fields that may stand in clear lines, and no others.
	// Cookie, Set-Cookie, Authorization and Proxy-Authorization are left out
	// by the Store even if they are given.
	Headers   []Header
	UserAgent UserAgent

	BytesRead int64 // of the request, head included
	Size      int64 // of the answer's body
	Body      Body

	// Payload is set for captured records only; Append ignores it.
	Payload *Payload
}

// Payload is the part of a captured record that is sealed.
type Payload struct {
	Client netip.AddrPort
	Scheme string // "http" or "https"
	// Peer is the trusted proxy that sent the request and whose word about the
	// client was believed; zero where there was none.
	Peer netip.Addr
	// Head is the request from its first line to the empty line that ends the
	// header, byte for byte.
	Head []byte
	// Body holds the kept bytes of the body, unless Blob does.
	Body []byte
	// Trailer holds the raw trailer lines, if there were any.
	Trailer []byte
	// Blob is the sealed file with the body, as Capture.Seal returned it.
	Blob *Blob
}

// Blob is a body that was too big for a line: a file of its own, sealed and
// durable. Only Capture.Seal makes one; it must not be used after the Capture's
// Release.
type Blob struct {
	// Name is the path below data/captured/blobs, with slashes.
	Name string
	// Bytes is the length of the body in the file, before sealing.
	Bytes int64

	// named is set once a record that names the blob is durable, or may be on
	// disk although nobody could say so. Until then Release removes the file.
	named bool
}
