package rfc

import "strings"

// lower maps ASCII letters only: that is what "case-insensitive" means in RFC 9110, 1.2
// and RFC 3986, 6.2.2.1.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

func every(s string, is func(byte) bool) bool {
	for i := range len(s) {
		if !is(s[i]) {
			return false
		}
	}
	return true
}

// RFC 5234, B.1.
func alpha(c byte) bool  { return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' }
func digit(c byte) bool  { return c >= '0' && c <= '9' }
func hexdig(c byte) bool { return digit(c) || c >= 'A' && c <= 'F' || c >= 'a' && c <= 'f' }
func vchar(c byte) bool  { return c >= 0x21 && c <= 0x7e }

// tchar and token: RFC 9110, 5.6.2.
func tchar(c byte) bool {
	return alpha(c) || digit(c) || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

func token(s string) bool { return s != "" && every(s, tchar) }

// fieldByte is what a field value is made of: field-vchar, SP, HTAB (RFC 9110, 5.5).
func fieldByte(c byte) bool { return vchar(c) || c >= 0x80 || c == ' ' || c == '\t' }

// quoted is the length of the quoted-string at the start of s, 0 if there is none
// (RFC 9110, 5.6.4).
func quoted(s string) int {
	if s == "" || s[0] != '"' {
		return 0
	}
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return i + 1
		case c == '\\':
			if i++; i == len(s) || !fieldByte(s[i]) {
				return 0
			}
		case !fieldByte(c):
			return 0
		}
	}
	return 0
}

// list splits a list field at its commas (RFC 9110, 5.6.1); those in quoted strings do not
// count. Empty elements are left out, as a recipient must.
func list(s string) (elements []string) {
	start := 0
	add := func(end int) {
		if e := strings.Trim(s[start:end], " \t"); e != "" {
			elements = append(elements, e)
		}
	}
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			if n := quoted(s[i:]); n > 0 {
				i += n - 1
			}
		case ',':
			add(i)
			start = i + 1
		}
	}
	add(len(s))
	return elements
}

// parameter takes `BWS ";" BWS name BWS "=" BWS value` off the start of s, a parameter of
// a transfer coding (RFC 9110, 10.1.4) or, where the value may be missing, a chunk
// extension (7.1.1). blanks tells whether there was white space.
func parameter(s string, mayLackValue bool) (rest string, blanks, ok bool) {
	skip := func() {
		trimmed := strings.TrimLeft(s, " \t")
		blanks = blanks || len(trimmed) != len(s)
		s = trimmed
	}
	skip()
	if !strings.HasPrefix(s, ";") {
		return s, blanks, false
	}
	s = s[1:]
	skip()
	n := 0
	for n < len(s) && tchar(s[n]) {
		n++
	}
	if n == 0 {
		return s, blanks, false
	}
	s = s[n:]
	before, had := s, blanks
	skip()
	if !strings.HasPrefix(s, "=") {
		return before, had, mayLackValue
	}
	s = s[1:]
	skip()
	if n = quoted(s); n == 0 {
		for n < len(s) && tchar(s[n]) {
			n++
		}
	}
	return s[n:], blanks, n > 0
}

// RFC 3986, 2.2, 2.3, 3.3, 3.4.
func unreserved(c byte) bool { return alpha(c) || digit(c) || strings.IndexByte("-._~", c) >= 0 }
func subDelim(c byte) bool   { return strings.IndexByte("!$&'()*+,;=", c) >= 0 }

// pctEncoded: all "%" of s begin a pct-encoded (RFC 3986, 2.1).
func pctEncoded(s string) bool {
	for i := range len(s) {
		if s[i] == '%' && (i+2 >= len(s) || !hexdig(s[i+1]) || !hexdig(s[i+2])) {
			return false
		}
	}
	return true
}

// pathAndQuery: the characters of path-abempty [ "?" query ] (RFC 3986, 3.3, 3.4).
func pathAndQuery(s string) bool {
	path, query, _ := strings.Cut(s, "?")
	pchar := func(c byte) bool { return unreserved(c) || subDelim(c) || c == '%' || c == ':' || c == '@' }
	return every(path, func(c byte) bool { return pchar(c) || c == '/' }) &&
		every(query, func(c byte) bool { return pchar(c) || c == '/' || c == '?' })
}
