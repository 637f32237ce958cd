package http1

import (
	"bytes"

	"github.com/holdfast-edge/holdfast/edge/exchange"
)

// maxFields bounds the number of fields in a head, and of trailers.
const maxFields = 256

// Classes of bytes (RFC 9110, section 5.6.2 and 5.5; RFC 3986).
const (
	isToken  = 1 << iota // tchar
	isValue              // field-vchar, obs-text, SP, HTAB
	isTarget             // what may stand in a request target
	isDigit
)

// classes is indexed by byte. Targets are visible ASCII without "#": a fragment
// never goes over the wire, and bytes from 0x80 on must be percent-encoded
// (RFC 3986, section 2).
var classes = func() (t [256]uint8) {
	for c := 0; c < 256; c++ {
		switch {
		case c == '\t' || c == ' ' || c > 0x7e && c != 0x7f:
			t[c] |= isValue
		case c > 0x20 && c < 0x7f:
			t[c] |= isValue
			if c != '#' {
				t[c] |= isTarget
			}
		}
		if c >= '0' && c <= '9' {
			t[c] |= isDigit | isToken
		}
		if c|0x20 >= 'a' && c|0x20 <= 'z' {
			t[c] |= isToken
		}
	}
	for _, c := range []byte("!#$%&'*+-.^_`|~") {
		t[c] |= isToken
	}
	return t
}()

func all(p []byte, class uint8) bool {
	for _, c := range p {
		if classes[c]&class == 0 {
			return false
		}
	}
	return true
}

func malformed(status int, reason string) *exchange.Malformed {
	return &exchange.Malformed{Status: status, Reason: reason}
}

// The refusals of the parser. They are values, so that refusing costs nothing.
var (
	errBareLF        = malformed(400, "a line ends with LF alone")
	errBareCR        = malformed(400, "a CR that does not end a line")
	errFold          = malformed(400, "a line starts with white space (obs-fold)")
	errNoColon       = malformed(400, "a field line without a colon")
	errFieldName     = malformed(400, "a field name with an illegal character")
	errFieldValue    = malformed(400, "a field value with an illegal character")
	errManyFields    = malformed(431, "too many header fields")
	errHeadTooLarge  = malformed(431, "the head is larger than limits.max_header")
	errLongTarget    = malformed(414, "the request line is longer than limits.max_header")
	errRequestLine   = malformed(400, "the request line is not METHOD SP TARGET SP VERSION")
	errMethod        = malformed(400, "the method has an illegal character or is too long")
	errTarget        = malformed(400, "the target has an illegal character or form")
	errVersion       = malformed(400, "the version is not HTTP/1.1 or HTTP/1.0")
	errVersionOther  = malformed(505, "the version is not HTTP/1.1 or HTTP/1.0")
	errConnect       = malformed(405, "CONNECT: this is not a forward proxy")
	errNoHost        = malformed(400, "no Host field")
	errManyHosts     = malformed(400, "more than one Host field")
	errHostDiffers   = malformed(400, "the target and the Host field name different hosts")
	errBothFramings  = malformed(400, "both Content-Length and Transfer-Encoding")
	errManyLengths   = malformed(400, "more than one Content-Length")
	errLength        = malformed(400, "Content-Length is not a number")
	errCoding        = malformed(400, "Transfer-Encoding is not the single coding chunked")
	errCoding10      = malformed(400, "Transfer-Encoding in HTTP/1.0")
	errOptions       = malformed(400, "the Connection field lists too many options")
	errExpect        = malformed(417, "an expectation other than 100-continue")
	errChunkSize     = malformed(400, "a chunk size that is not a hexadecimal number")
	errChunkExt      = malformed(400, "chunk extensions that are illegal or too long")
	errChunkEnd      = malformed(400, "a chunk that does not end with CR LF")
	errTrailer       = malformed(400, "a trailer that may not stand in a trailer section")
	errTrailersLarge = malformed(400, "the trailers are too large")
	errStatusLine    = malformed(502, "the status line is not HTTP/1.x SP CODE")
)

// nextLine returns the line that starts at pos, without its CR LF, and where the
// next one starts. ok is false when the line is not complete.
func nextLine(buf []byte, pos int) (line []byte, next int, ok bool, err *exchange.Malformed) {
	i := bytes.IndexByte(buf[pos:], '\n')
	if i < 0 {
		return nil, pos, false, nil
	}
	if i == 0 || buf[pos+i-1] != '\r' {
		return nil, pos, false, errBareLF
	}
	return buf[pos : pos+i-1], pos + i + 1, true, nil
}

// parseField parses one field line (RFC 9112, section 5).
func parseField(line []byte) (f exchange.Field, err *exchange.Malformed) {
	if line[0] == ' ' || line[0] == '\t' {
		return f, errFold
	}
	colon := bytes.IndexByte(line, ':')
	if colon < 0 {
		return f, errNoColon
	}
	name, value := line[:colon], line[colon+1:]
	if colon == 0 || !all(name, isToken) {
		return f, errFieldName
	}
	for len(value) > 0 && (value[0] == ' ' || value[0] == '\t') {
		value = value[1:]
	}
	for len(value) > 0 && (value[len(value)-1] == ' ' || value[len(value)-1] == '\t') {
		value = value[:len(value)-1]
	}
	if !all(value, isValue) {
		if bytes.IndexByte(value, '\r') >= 0 {
			return f, errBareCR
		}
		return f, errFieldValue
	}
	return exchange.Field{Name: name, Value: value, ID: exchange.Identify(name)}, nil
}

// parseLength parses a Content-Length: digits only, at most 18 of them, so that it
// fits and cannot be read in two ways (RFC 9110, section 8.6).
func parseLength(v []byte) (n int64, ok bool) {
	if len(v) == 0 || len(v) > 18 {
		return 0, false
	}
	for _, c := range v {
		if classes[c]&isDigit == 0 {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// framing is what the fields of a head say about the body that follows.
type framing struct {
	length  int64 // -1: not given
	chunked bool
}

func readFraming(fields []exchange.Field) (fr framing, err *exchange.Malformed) {
	fr.length = -1
	for i := range fields {
		switch fields[i].ID {
		case exchange.ContentLength:
			if fr.length >= 0 {
				return fr, errManyLengths
			}
			n, ok := parseLength(fields[i].Value)
			if !ok {
				return fr, errLength
			}
			fr.length = n
		case exchange.TransferEncoding:
			if fr.chunked || !exchange.Is(fields[i].Value, "chunked") {
				return fr, errCoding
			}
			fr.chunked = true
		}
	}
	if fr.chunked && fr.length >= 0 {
		return fr, errBothFramings
	}
	return fr, nil
}
