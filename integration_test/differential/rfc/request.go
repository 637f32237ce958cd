package rfc

import "strings"

// ReadRequest reads the request at the start of a stream. What a stream ends in the middle
// of is Incomplete, whatever is known of it.
func ReadRequest(stream string) *Message {
	m := &Message{}
	if m.requestHead(stream) {
		m.body(stream, m.HeadSize)
	}
	return m
}

// ReadRequestHead reads the head alone: Size is that of the head.
func ReadRequestHead(stream string) *Message {
	m := &Message{}
	if m.requestHead(stream) {
		m.Fate, m.Size = Read, m.HeadSize
	}
	return m
}

// requestHead reads up to the body and decides its framing.
func (m *Message) requestHead(stream string) bool {
	// 2.2: a server should ignore at least one empty line before the request line.
	at, empty := 0, 0
	for strings.HasPrefix(stream[at:], "\r\n") {
		at += 2
		empty++
	}
	if empty > 1 {
		m.mark("several empty lines before the request line (2.2)")
	}
	line, at, ok := m.line(stream, at)
	if !ok {
		return false
	}
	m.Line = line
	target, ok := m.requestLine(line)
	if !ok {
		return false
	}
	if m.Fields, at, ok = m.fieldLines(stream, at, false); !ok {
		return false
	}
	m.HeadSize, m.head = at, stream[:at]
	if at > 32<<10 {
		m.mark("a head of more than 32 KiB (RFC 9110, 5.4)")
	}
	return m.requestFraming() && m.connection() && m.host(target)
}

// requestLine: method SP request-target SP HTTP-version (3). A recipient may split at other
// white space too, which reads some lines differently: such lines are refused.
func (m *Message) requestLine(line string) (target string, ok bool) {
	parts := strings.Split(line, " ")
	if len(parts) != 3 {
		return "", m.refuse("a request line that is not three parts with one space between (3)")
	}
	if !token(parts[0]) {
		return "", m.refuse("a method that is no token (3.1)")
	}
	m.Method = parts[0]
	if len(m.Method) > 24 {
		m.mark("a method of more than 24 characters (3)")
	}
	if !m.version(parts[2]) {
		return "", false
	}
	target = parts[1]
	switch {
	case target == "" || !every(target, func(c byte) bool { return vchar(c) || c >= 0x80 }):
		return "", m.refuse("white space or a control character in the target (3.2)")
	case strings.Contains(target, "#"):
		return "", m.refuse("a fragment in the target (3.2; RFC 9110, 7.1)")
	}
	return target, true
}

// version: "HTTP/" DIGIT "." DIGIT, in capitals (2.3).
func (m *Message) version(s string) bool {
	if len(s) != 8 || !strings.HasPrefix(s, "HTTP/") || !digit(s[5]) || s[6] != '.' || !digit(s[7]) {
		return m.refuse("a version that is not HTTP/DIGIT.DIGIT (2.3)")
	}
	if s[5] != '1' {
		return m.refuse("another major version (RFC 9110, 2.5 and 15.6.6)")
	}
	m.Minor = int(s[7] - '0')
	if m.Minor > 1 {
		m.mark("a minor version after 1 (RFC 9110, 2.5)")
	}
	return true
}

// requestFraming: 6.3 for requests.
func (m *Message) requestFraming() bool {
	codings, given, ok := m.codings()
	if !ok {
		return false
	}
	length, has, ok := m.contentLength()
	switch {
	case given:
		// 6.3, 4: chunked must be the final coding of a request.
		if len(codings) == 0 || codings[len(codings)-1] != "chunked" {
			return m.refuse("a request whose final transfer coding is not chunked (6.3)")
		}
		for _, c := range codings {
			switch c {
			case "chunked":
			case "gzip", "x-gzip", "deflate", "compress", "x-compress":
				m.mark("a transfer coding beside chunked (6.1)")
			default:
				return m.refuse("an unknown transfer coding (6.1)")
			}
		}
		if has {
			// 6.1: the coding wins, and the connection ends.
			m.mark("both Transfer-Encoding and Content-Length (6.1)")
			m.Fate, m.Why = Incomplete, "" // whatever the length says
		}
		m.Framing = Chunked
	case !ok:
		return false
	case has:
		m.Framing = Length
		m.Length = int(length)
	default:
		m.Framing = NoBody
	}
	return true
}

// host finds the authority and the target (3.2, 3.3).
func (m *Message) host(target string) bool {
	hosts := m.values("host")
	switch {
	case len(hosts) > 1:
		return m.refuse("more than one Host field (3.2)")
	case len(hosts) == 0 && m.Minor > 0:
		return m.refuse("no Host field in HTTP/1.1 (3.2)")
	case len(hosts) == 0:
		m.mark("no Host field in HTTP/1.0 (3.2)")
		hosts = []string{""}
	}
	switch a := ParseAuthority(hosts[0]); a.Kind {
	case NoHost:
		return m.refuse("a Host field that is no host (3.2)")
	case EmptyHost:
		m.mark("an empty host (3.3)")
	case IPvFuture:
		m.mark("an address of a version that nobody knows (RFC 3986, 3.2.2)")
	case NotASCII:
		m.flaw("bytes beyond ASCII in the host (RFC 3986, 3.2.2)")
	case Name:
		if !a.InDNS() {
			m.mark("a host that is no name of the DNS (RFC 1123, 2.1; RFC 3986, 3.2.2)")
		}
		if strings.Contains(lower(a.Host), "xn--") {
			m.mark("an A-label (RFC 5891, 4.4)")
		}
	}
	if !ParseAuthority(hosts[0]).PlainPort() {
		m.mark("a port that is no number from 1 to 65535, as it is written (RFC 3986, 3.2.3)")
	}
	m.Authority = hosts[0]

	switch {
	case m.Method == "CONNECT":
		// authority-form (3.2.3)
		a := ParseAuthority(target)
		if a.Kind == NoHost || a.Kind == EmptyHost || a.Port == "" {
			return m.refuse("CONNECT without host and port (3.2.3)")
		}
		m.mark("CONNECT (RFC 9110, 9.3.6)")
		m.Target, m.Authority = target, target
	case target == "*":
		if m.Method != "OPTIONS" {
			return m.refuse("an asterisk for another method than OPTIONS (3.2.4)")
		}
		m.Target = target
	case target[0] == '/':
		m.Target = target
	default:
		return m.absoluteForm(target)
	}
	m.checkPath(m.Target)
	return true
}

// absoluteForm: absolute-URI of a scheme of ours (3.2.2; RFC 9110, 4.2). The authority in
// the target replaces that in Host.
func (m *Message) absoluteForm(target string) bool {
	scheme, rest, _ := strings.Cut(target, ":")
	if s := lower(scheme); s != "http" && s != "https" || !strings.HasPrefix(rest, "//") {
		return m.refuse("a target in none of the four forms (3.2)")
	}
	rest = rest[2:]
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	authority, path := rest[:end], rest[end:]
	switch a := ParseAuthority(authority); {
	case strings.Contains(authority, "@"):
		return m.refuse("user information in the target (RFC 9110, 4.2.4)")
	case a.Kind == NoHost || a.Kind == EmptyHost:
		return m.refuse("a target without a host (RFC 9110, 4.2.1)")
	case a.Kind == NotASCII:
		m.flaw("bytes beyond ASCII in the host (RFC 3986, 3.2.2)")
	}
	if lower(authority) != lower(m.Authority) {
		m.mark("a target and a Host field that differ (3.2.2)")
	}
	m.Authority = authority
	switch {
	case path == "" && m.Method == "OPTIONS":
		m.Target = "*" // 3.2.4
	case path == "" || path[0] == '?':
		m.Target = "/" + path // 3.2.1
	default:
		m.Target = path
	}
	m.checkPath(m.Target)
	return true
}

func (m *Message) checkPath(target string) {
	if target == "*" || m.Method == "CONNECT" {
		return
	}
	if !pctEncoded(target) {
		m.flaw("a % without two hexadecimal digits in the target (RFC 3986, 2.1)")
	}
	if !pathAndQuery(target) {
		m.flaw("a character in the target that no URI has (RFC 3986, 3.3)")
	}
}
