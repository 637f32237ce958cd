package accesslog

import (
	"encoding/binary"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
	"unsafe"
)

const hexDigits = "0123456789abcdef"

// plainASCII tells which bytes stand in a JSON string as themselves.
var plainASCII = func() (t [256]bool) {
	for c := 0x20; c < 0x7f; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// plainWord tells whether all eight bytes are plain ASCII: none below 0x20, none
// above 0x7e, no quote and no backslash. Each term marks a byte by its highest bit (Anderson,
// "Bit Twiddling Hacks": hasless and haszero).
func plainWord(w uint64) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	quote, slash, del := w^ones*'"', w^ones*'\\', w^ones*0x7f
	odd := w | (w-ones*0x20)&^w | (quote-ones)&^quote | (slash-ones)&^slash | (del-ones)&^del
	return odd&highs == 0
}

// appendString appends s as a JSON string (RFC 8259 §7). Control characters, C1
// controls included, are escaped, so that a line never holds one, and so are
// separators of lines and marks of direction. A byte that is
// not part of valid UTF-8 becomes the Latin-1 character of the same number
// (0xE9 -> \u00e9): always valid JSON, and the original can still be seen.
//
// A text longer than limit bytes is cut, and the mark "...[N more bytes]" says
// how much is missing. A limit of 0 means none.
func appendString(b []byte, s string, limit int) []byte {
	cut := 0
	if limit > 0 && len(s) > limit {
		end := limit
		for end > limit-utf8.UTFMax && !utf8.RuneStart(s[end]) {
			end--
		}
		s, cut = s[:end], len(s)-end
	}
	b = append(b, '"')
	b = appendEscaped(b, s)
	if cut > 0 {
		b = appendCutMark(b, cut)
	}
	return append(b, '"')
}

// misleading tells the characters that end a line for some programs (U+2028,
// U+2029) or change the direction of the text around them (Unicode UAX #9), so
// that a line would not look like what it is.
func misleading(r rune) bool {
	return r == 0x061c || r >= 0x200e && r <= 0x200f || r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

func appendEscaped(b []byte, s string) []byte {
	start := 0
	for i := 0; i < len(s); {
		if i+8 <= len(s) && plainWord(binary.LittleEndian.Uint64(unsafe.Slice(unsafe.StringData(s[i:]), 8))) {
			i += 8
			continue
		}
		c := s[i]
		if plainASCII[c] {
			i++
			continue
		}
		r, size := rune(c), 1
		if c >= utf8.RuneSelf {
			var valid rune
			valid, size = utf8.DecodeRuneInString(s[i:])
			if size > 1 && valid > 0x9f && !misleading(valid) {
				i += size
				continue
			}
			if size > 1 {
				r = valid
			}
		}
		b = append(b, s[start:i]...)
		switch r {
		case '"', '\\':
			b = append(b, '\\', byte(r))
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
		}
		i += size
		start = i
	}
	return append(b, s[start:]...)
}

// appendBytes is appendString for bytes.
func appendBytes(b, s []byte, limit int) []byte { return appendString(b, unsafeString(s), limit) }

// unsafeString is s as a string without a copy. The string must not outlive the
// bytes, nor be kept where they may change.
func unsafeString(s []byte) string { return unsafe.String(unsafe.SliceData(s), len(s)) }

// appendTime appends t in UTC as RFC 3339 with all nine digits of the
// nanoseconds, so that times of one length sort as text.
func appendTime(b []byte, t time.Time) []byte {
	const layout = "2006-01-02T15:04:05.000000000Z"
	seconds := t.Unix()
	if seconds < 0 || seconds > maxPlainSecond {
		return t.UTC().AppendFormat(b, layout)
	}
	// By hand it takes a quarter of the time of AppendFormat.
	year, month, day := civil(seconds / 86400)
	ofDay := int(seconds % 86400)
	b = append(b, layout...)
	p := b[len(b)-len(layout):]
	putDigits(p[0:4], year)
	putDigits(p[5:7], month)
	putDigits(p[8:10], day)
	putDigits(p[11:13], ofDay/3600)
	putDigits(p[14:16], ofDay/60%60)
	putDigits(p[17:19], ofDay%60)
	putDigits(p[20:29], t.Nanosecond())
	return b
}

// maxPlainSecond is the end of the year 9999, in seconds since 1970.
const maxPlainSecond = 253402300799

// civil is the date of a day counted from 1 January 1970, in the Gregorian calendar.
// Years are counted from March, so that the leap day is the last of its year, in eras of
// 400 years, which all have the same number of days.
func civil(days int64) (year, month, day int) {
	const era, century, fourYears, toMarch0 = 146097, 36524, 1460, 719468
	z := int(days) + toMarch0
	ofEra := z % era
	yearOfEra := (ofEra - ofEra/fourYears + ofEra/century - ofEra/(era-1)) / 365
	ofYear := ofEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	fromMarch := (5*ofYear + 2) / 153
	day = ofYear - (153*fromMarch+2)/5 + 1
	month = fromMarch + 3
	year = z/era*400 + yearOfEra
	if month > 12 {
		month -= 12
		year++
	}
	return year, month, day
}

// putDigits writes n with leading zeros.
func putDigits(p []byte, n int) {
	for i := len(p) - 1; i >= 0; i-- {
		p[i] = byte('0' + n%10)
		n /= 10
	}
}

// appendSeconds appends d as a JSON number of seconds, exact, without zeros at
// the end.
func appendSeconds(b []byte, d time.Duration) []byte {
	n := uint64(d)
	if d < 0 {
		b = append(b, '-')
		n = -n
	}
	b = strconv.AppendUint(b, n/1e9, 10)
	frac := n % 1e9
	if frac == 0 {
		return b
	}
	b = append(b, ".000000000"...)
	end := len(b)
	for i := end - 1; frac > 0; i-- {
		b[i] = byte('0' + frac%10)
		frac /= 10
	}
	for b[end-1] == '0' {
		end--
	}
	return b[:end]
}

// parseSeconds reads what appendSeconds writes. It does not read exponents, more
// than nine decimals, or what does not fit a Duration.
func parseSeconds(s []byte) (time.Duration, bool) {
	negative := len(s) > 0 && s[0] == '-'
	if negative {
		s = s[1:]
	}
	if len(s) == 0 || s[0] == '0' && len(s) > 1 && s[1] != '.' {
		return 0, false
	}
	var n uint64
	i := 0
	for ; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
		n = n*10 + uint64(s[i]-'0')
		if n > math.MaxInt64/uint64(time.Second) {
			return 0, false
		}
	}
	if i == 0 {
		return 0, false
	}
	n *= 1e9
	if i < len(s) {
		if s[i] != '.' || len(s)-i-1 > 9 || len(s)-i-1 == 0 {
			return 0, false
		}
		scale := uint64(1e8)
		for _, c := range s[i+1:] {
			if c < '0' || c > '9' {
				return 0, false
			}
			n += uint64(c-'0') * scale
			scale /= 10
		}
	}
	if n > math.MaxInt64 {
		return 0, false
	}
	if negative {
		return -time.Duration(n), true
	}
	return time.Duration(n), true
}
