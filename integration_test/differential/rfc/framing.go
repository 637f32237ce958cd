package rfc

import (
	"strconv"
	"strings"
)

// codings are the transfer codings in the order they were applied (6.1), in lower case, and
// whether the field is there at all.
func (m *Message) codings() (names []string, given, ok bool) {
	value, given := m.Combined("transfer-encoding")
	if !given {
		return nil, false, true
	}
	if lower(value) != "chunked" {
		m.mark("a Transfer-Encoding that is written in another way than as one coding (RFC 9110, 5.6.1)")
	}
	chunked := 0
	for _, e := range list(value) {
		n := 0
		for n < len(e) && tchar(e[n]) {
			n++
		}
		name, rest := lower(e[:n]), e[n:]
		if name == "" {
			return nil, true, m.refuse("a Transfer-Encoding that is no list of codings (6.1)")
		}
		parameters := rest != ""
		for rest != "" {
			var ok bool
			if rest, _, ok = parameter(rest, false); !ok {
				return nil, true, m.refuse("a Transfer-Encoding that is no list of codings (6.1)")
			}
		}
		if name == "chunked" {
			if chunked++; chunked > 1 {
				return nil, true, m.refuse("chunked more than once (6.1)")
			}
			if parameters {
				return nil, true, m.refuse("chunked with parameters (7.1)")
			}
		}
		names = append(names, name)
	}
	if m.Minor == 0 {
		m.mark("Transfer-Encoding in HTTP/1.0 (6.1)")
	}
	return names, true, true
}

// contentLength: 1*DIGIT (RFC 9110, 8.6), or a list of the same number (6.3, 5).
func (m *Message) contentLength() (n uint64, has, ok bool) {
	value, has := m.Combined("content-length")
	if !has {
		return 0, false, true
	}
	all := list(value)
	if value != strings.Join(all, "") || len(all) != 1 {
		m.mark("a Content-Length that is a list of the same number (6.3)")
	}
	if len(all) == 0 {
		return 0, true, m.refuse("a Content-Length that is no number (6.3)")
	}
	for i, v := range all {
		if !every(v, digit) {
			return 0, true, m.refuse("a Content-Length that is no number (6.3)")
		}
		if len(v) > 18 {
			m.mark("a Content-Length of more than 18 digits (RFC 9110, 8.6)")
		}
		next, err := strconv.ParseUint(v, 10, 63)
		if err != nil {
			return 0, true, m.refuse("a Content-Length that nobody can count to (RFC 9110, 8.6)")
		}
		if i > 0 && next != n {
			return 0, true, m.refuse("different values of Content-Length (6.3)")
		}
		n = next
	}
	return n, true, true
}

// connection reads what the Connection field and the version say of the connection: 9.3
// and RFC 9110, 7.6.1, 7.8, 10.1.1.
func (m *Message) connection() bool {
	value, _ := m.Combined("connection")
	options := list(value)
	has := func(option string) bool {
		for _, o := range options {
			if lower(o) == option {
				return true
			}
		}
		return false
	}
	for _, o := range options {
		if !token(o) {
			m.flaw("a Connection field that is no list of tokens (RFC 9110, 7.6.1)")
		}
	}
	if strings.Count(value, ",") >= 128 {
		m.mark("more than 128 connection options (RFC 9110, 7.6.1)")
	}
	m.Persist = !has("close") && (m.Minor > 0 || has("keep-alive"))
	if m.Framing == Chunked && (m.Minor == 0 || m.Marked("both Transfer-Encoding and Content-Length (6.1)")) {
		m.Persist = false // 6.1
	}
	if v, given := m.Combined("upgrade"); given && m.Minor > 0 && has("upgrade") {
		m.Upgrade = list(v)
	}
	v, given := m.Combined("expect")
	if given {
		expected := list(v)
		if len(expected) != 1 || lower(v) != "100-continue" {
			m.mark("an expectation that is not 100-continue alone (RFC 9110, 10.1.1)")
		}
		for _, e := range expected {
			m.Expect = m.Expect || lower(e) == "100-continue"
		}
		m.Expect = m.Expect && m.Minor > 0 && (m.Framing == Chunked || m.Framing == Length && m.Length > 0)
	}
	return true
}

// body reads the body that begins at an offset of the stream (6, 7).
func (m *Message) body(stream string, at int) {
	switch m.Framing {
	case NoBody:
	case Length:
		if len(stream)-at < m.Length {
			m.Fate = Incomplete
			return
		}
		m.Body = []byte(stream[at : at+m.Length])
		at += m.Length
	case UntilClose:
		m.Body = []byte(stream[at:])
		at = len(stream)
	case Chunked:
		var ok bool
		if at, ok = m.chunks(stream, at); !ok {
			return
		}
	}
	m.Fate, m.Size = Read, at
}

// ReadChunked reads a chunked body at the start of a stream: of the message that is
// returned Fate, Why, Body, Trailers, Size, Flaws and Marks are set.
func ReadChunked(stream string) *Message {
	m := &Message{Framing: Chunked}
	m.body(stream, 0)
	return m
}

// chunks: *chunk last-chunk trailer-section CRLF (7.1).
func (m *Message) chunks(stream string, at int) (next int, ok bool) {
	extensions := 0
	for {
		line, next, ok := m.line(stream, at)
		if !ok {
			return at, false
		}
		at = next
		n := 0
		for n < len(line) && hexdig(line[n]) {
			n++
		}
		if n == 0 {
			return at, m.refuse("a chunk without a size (7.1)")
		}
		if n > 15 {
			m.mark("a chunk size of more than 15 digits (7.1)")
		}
		size, err := strconv.ParseUint(line[:n], 16, 63)
		if err != nil {
			return at, m.refuse("a chunk size that nobody can count to (7.1)")
		}
		extensions += len(line) - n
		if len(line) > 256 || extensions > 8<<10 {
			m.mark("long chunk extensions (7.1.1)")
		}
		if !m.chunkExt(line[n:]) {
			return at, false
		}
		if size == 0 {
			start := at
			m.Trailers, at, ok = m.fieldLines(stream, at, true)
			if at-start > 8<<10 {
				m.mark("a trailer section of more than 8 KiB (RFC 9110, 5.4)")
			}
			return at, ok
		}
		left := uint64(len(stream) - at)
		if size > left {
			m.Fate = Incomplete
			return at, false
		}
		m.Body = append(m.Body, stream[at:at+int(size)]...)
		at += int(size)
		switch end := stream[at:min(at+2, len(stream))]; {
		case end == "\r\n":
			at += 2
		case end == "" || end == "\r":
			m.Fate = Incomplete
			return at, false
		default:
			return at, m.refuse("chunk data that does not end with CR LF (7.1)")
		}
	}
}

// chunkExt: *( BWS ";" BWS name [ BWS "=" BWS value ] ) (7.1.1).
func (m *Message) chunkExt(ext string) bool {
	if ext == "" {
		return true
	}
	if strings.TrimLeft(ext, " \t") != ext {
		m.mark("white space behind a chunk size (7.1.1)")
		if ext = strings.TrimLeft(ext, " \t"); ext == "" {
			m.flaw("white space behind a chunk size, and no extension (7.1.1)")
			return true
		}
	}
	if ext[0] != ';' {
		return m.refuse("a chunk size with something else behind it (7.1)")
	}
	if !every(ext, fieldByte) {
		return m.refuse("a control character in a chunk extension (7.1.1)")
	}
	for ext != "" {
		rest, _, ok := parameter(ext, true)
		if !ok {
			m.flaw("a chunk extension that is not name=value (7.1.1)")
			return true
		}
		ext = rest
	}
	return true
}
