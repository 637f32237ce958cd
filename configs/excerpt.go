package configs

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/holdfast-edge/holdfast/internal/terminal"
)

const (
	excerptWidth = 100 // columns of a source line that are shown at most
	excerptLead  = 60  // of them before the caret, when the line is cut
	excerptBytes = 400 // what is looked at on either side, however long the line is
)

// excerpt prepares a source line for printing with a caret under its rune
// column (from 1): the line, cut to about excerptWidth columns around the
// caret, and the white space that brings the caret under it. Tabs are kept in
// both, so that they line up whatever the tab stops are.
func excerpt(line string, column int) (shown, pad string) {
	offset := byteOffset(line, column)
	start, end := max(0, offset-excerptBytes), min(len(line), offset+excerptBytes)
	for start > 0 && !utf8.RuneStart(line[start]) {
		start--
	}
	for end < len(line) && !utf8.RuneStart(line[end]) {
		end++
	}
	runes, caret := []rune(line[start:end]), utf8.RuneCountInString(line[start:offset])
	from, to := 0, len(runes)
	if columns(runes) > excerptWidth {
		from = caret
		for w := 0; from > 0 && w < excerptLead; from-- {
			w += columns(runes[from-1 : from])
		}
		to = from
		for w := 0; to < len(runes) && w < excerptWidth; to++ {
			w += columns(runes[to : to+1])
		}
	}
	cutLeft, cutRight := start > 0 || from > 0, end < len(line) || to < len(runes)
	var text, space strings.Builder
	if cutLeft {
		text.WriteRune('…')
		space.WriteByte(' ')
	}
	for i, r := range runes[from:to] {
		s, width := glyph(r)
		text.WriteString(s)
		switch {
		case from+i >= caret:
		case r == '\t':
			space.WriteByte('\t')
		default:
			space.WriteString(strings.Repeat(" ", width))
		}
	}
	if cutRight {
		text.WriteRune('…')
	}
	return text.String(), space.String()
}

func columns(runes []rune) int {
	n := 0
	for _, r := range runes {
		_, width := glyph(r)
		n += width
	}
	return n
}

// glyph is what stands for r on a terminal, and how many columns it takes: 2
// for East Asian wide characters and emoji (the blocks of Unicode Standard
// Annex 11 that matter), 0 for combining marks. Characters that are invisible,
// or would disturb the terminal, are written as escapes. A tab counts as one
// column; excerpt knows better.
func glyph(r rune) (s string, width int) {
	s = string(r)
	if r == '\t' || r >= ' ' && r < 0x7f {
		return s, 1
	}
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me):
		return s, 0
	case !unicode.IsPrint(r), r == unicode.ReplacementChar:
		s = terminal.Clean(s)
		return s, len(s)
	case r >= 0x1100 && r <= 0x115f, // Hangul Jamo
		r >= 0x2e80 && r <= 0x303e,                             // CJK radicals, punctuation
		r >= 0x3041 && r <= 0x4dbf, r >= 0x4e00 && r <= 0x9fff, // Kana, ideographs
		r >= 0xa000 && r <= 0xa4cf,                             // Yi
		r >= 0xac00 && r <= 0xd7a3,                             // Hangul
		r >= 0xf900 && r <= 0xfaff, r >= 0xfe30 && r <= 0xfe6f, // CJK compatibility
		r >= 0xff00 && r <= 0xff60, r >= 0xffe0 && r <= 0xffe6, // full-width forms
		r >= 0x1f300 && r <= 0x1f64f, r >= 0x1f900 && r <= 0x1f9ff, // emoji
		r >= 0x20000 && r <= 0x3fffd: // further ideographs
		return s, 2
	}
	return s, 1
}
