// Package rfc reads HTTP/1.x messages as RFC 9110 (semantics), RFC 9112 (HTTP/1.1) and
// RFC 3986 (URIs) are written: a rule of the grammar is a function, and the text decides
// the rest. It is the reference that package edge/http1 is compared with, so it shares no
// code with it, is slow, and keeps whole messages in memory. "2.2" in a comment is section
// 2.2 of RFC 9112; other documents are named.
//
// A message has one of three fates. It is refused: the text calls it invalid, or lets a
// recipient choose between refusing it and one of several readings, which for a proxy is
// the same thing. Or it is incomplete: more bytes could make it a message. Or it has one
// reading; flaws say what in it breaks the grammar without making the reading doubtful,
// and marks what is valid, but rare enough that a cautious server may turn it away.
package rfc

import "strings"

// Fate is what becomes of the bytes at the start of a stream.
type Fate uint8

// The fates of a message.
const (
	Incomplete Fate = iota // the stream ends inside the message
	Refused                // no reading; Message.Why says why
	Read                   // one reading
)

// String names a fate.
func (f Fate) String() string { return [...]string{"incomplete", "refused", "read"}[f] }

// Framing is how the end of a body is found (6.3).
type Framing uint8

// The framings of a body.
const (
	NoBody Framing = iota
	Length
	Chunked
	UntilClose
)

// String names a framing.
func (f Framing) String() string {
	return [...]string{"no body", "length", "chunked", "until close"}[f]
}

// Field is a field line: the name as it was received, the value without white space
// around it.
type Field struct{ Name, Value string }

// Message is the reading of one message.
type Message struct {
	Fate Fate
	Why  string // of a refusal: what was broken, and the section

	Line      string // the request line or status line
	head      string
	Method    string
	Target    string // origin-form, "*", or for CONNECT the authority
	Authority string // host and port as received; the target's if it has one
	Status    int
	Minor     int // as received
	Fields    []Field
	Framing   Framing
	Length    int // of the body, where the framing is Length
	Body      []byte
	Trailers  []Field
	Persist   bool     // the connection goes on after it (9.3)
	Expect    bool     // 100-continue, of an HTTP/1.1 client (RFC 9110, 10.1.1)
	Upgrade   []string // the protocols offered with "Connection: upgrade" (RFC 9110, 7.8)

	HeadSize int // bytes up to the body, empty lines in front included
	Size     int // bytes of the stream that the message takes

	Flaws []string
	Marks []string
}

func (m *Message) flaw(what string) { m.Flaws = appendNew(m.Flaws, what) }
func (m *Message) mark(what string) { m.Marks = appendNew(m.Marks, what) }

func appendNew(list []string, s string) []string {
	for _, have := range list {
		if have == s {
			return list
		}
	}
	return append(list, s)
}

// Head is the head as it was received, empty lines in front included.
func (m *Message) Head() string { return m.head }

// Marked reports whether the message has the mark.
func (m *Message) Marked(mark string) bool {
	for _, have := range m.Marks {
		if have == mark {
			return true
		}
	}
	return false
}

func (m *Message) refuse(why string) bool {
	m.Fate, m.Why = Refused, why
	return false
}

// values are the values of all field lines with the name, in order (RFC 9110, 5.1: names
// ignore case).
func (m *Message) values(name string) []string {
	var v []string
	for _, f := range m.Fields {
		if lower(f.Name) == name {
			v = append(v, f.Value)
		}
	}
	return v
}

// Combined is the value of a list field: all lines joined by commas (RFC 9110, 5.2), and
// whether there is one.
func (m *Message) Combined(name string) (string, bool) {
	v := m.values(name)
	return strings.Join(v, ", "), len(v) > 0
}

// line takes one line from the stream (2.1, 2.2): it ends with CRLF. A recipient may take a
// lone LF for an end, and must not leave a lone CR in an element: both are refused.
func (m *Message) line(stream string, at int) (line string, next int, ok bool) {
	lf := strings.IndexByte(stream[at:], '\n')
	if lf < 0 {
		m.Fate = Incomplete
		return "", at, false
	}
	line = stream[at : at+lf]
	if !strings.HasSuffix(line, "\r") {
		return "", at, m.refuse("a line that ends with LF alone (2.2)")
	}
	line = line[:len(line)-1]
	if strings.Contains(line, "\r") {
		return "", at, m.refuse("a CR that ends no line (2.2)")
	}
	return line, at + lf + 1, true
}

// fieldLines reads field lines to the empty one that ends them (5).
func (m *Message) fieldLines(stream string, at int, trailers bool) (fields []Field, next int, ok bool) {
	for {
		var line string
		if line, at, ok = m.line(stream, at); !ok {
			return fields, at, false
		}
		if line == "" {
			return fields, at, true
		}
		if line[0] == ' ' || line[0] == '\t' {
			if len(fields) == 0 {
				return fields, at, m.refuse("white space before the first field (2.2)")
			}
			return fields, at, m.refuse("a line that continues the one before (5.2)")
		}
		name, value, found := strings.Cut(line, ":")
		switch {
		case !found:
			return fields, at, m.refuse("a field line without a colon (5)")
		case strings.TrimRight(name, " \t") != name:
			return fields, at, m.refuse("white space between name and colon (5.1)")
		case !token(name):
			return fields, at, m.refuse("a field name that is no token (RFC 9110, 5.1)")
		}
		value = strings.Trim(value, " \t")
		switch {
		case strings.ContainsAny(value, "\x00\r\n"):
			return fields, at, m.refuse("CR, LF or NUL in a field value (RFC 9110, 5.5)")
		case !every(value, fieldByte):
			m.flaw("a control character in a field value (RFC 9110, 5.5)")
		}
		if trailers && framesOrRoutes(name) {
			m.mark("a field that may not stand in a trailer section (RFC 9110, 6.5.1)")
		}
		fields = append(fields, Field{name, value})
		if len(fields) > 256 {
			m.mark("more than 256 fields (RFC 9110, 5.4)")
		}
	}
}

// framesOrRoutes: fields needed before the body is read, for its framing, its way, or for
// what is done with the request (RFC 9110, 6.5.1), and those of one connection (7.6.1).
func framesOrRoutes(name string) bool {
	switch lower(name) {
	case "transfer-encoding", "content-length", "host", "trailer", "te", "connection", "keep-alive",
		"proxy-connection", "upgrade", "expect", "proxy-authenticate", "proxy-authorization", "http2-settings":
		return true
	}
	// Names that become one of these in an app that reads them as variables (RFC 3875, 4.1.18).
	name = strings.ReplaceAll(lower(name), "_", "-")
	return name == "transfer-encoding" || name == "content-length"
}
