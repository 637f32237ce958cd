package rfc

import "strings"

// ReadResponse reads the answer to a request with the method at the start of a stream that
// ends where the bytes do (4, 6.3).
func ReadResponse(stream, method string) *Message {
	m := &Message{Method: method}
	line, at, ok := m.line(stream, 0)
	if !ok || !m.statusLine(line) {
		return m
	}
	m.Line = line
	if m.Fields, at, ok = m.fieldLines(stream, at, false); !ok {
		return m
	}
	m.HeadSize, m.head = at, stream[:at]
	if m.responseFraming() && m.connection() {
		m.Expect = false
		if m.Framing == UntilClose {
			m.Persist = false
		}
		m.body(stream, at)
	}
	return m
}

// statusLine: HTTP-version SP 3DIGIT SP [ reason-phrase ] (4).
func (m *Message) statusLine(line string) bool {
	version, rest, ok := strings.Cut(line, " ")
	if !ok {
		return m.refuse("a status line without a space (4)")
	}
	if !m.version(version) {
		return false
	}
	if len(rest) < 3 || !every(rest[:3], digit) {
		return m.refuse("a status code that is not three digits (4)")
	}
	m.Status = int(rest[0]-'0')*100 + int(rest[1]-'0')*10 + int(rest[2]-'0')
	if m.Status < 100 || m.Status > 599 {
		m.mark("a status code outside 100 to 599 (RFC 9110, 15)")
	}
	switch reason := rest[3:]; {
	case reason == "":
		m.flaw("no space behind the status code (4)")
	case reason[0] != ' ':
		return m.refuse("a status code that is not three digits (4)")
	case !every(reason, fieldByte):
		m.flaw("a control character in the reason phrase (4)")
	}
	return true
}

// responseFraming: 6.3 for responses, in its order.
func (m *Message) responseFraming() bool {
	codings, given, codingsOK := m.codings()
	length, has, lengthOK := m.contentLength()
	if m.Method == "HEAD" || m.Status < 200 || m.Status == 204 || m.Status == 304 {
		m.Framing = NoBody
		// What the fields say of a body that is not there needs to be true, not useful.
		if !codingsOK || !lengthOK {
			m.flaw("framing that cannot be read, of an answer without a body (6.3)")
			m.Fate, m.Why = Incomplete, ""
		}
		if (given || has) && (m.Status < 200 || m.Status == 204) {
			m.flaw("framing of an answer that cannot have a body (RFC 9110, 8.6; 6.1)")
		}
		if given && has {
			m.mark("both Transfer-Encoding and Content-Length (6.1)")
		}
		return true
	}
	if !codingsOK {
		return false
	}
	if given {
		if has || !lengthOK {
			m.mark("both Transfer-Encoding and Content-Length (6.1)")
		}
		m.Framing = UntilClose
		if len(codings) > 0 && codings[len(codings)-1] == "chunked" {
			m.Framing = Chunked
		}
		if len(codings) != 1 || m.Framing != Chunked {
			m.mark("a transfer coding beside chunked (6.1)")
		}
		m.Fate, m.Why = Incomplete, ""
		return true
	}
	switch {
	case !lengthOK:
		return false
	case has:
		m.Framing = Length
		m.Length = int(length)
	default:
		m.Framing = UntilClose
	}
	return true
}
