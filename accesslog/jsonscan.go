package accesslog

import (
	"bytes"
	"errors"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

var errSyntax = errors.New("not the JSON of a record")

const maxDepth = 64

// jsonScanner walks through one JSON text without making objects of it: a search
// looks at millions of lines and keeps few. It accepts exactly RFC 8259 (a
// mismatch of types is an error too) and copies a string only if that has
// escapes or is not ASCII; otherwise strings point into the text.
//
// After an error every method returns zero values; err holds the first.
type jsonScanner struct {
	b   []byte
	i   int
	err error
}

func (s *jsonScanner) fail() {
	if s.err == nil {
		s.err = errSyntax
	}
	s.i = len(s.b)
}

func (s *jsonScanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\r', '\n':
			s.i++
		default:
			return
		}
	}
}

// peek is the next byte that is not white space, 0 at the end.
func (s *jsonScanner) peek() byte {
	s.space()
	if s.i < len(s.b) {
		return s.b[s.i]
	}
	return 0
}

// take consumes c if it is next.
func (s *jsonScanner) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.i++
	return true
}

func (s *jsonScanner) expect(c byte) {
	if !s.take(c) {
		s.fail()
	}
}

// end checks that nothing is left.
func (s *jsonScanner) end() {
	if s.peek(); s.i < len(s.b) {
		s.fail()
	}
}

// object calls field for each key; field consumes the value. null is an object
// without keys.
func (s *jsonScanner) object(field func(key string)) {
	if s.null() {
		return
	}
	s.expect('{')
	if s.take('}') {
		return
	}
	for s.err == nil {
		key := s.str()
		s.expect(':')
		if s.err != nil {
			return
		}
		field(key)
		if s.take('}') {
			return
		}
		s.expect(',')
	}
}

// array calls element before each element, which it consumes.
func (s *jsonScanner) array(element func()) {
	if s.null() {
		return
	}
	s.expect('[')
	if s.take(']') {
		return
	}
	for s.err == nil {
		element()
		if s.take(']') {
			return
		}
		s.expect(',')
	}
}

func (s *jsonScanner) literal(word string) bool {
	s.space()
	if len(s.b)-s.i < len(word) || string(s.b[s.i:s.i+len(word)]) != word {
		return false
	}
	s.i += len(word)
	return true
}

func (s *jsonScanner) null() bool { return s.peek() == 'n' && s.literal("null") }

func (s *jsonScanner) boolean() bool {
	switch s.peek() {
	case 't':
		if s.literal("true") {
			return true
		}
	case 'f':
		if s.literal("false") {
			return false
		}
	case 'n':
		if s.literal("null") {
			return false
		}
	}
	s.fail()
	return false
}

// number consumes a number and returns its text.
func (s *jsonScanner) number() []byte {
	if s.null() {
		return []byte("0")
	}
	start := s.i
	s.skipByte('-')
	switch {
	case s.skipByte('0'):
	case s.digits() == 0:
		s.fail()
		return nil
	}
	if s.skipByte('.') && s.digits() == 0 {
		s.fail()
		return nil
	}
	if s.skipByte('e') || s.skipByte('E') {
		if !s.skipByte('+') {
			s.skipByte('-')
		}
		if s.digits() == 0 {
			s.fail()
			return nil
		}
	}
	return s.b[start:s.i]
}

func (s *jsonScanner) skipByte(c byte) bool {
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	return false
}

func (s *jsonScanner) digits() int {
	start := s.i
	for s.i < len(s.b) && s.b[s.i] >= '0' && s.b[s.i] <= '9' {
		s.i++
	}
	return s.i - start
}

// integer consumes a whole number that fits 64 bits.
func (s *jsonScanner) integer() int64 {
	text := s.number()
	if s.err != nil {
		return 0
	}
	digits, negative := text, false
	if text[0] == '-' {
		digits, negative = text[1:], true
	}
	if len(digits) > 18 {
		n, err := strconv.ParseInt(string(text), 10, 64)
		if err != nil {
			s.fail()
		}
		return n
	}
	var n int64
	for _, c := range digits {
		if c < '0' || c > '9' {
			s.fail()
			return 0
		}
		n = n*10 + int64(c-'0')
	}
	if negative {
		return -n
	}
	return n
}

// smallInteger is integer for what must fit an int of 32 bits.
func (s *jsonScanner) smallInteger() int {
	n := s.integer()
	if n > math.MaxInt32 || n < math.MinInt32 {
		s.fail()
		return 0
	}
	return int(n)
}

// rawString consumes a string and returns what is between its quotes, and
// whether that stands for itself: ASCII without escapes. If not it still has to
// go through unescape, which checks it.
func (s *jsonScanner) rawString() (raw []byte, plain bool) {
	if s.null() {
		return nil, true
	}
	s.expect('"')
	if s.err != nil {
		return nil, false
	}
	start := s.i
	for i := start; i < len(s.b); i++ {
		c := s.b[i]
		if plainASCII[c] {
			continue
		}
		if c == '"' {
			s.i = i + 1
			return s.b[start:i], true
		}
		// A quote ends the string unless an odd number of backslashes is before.
		for ; i < len(s.b); i++ {
			if s.b[i] == '\\' {
				i++
			} else if s.b[i] == '"' {
				s.i = i + 1
				return s.b[start:i], false
			}
		}
	}
	s.fail()
	return nil, false
}

// str consumes a string. The result points into the text or is a copy.
func (s *jsonScanner) str() string {
	raw, plain := s.rawString()
	if plain {
		return unsafeString(raw)
	}
	if s.err != nil {
		return ""
	}
	out, ok := unescape(make([]byte, 0, len(raw)), raw)
	if !ok {
		s.fail()
	}
	return unsafeString(out)
}

// unescape appends the text that raw stands for. What is not UTF-8, and a
// surrogate alone, becomes U+FFFD, as with encoding/json.
func unescape(out, raw []byte) ([]byte, bool) {
	for i := 0; i < len(raw); {
		c := raw[i]
		switch {
		case c < 0x20 || c == '"':
			return nil, false
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRune(raw[i:])
			out = utf8.AppendRune(out, r)
			i += size
		case c != '\\':
			out = append(out, c)
			i++
		default:
			var r rune
			var n int
			if r, n = escapeAt(raw[i:]); n == 0 {
				return nil, false
			}
			if utf16.IsSurrogate(r) {
				second, m := escapeAt(raw[i+n:])
				if both := utf16.DecodeRune(r, second); both != utf8.RuneError && m == 6 {
					r, n = both, n+m
				} else {
					r = utf8.RuneError
				}
			}
			out = utf8.AppendRune(out, r)
			i += n
		}
	}
	return out, true
}

// escapeAt reads one escape and returns its length, 0 if there is none.
func escapeAt(b []byte) (rune, int) {
	if len(b) < 2 || b[0] != '\\' {
		return 0, 0
	}
	if k := bytes.IndexByte([]byte(`"\/bfnrt`), b[1]); k >= 0 {
		return rune("\"\\/\b\f\n\r\t"[k]), 2
	}
	if b[1] != 'u' || len(b) < 6 {
		return 0, 0
	}
	var r rune
	for _, c := range b[2:6] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, 0
		}
	}
	return r, 6
}

// skip consumes any value.
func (s *jsonScanner) skip() { s.skipDepth(0) }

func (s *jsonScanner) skipDepth(depth int) {
	if depth > maxDepth {
		s.fail()
		return
	}
	switch c := s.peek(); {
	case c == '{':
		s.object(func(string) { s.skipDepth(depth + 1) })
	case c == '[':
		s.array(func() { s.skipDepth(depth + 1) })
	case c == '"':
		s.str()
	case c == 't' || c == 'f' || c == 'n':
		s.boolean()
	default:
		s.number()
	}
}
