package configs

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/holdfast-edge/holdfast/routing"
	"pgregory.net/rapid"
)

func TestExcerpt(t *testing.T) {
	long := strings.Repeat("abcdefghij", 100)
	for _, c := range []struct {
		line         string
		column       int
		shown, caret string
	}{
		{"a: b", 4, "a: b", "   ^"},
		{"a: b", 5, "a: b", "    ^"},
		{"a: b", 99, "a: b", "    ^"},
		{"a: b", 0, "a: b", "^"},
		{"", 1, "", "^"},
		{"\ta:\tb", 5, "\ta:\tb", "\t  \t^"},
		{"日本: x", 5, "日本: x", "      ^"},
		{"e\u0301: x", 5, "e\u0301: x", "   ^"},
		{"🎉: x", 4, "🎉: x", "    ^"},
		{"a\x1b: x", 5, `a\x1b: x`, "       ^"},
		{"a\u202e: x", 5, `a\u202e: x`, "         ^"},
		{long, 1, long[:100] + "…", "^"},
		{long, 500, "…" + long[439:539] + "…", strings.Repeat(" ", 61) + "^"},
		{long, 1001, "…" + long[940:], strings.Repeat(" ", 61) + "^"},
	} {
		shown, pad := excerpt(c.line, c.column)
		if shown != c.shown || pad+"^" != c.caret {
			t.Errorf("%.40q:%d\n%s\n%s^\nwant\n%s\n%s", c.line, c.column, shown, pad, c.shown, c.caret)
		}
	}
}

// Whatever the line is, the caret stands under its rune, the excerpt is short,
// and nothing in it can disturb a terminal.
func TestExcerptHoldsTheCaret(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		line := rapid.OneOf(rapid.String(), rapid.StringOfN(rapid.RuneFrom([]rune("ab\t日\u0301\x1b")), 0, 400, -1)).Draw(t, "line")
		runes := []rune(line)
		column := rapid.IntRange(1, len(runes)+1).Draw(t, "column")
		shown, pad := excerpt(line, column)
		if strings.Trim(pad, " \t") != "" || !utf8.ValidString(shown) || strings.ContainsAny(shown, "\x1b\n\r") {
			t.Fatalf("%q %q", shown, pad)
		}
		if w := columns([]rune(shown)); w > excerptWidth+30 {
			t.Fatalf("%d columns: %q", w, shown)
		}
		before := 0 // columns of what stands before the caret
		rest := shown
		for before < columns([]rune(pad)) {
			r, n := utf8.DecodeRuneInString(rest)
			if n == 0 {
				t.Fatalf("the caret is beyond the excerpt: %q %q", shown, pad)
			}
			_, w := glyph(r)
			before += w
			rest = rest[n:]
		}
		if column <= len(runes) {
			want, _ := glyph(runes[column-1])
			for rest != "" && !strings.HasPrefix(rest, want) { // combining marks of the rune before
				_, n := utf8.DecodeRuneInString(rest)
				if _, w := glyph([]rune(rest)[0]); w != 0 {
					t.Fatalf("the caret is not under %q: %q %q", want, shown, pad)
				}
				rest = rest[n:]
			}
		}
	})
}

func TestFormatColor(t *testing.T) {
	p := Problem{Origin: routing.Origin{File: "a.yaml", Line: 1, Column: 2}, Message: "bad\x1b[2J", Line: "xy", Hint: "good"}
	var b strings.Builder
	p.Format(&b, true)
	want := "\x1b[1ma.yaml:1:2:\x1b[0m bad\\x1b[2J\n  xy\n   \x1b[31m^\x1b[0m\n\x1b[36mhint:\x1b[0m good\n"
	if b.String() != want {
		t.Errorf("%q", b.String())
	}
}

func TestNearest(t *testing.T) {
	keys := fieldsOfNames()
	for word, want := range map[string]string{
		"lsiten": "listen", "limit": "limits", "LISTEN": "listen", "envfile": "env_file", "site": "sites", "foo": "", "unmatch": "unmatched", "": "", "log2": "log",
	} {
		if got := nearest(word, keys); got != want {
			t.Errorf("%q: %q", word, got)
		}
	}
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abc", "ab", 1}, {"abc", "xabc", 1}, {"abc", "xyz", 3}, {"", "abc", 3}} {
		if got := editDistance(c.a, c.b, 9); got != c.want || editDistance(c.b, c.a, 9) != c.want {
			t.Errorf("%s %s: %d", c.a, c.b, got)
		}
	}
}
