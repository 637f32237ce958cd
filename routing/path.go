package routing

import (
	"bytes"
	"strings"
)

// maxDepth bounds the segments of a route's path, so that a lookup needs no
// memory of its own for them.
const maxDepth = 32

// rule is a route made ready for matching.
type rule struct {
	route *Route
	// path is decoded. For a prefix it has no slash at its end, so "/" is "".
	path string
	// segments are those of path. An exact path that ends in a slash has an
	// empty one at its end; no other is empty.
	segments []string
}

// takes tells whether the rule is for the method.
func (r *rule) takes(method []byte) bool {
	for _, m := range r.route.Methods {
		if m == string(method) {
			return true
		}
	}
	return len(r.route.Methods) == 0
}

// matches tells whether the rule matches a path that has one reading only.
func (r *rule) matches(path []byte) bool {
	n := len(r.path)
	if len(path) < n || string(path[:n]) != r.path {
		return false
	}
	if r.route.Exact {
		return len(path) == n
	}
	return len(path) == n || path[n] == '/'
}

// The ways in which a path can be looked at.
type texture uint8

const (
	texturePlain   texture = iota // every app reads it the same way
	textureOdd                    // apps differ: see readings.go
	textureInvalid                // no path at all (RFC 3986 section 3.3)
)

// inspect tells the texture of a path, in one pass.
//
// Bytes beyond ASCII are let through: they are no URI, but clients send them,
// and nobody takes them for anything but themselves. Malformed percent-encoding
// is found later, by decode.
func inspect(path []byte) texture {
	if len(path) == 0 || path[0] != '/' {
		return textureInvalid
	}
	odd := false
	before := byte('/')
	for _, c := range path[1:] {
		switch {
		case c == '/':
			odd = odd || before == '/' || before == '.'
		case c == '%' || c == ';' || c == '\\':
			odd = true
		case c <= ' ' || c == 0x7f || c == '#':
			return textureInvalid
		}
		before = c
	}
	if odd || before == '.' {
		return textureOdd
	}
	return texturePlain
}

// withoutQuery is the path of a target in origin form (RFC 9112 section 3.2.1).
func withoutQuery(target []byte) []byte {
	if i := bytes.IndexByte(target, '?'); i >= 0 {
		return target[:i]
	}
	return target
}

// fault is what is wrong with a route's path, and what to write instead.
type fault struct{ reason, hint string }

// compilePath makes a route's path ready: decoded, and cut into segments. It
// refuses what a request could match only in some of its readings: such a
// route would refuse everybody.
func compilePath(path string, exact bool) (decoded string, segments []string, why *fault) {
	if path == "" || path[0] != '/' {
		return "", nil, &fault{"does not begin with a slash", "write " + quote("/"+path)}
	}
	if strings.ContainsAny(path, "?#") {
		return "", nil, &fault{"has a query or a fragment", "routes look at the path only: write " + quote(authorityOnly(path))}
	}
	if strings.Contains(strings.ToLower(path), "%2f") {
		return "", nil, &fault{"has an encoded slash, which some apps read as a slash", "write the part before it"}
	}
	text, ok := unescape(path)
	if !ok {
		return "", nil, &fault{"has a % without two hexadecimal digits", "write the character itself"}
	}
	if strings.ContainsAny(text, `\;%?#`) {
		return "", nil, &fault{`has one of \ ; % ? #, which apps read in different ways`, "write the part before it"}
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", nil, &fault{"has a control character", "write the part before it"}
	}
	if !exact {
		text = strings.TrimSuffix(text, "/")
	}
	if text == "" {
		return "", nil, nil
	}
	segments = strings.Split(text[1:], "/")
	if len(segments) > maxDepth {
		return "", nil, &fault{"has more than 32 segments", "write a shorter part"}
	}
	for i, s := range segments {
		if why := checkSegment(s, exact && i == len(segments)-1); why != nil {
			return "", nil, why
		}
	}
	return text, segments, nil
}

// checkSegment refuses segments that apps read in different ways, and globs.
func checkSegment(s string, mayBeEmpty bool) *fault {
	switch {
	case s == "" && !mayBeEmpty:
		return &fault{"has an empty segment", "write one slash"}
	case s == "." || s == "..":
		return &fault{"has a dot segment", "write the path it leads to"}
	case s == "*" || s == "**":
		return &fault{"has a wildcard", "write the part before it: a path matches everything below it"}
	case strings.HasSuffix(s, ".") || strings.Trim(s, " ") != s:
		return &fault{"has a segment that begins with a space or ends with a space or a dot, which some apps drop",
			"write the part before it"}
	}
	return nil
}

// unescape replaces each percent-encoding once.
func unescape(s string) (string, bool) {
	if strings.IndexByte(s, '%') < 0 {
		return s, true
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '%' {
			var ok bool
			if c, ok = escaped(s[i:]); !ok {
				return "", false
			}
			i += 2
		}
		out = append(out, c)
	}
	return string(out), true
}
