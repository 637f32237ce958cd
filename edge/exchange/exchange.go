// Package exchange defines the one value that travels through the edge: a
// request and its answer. Every protocol (HTTP/1.1 today) decodes into an
// Exchange, and every step of the chain in package edge works on it, so that
// routing, capture, forwarding and recording are written once.
package exchange

import (
	"errors"
	"io"
	"net/netip"
	"time"
)

// Exchange is one request and the place its answer goes to. It belongs to the
// goroutine that serves it. All byte slices alias buffers of the connection and
// are valid until the handler returns; nothing may keep them longer.
type Exchange struct {
	Arrival time.Time      // when the first byte of the head was seen
	Now     time.Time      // when somebody last looked at the clock; who looks, sets it
	Proto   string         // "HTTP/1.1", "HTTP/1.0"; "" when it could not be read
	Scheme  string         // "http" or "https": how the client reached the edge
	TLS     *TLS           // the connection's session; nil without TLS
	Remote  netip.AddrPort // the peer of the connection

	Head   []byte  // the head as it arrived, request line to blank line
	Method []byte  // as received
	Target []byte  // origin-form ("/path?query") or "*"
	Host   []byte  // the authority the request names, as received
	Fields []Field // in order, as received

	// Length is the declared size of the body in bytes: 0 for none, -1 for one
	// that ends when its framing says so (chunked).
	Length int64
	// Body reads the request's body, decoded from its framing. It is never nil.
	// Only one goroutine reads it at a time.
	Body Body
	// ExpectContinue is set while the client waits for "100 Continue" before it
	// sends the body; Body sends it on the first Read.
	ExpectContinue bool
	// Upgrade is the protocol the client wants to switch to, or nil.
	Upgrade []byte

	// Malformed is set when the request could not be understood. Such an
	// exchange is recorded and refused with this status, never routed.
	Malformed *Malformed

	// Answer takes the answer.
	Answer Responder
}

// Malformed says why a request is refused before it is routed.
type Malformed struct {
	Status int    // the status of the refusal, 400 to 505
	Reason string // one sentence for the record, no data of the request in it
	Tell   string // what the client is told; "": the name of the status
}

// TLS is what is known of the TLS session of a connection.
type TLS struct {
	ServerName string // what the client asked for, as it sent it; never empty
	Version    string // "1.3"
}

func (m *Malformed) Error() string { return m.Reason }

// Body is the request body of an exchange.
type Body interface {
	// Read returns io.EOF after the last byte and after the trailers were read.
	// Other errors are *Malformed, ErrSlow or the error of the connection.
	io.Reader
	// Buffered returns the whole body if it is known and already in memory, for
	// at most max bytes: it reads from the connection until it is, and returns
	// ok false at once where that can't be (longer, or length unknown). The bytes
	// are valid until the handler returns. After ok or an error, Read is at its end.
	Buffered(max int64) (p []byte, ok bool, err error)
	// Trailers are the fields after the last chunk; valid after io.EOF.
	Trailers() []Field
	// SetDeadline bounds all reads that follow in total; the zero time
	// restores the limit that applies between reads. It may be called while
	// another goroutine reads, and then bounds that read too.
	SetDeadline(t time.Time)
}

// ErrShort is returned by Responder.End when fewer bytes were written than Begin
// had announced. The caller closes the answer, which then is visibly cut.
var ErrShort = errors.New("the answer is shorter than its Content-Length")

// Responder takes the answer to one request. One goroutine at a time.
type Responder interface {
	// Interim sends an informational answer (RFC 9110, section 15.2) at once, where
	// the client's protocol has them.
	Interim(status int, fields []Field) error
	// Begin queues the head of the final answer. It leaves with the first
	// Flush, or when the queue is full. Fields that are hop-by-hop or that frame
	// the message are left out: the protocol writes its own.
	Begin(h *AnswerHead) error
	// Write queues body bytes; it sends when the queue is full.
	Write(p []byte) (int, error)
	// Flush sends what is queued.
	Flush() error
	// End completes the answer and flushes it.
	End(trailers []Field) error
	// Tunnel sends the queued head of a 101 answer and hands over the
	// connection and the bytes that were read ahead of it. app is closed too when
	// the connection is closed by force.
	Tunnel(app io.Closer) (Tunnel, error)
	// Close breaks off: nothing else is sent and the connection ends. An answer
	// that has begun is visibly cut short.
	Close()
	// CloseAfter makes the connection end when this answer is complete.
	CloseAfter()
	// Gone reports whether the client has closed the connection. It does not
	// block. It is only meaningful while nobody reads the body.
	Gone() bool
	// Sent returns how many bytes of the body were handed to the connection.
	Sent() int64
}

// Tunnel is a connection after a switch of protocols.
type Tunnel interface {
	io.ReadWriteCloser
	// CloseWrite half-closes towards the client.
	CloseWrite() error
	// Expire makes reads fail after a time.
	Expire(after time.Duration)
}

// AnswerHead is the head of a final answer.
type AnswerHead struct {
	Status int
	Fields []Field
	// Length of the body in bytes, or -1 when unknown. It is what is announced;
	// for answers without a body (HEAD, 304) a length may be announced all the same.
	Length int64
	// NoBody: the answer has no body whatever Length says (HEAD, 1xx, 204, 304).
	NoBody bool
	// RequestID is sent as X-Request-Id in place of the app's.
	RequestID string
}
