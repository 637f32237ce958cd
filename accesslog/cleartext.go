package accesslog

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// hidden stands in clear for the name and the password of a URL or a host.
const hidden = "-@"

// appendTarget appends the request target as it may stand in clear: without the
// name and the password that a target in absolute form ("http://alice:pw@host/")
// or in authority form ("alice:pw@host:443") can have. whole is false if
// something was left out or cut.
func appendTarget(b, target []byte, limit int) (_ []byte, whole bool) {
	s := unsafeString(target)
	if n := namePassword(s); n > 0 && s[0] != '/' {
		c := clearText{b: append(b, '"'), room: limit}
		c.add(hidden)
		c.urls(s[n+1:])
		return c.end(), false
	}
	return appendURL(b, s, limit)
}

// appendURL appends a text that is a URL or holds some, without the names and
// passwords in them: what stands between "://" and the last "@" of the authority
// (RFC 3986 §3.2), which ends at the first of "/?#", and in a query at "&" too.
func appendURL(b []byte, s string, limit int) (_ []byte, whole bool) {
	if strings.IndexByte(s, '@') < 0 {
		return appendString(b, s, limit), len(s) <= limit
	}
	c := clearText{b: append(b, '"'), room: limit}
	c.urls(s)
	return c.end(), !c.changed
}

// appendHost appends the authority of a request without what stands before the
// last "@".
func appendHost(b, host []byte, limit int) (_ []byte, whole bool) {
	s := unsafeString(host)
	n := strings.LastIndexByte(s, '@')
	if n < 0 {
		return appendString(b, s, limit), len(s) <= limit
	}
	c := clearText{b: append(b, '"'), room: limit}
	c.add(hidden)
	c.add(s[n+1:])
	return c.end(), false
}

// namePassword returns where the last "@" of the authority is that s begins with,
// -1 if there is none.
func namePassword(s string) int {
	if n := strings.IndexAny(s, "/?#"); n >= 0 {
		s = s[:n]
	}
	return strings.LastIndexByte(s, '@')
}

// clearText writes one JSON string out of pieces, at most room bytes of them
// before escaping, and allocates nothing but what b needs to grow. Pieces must
// begin and end between characters.
type clearText struct {
	b         []byte
	room, cut int
	changed   bool
}

// urls adds s without names and passwords.
func (c *clearText) urls(s string) {
	query := false
	for {
		i := strings.Index(s, "://")
		if i < 0 {
			c.add(s)
			return
		}
		i += len("://")
		query = query || strings.IndexByte(s[:i], '?') >= 0
		c.add(s[:i])
		s = s[i:]
		authority := s
		if query {
			if n := strings.IndexByte(s, '&'); n >= 0 {
				authority = s[:n]
			}
		}
		if n := namePassword(authority); n >= 0 {
			c.add(hidden)
			c.changed = true
			s = s[n+1:]
		}
	}
}

func (c *clearText) add(s string) {
	end := len(s)
	if end > c.room {
		end = c.room
		for end > 0 && end > c.room-utf8.UTFMax && !utf8.RuneStart(s[end]) {
			end--
		}
		c.cut += len(s) - end
		c.changed = true
	}
	c.b = appendEscaped(c.b, s[:end])
	c.room -= end
	if c.cut > 0 {
		c.room = 0 // nothing after a gap
	}
}

// end returns b with the string and its mark, if it was cut.
func (c *clearText) end() []byte {
	if c.cut > 0 {
		c.b = appendCutMark(c.b, c.cut)
	}
	return append(c.b, '"')
}

// appendCutMark appends what stands in a text for the bytes that are missing.
func appendCutMark(b []byte, bytes int) []byte {
	b = append(b, "...["...)
	b = strconv.AppendInt(b, int64(bytes), 10)
	return append(b, " more bytes]"...)
}
