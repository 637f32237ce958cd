package routing

import "bytes"

// oddPath is a path that apps may read in different ways, cut into parts.
type oddPath struct {
	text  []byte // every escape replaced
	parts []part
	plain bool // text is the only reading
	steps int  // that a lookup may still take
}

// part is what stands between two separators of an odd path. It holds offsets
// in the path's text instead of a slice, which would move oddSpace to the heap.
type part struct {
	begin, end int
	query      int  // of the first escaped "?" or "#"; -1: none
	escaped    bool // holds an escape that an app may leave as it is
	soft       bool // the separator after it may be a character instead
	run        int  // the first part that only soft separators are between
	pops       int  // how many parts up to this one can be read as ".."
}

// oddSpace is what parsing a path of usual length needs. It is on the stack of
// whoever calls parseOdd; longer paths allocate.
type oddSpace struct {
	text  [1024]byte
	kinds [1024]kind
	parts [48]part
}

// kind is how a byte of a decoded path was written.
type kind uint8

const (
	literal  kind = iota
	needed        // escaped, for a path cannot hold it otherwise
	optional      // escaped, but not of need; or escaped twice
)

// maxParts bounds the memory for a path. It is far more than paths have that
// people or programs mean: base64 of 32 KiB has about 500 slashes.
const maxParts = 1024

// parseOdd cuts a path of textureOdd into parts. If refused has a reason, the
// path is to be refused with it: it has a malformed escape (RFC 3986 section
// 2.1), an escaped NUL, or too many parts.
func parseOdd(path []byte, space *oddSpace) (o oddPath, refused choice) {
	text, kinds, ok := decode(path, space)
	if !ok {
		return oddPath{}, choice{verdict: BadTarget, reason: reasonEscape}
	}
	o = oddPath{text: text, parts: space.parts[:0], plain: true}
	p := part{begin: 1, query: -1} // after the first slash, which is literal
	for i := 1; i <= len(text); i++ {
		if i < len(text) {
			c, k := text[i], kinds[i]
			if c != '/' && c != '\\' {
				p.escaped = p.escaped || k == optional
				if k != literal && p.query < 0 && (c == '?' || c == '#') {
					p.query = i
				}
				continue
			}
			p.soft = c == '\\' || k != literal
		}
		p.end = i
		if mayPop(text[p.begin:i]) || p.query >= 0 && mayPop(text[p.begin:p.query]) {
			p.pops++
		}
		o.plain = o.plain && !p.soft && !p.escaped && !hasReadings(text[p.begin:i], i == len(text))
		if len(o.parts) == maxParts {
			return oddPath{}, choice{verdict: Ambiguous, reason: reasonWork}
		}
		o.parts = append(o.parts, p)
		next := part{begin: i + 1, query: -1, run: p.run, pops: p.pops}
		if !p.soft {
			next.run = len(o.parts)
		}
		p = next
	}
	return o, choice{}
}

// part is the text of a part.
func (o *oddPath) part(i int) []byte { return o.text[o.parts[i].begin:o.parts[i].end] }

// hasReadings tells whether a part's text alone can be read in several ways.
func hasReadings(text []byte, last bool) bool {
	if len(text) == 0 {
		return !last
	}
	return bytes.IndexByte(text, ';') >= 0 || len(dropEnds(text)) != len(text)
}

// mayPop tells whether a part can be read as "..".
func mayPop(text []byte) bool {
	if i := bytes.IndexByte(text, ';'); i >= 0 {
		text = text[:i]
	}
	return string(dropBlanks(text)) == ".."
}

// decode replaces every escape, also those that appear by replacing, until
// none is left. Two escapes never overlap, so the order makes no difference. It
// fails at a malformed escape and at a NUL.
func decode(path []byte, space *oddSpace) (text []byte, kinds []kind, ok bool) {
	text, kinds = space.text[:0], space.kinds[:0]
	if n := len(path); n > cap(text) {
		text, kinds = make([]byte, 0, n), make([]kind, 0, n)
	}
	for i := 0; i < len(path); i++ {
		c, k := path[i], literal
		if c == '%' {
			if c, ok = escaped(path[i:]); !ok {
				return nil, nil, false
			}
			i += 2
			k = optional
			if mustEscape(c) {
				k = needed
			}
		}
		text, kinds = append(text, c), append(kinds, k)
		for n := len(text); n >= 3 && text[n-3] == '%'; n = len(text) {
			again, complete := escaped(text[n-3:])
			if !complete {
				break
			}
			text, kinds = append(text[:n-3], again), append(kinds[:n-3], optional)
		}
		if text[len(text)-1] == 0 {
			return nil, nil, false
		}
	}
	return text, kinds, true
}

// mustEscape tells whether c can be data in a path only as an escape, so that
// every reader takes the escape for c (RFC 3986 section 3.3). "?" and "#" are
// not among them: whoever replaces escapes first sees a delimiter.
func mustEscape(c byte) bool {
	switch c {
	case '"', '<', '>', '^', '`', '{', '|', '}', '%':
		return true
	}
	return c <= ' ' || c >= 0x7f
}

// escaped is the byte that the percent-encoding at the beginning of s stands for.
func escaped[T ~string | ~[]byte](s T) (byte, bool) {
	if len(s) < 3 || s[0] != '%' {
		return 0, false
	}
	hi, ok1 := unhex(s[1])
	lo, ok2 := unhex(s[2])
	return hi<<4 | lo, ok1 && ok2
}

// dropBlanks is s without spaces and control characters around it.
func dropBlanks(s []byte) []byte {
	for len(s) > 0 && isBlank(s[0]) {
		s = s[1:]
	}
	for len(s) > 0 && isBlank(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

// dropEnds is dropBlanks and without dots at the end, as Windows has it.
func dropEnds(s []byte) []byte {
	s = dropBlanks(s)
	for len(s) > 0 && (s[len(s)-1] == '.' || isBlank(s[len(s)-1])) {
		s = s[:len(s)-1]
	}
	return s
}

func isBlank(c byte) bool { return c <= ' ' || c == 0x7f }
