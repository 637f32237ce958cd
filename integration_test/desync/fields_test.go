package desync

import (
	"fmt"
	"strings"
)

// withField is a GET whose last field line (without its CRLF) is line.
func withField(line string) string { return get("/x", line) }

// fieldSyntax: RFC 9112 §5 (field-line = field-name ":" OWS field-value OWS; no white space
// before the colon, §5.1; no obs-fold, §5.2), RFC 9110 §5.1 and §5.6.2 (names are tokens) and
// §5.5 (CR, LF and NUL in values are invalid and dangerous). Bytes and places after Kettle,
// "HTTP Desync Attacks" (2019), http-request-smuggler's DesyncBox, defparam/smuggler's
// exhaustive list, http-desync-guardian's bad-header-characters, and the HTTP Garden:
// aiohttp 2-4 and 8, ATS 3, CPython 2, Gunicorn 2, 3, 5, 7, Mongoose 2-4, OpenLiteSpeed 4-6,
// 9-12, relayd 1 and 5, Passenger 2.
func fieldSyntax() table {
	t := table{name: "field syntax"}
	add := func(cs ...testCase) { t.cases = append(t.cases, cs...) }
	x := toA("GET", "/x", "")

	for _, b := range []byte{0x00, 0x01, 0x07, 0x08, 0x0a, 0x0b, 0x0c, 0x0d, 0x1b, 0x1f, 0x7f} {
		s := string([]byte{b})
		for _, p := range []struct{ place, line string }{
			{"before name", s + "X-Field: value"},
			{"inside name", "X-" + s + "Field: value"},
			{"before colon", "X-Field" + s + ": value"},
			{"for colon", "X-Field" + s + "value"},
			{"after colon", "X-Field:" + s + "value"},
			{"before value", "X-Field: " + s + "value"},
			{"inside value", "X-Field: val" + s + "ue"},
			{"after value", "X-Field: value" + s},
			{"for value", "X-Field: " + s},
		} {
			add(bad(fmt.Sprintf("byte %02x %s", b, p.place), withField(p.line)))
		}
	}
	// White space in and after names; before a name it is a fold, below.
	for _, s := range []string{" ", "\t", "  ", " \t", "\u00a0", "\u2003", "\xa0", "\x85", "\x80", "\xff", "\xc3\xa9", "\ufeff", "\u200b"} {
		add(bad(fmt.Sprintf("%+q before colon", s), withField("X-Field"+s+": value")))
		add(bad(fmt.Sprintf("%+q inside name", s), withField("X"+s+"Field: value")))
	}
	for _, s := range []string{"\xa0", "\x85", "\x80", "\xff", "\u2003", "\ufeff"} {
		add(bad(fmt.Sprintf("%+q before name", s), withField(s+"X-Field: value")))
	}
	for _, r := range "\"(),/;<=>?@[\\]{}" {
		add(bad(fmt.Sprintf("name with %c", r), withField("X"+string(r)+"Field: value")))
	}
	for _, r := range "!#$%&'*+-.^_`|~0" {
		name := "X" + string(r) + "Field"
		c := good(fmt.Sprintf("name with token character %c", r), withField(name+": value"), x)
		if r != '_' { // an edge may drop names that CGI would confuse with others
			c = c.checking(with(name, "value"))
		}
		add(c)
	}
	for _, c := range []struct{ name, line string }{
		{"empty name", ": value"},
		{"empty name and value", ":"},
		{"empty name, two colons", ":: value"},
		{"name starts with colon", ":X-Field: value"},
		{"pseudo-header :path", ":path: /prey"},
		{"pseudo-header :authority", ":authority: c.test"},
		{"only spaces for a name", "   : value"},
		{"no colon", "X-Field"},
		{"no colon, value after space", "X-Field value"},
		{"no colon, equals sign", "X-Field=value"},
		{"no colon, length after space", "Content-Length 5"},
		{"a request line", "GET /prey HTTP/1.1"},
		{"a word", "x"},
		{"semicolon for colon", "X-Field; value"},
		{"full-width colon", "X-Field\uff1a value"},
		{"encoded colon", "X-Field%3a value"},
		{"name over two lines", "X-\r\nField: value"},
		{"name, fold, colon", "X-Field\r\n : value"},
		{"name, LF, fold, colon", "X-Field\n : value"},
		{"empty line with a space", " \r\nX-Field: value"},
		{"empty line with a tab", "\t\r\nX-Field: value"},
	} {
		add(bad(c.name, withField(c.line)))
	}

	// obs-fold.
	for _, c := range []struct{ name, line string }{
		{"space", "X-Field: one\r\n two"},
		{"tab", "X-Field: one\r\n\ttwo"},
		{"spaces and tab", "X-Field: one\r\n  \t two"},
		{"nothing after it", "X-Field: one\r\n "},
		{"nothing before it", "X-Field:\r\n one"},
		{"twice", "X-Field: one\r\n two\r\n three"},
		{"after LF", "X-Field: one\n two"},
		{"after CR", "X-Field: one\r two"},
		{"a length", "X-Field: one\r\n Content-Length: 30"},
		{"a coding", "X-Field: one\r\n Transfer-Encoding: chunked"},
		{"a host", "X-Field: one\r\n Host: c.test"},
		{"a length after a tab", "X-Field: one\r\n\tContent-Length: 30"},
		{"vertical tab for space", "X-Field: one\r\n\vtwo"},
		{"form feed for space", "X-Field: one\r\n\ftwo"},
		{"CR CR LF before it", "X-Field: one\r\r\n two"},
	} {
		add(bad("fold: "+c.name, withField(c.line)))
	}
	for _, first := range []string{" Host: c.test", "\tHost: c.test", " X: y", " ", "\t", "\v", "\r\t"} {
		add(bad(fmt.Sprintf("fold: first line is %q", first), head("GET /x HTTP/1.1", first, hostLine, caseLine)))
	}

	// One line for one parser, two for another.
	for _, end := range []string{"\r", "\n", "\r\r\n", "\n\r", "\r\n\r", "\x00", "\v", "\f", "\x1c", "\x85", "\u2028", "\u0085", "\\r\\n", "%0d%0a", "\u560d\u560a"} {
		for _, f := range []string{"Content-Length: 40", "Transfer-Encoding: chunked", "Host: c.test"} {
			data := withField("X-Field: one" + end + f)
			name := fmt.Sprintf("%+q then %s", end, f)
			if strings.ContainsAny(end, "\r\n\x00\v\f\x1c") {
				add(bad(name, data))
			} else {
				// Printable or above ASCII: it is a value, and the whole of it is one.
				add(good(name, data, x).checking(with("X-Field", "one"+end+f)))
			}
		}
	}
	for _, end := range []string{"\n\n", "\r\r", "\n\r\n", "\r\n\n", "\n\r"} {
		add(bad(fmt.Sprintf("head ended early by %q", end), withField("X-Field: one"+end+prey)))
		add(bad(fmt.Sprintf("value of %q, then a request", end), withField("X-Field:"+end+prey)))
	}

	// What is legal although it looks odd.
	for _, c := range []struct{ name, value, want string }{
		{"no space", "v", "v"},
		{"tabs around", "\tv\t", "v"},
		{"spaces around", "   v   ", "v"},
		{"empty", "", ""},
		{"blank", "  \t ", ""},
		{"inner tab", "a\tb", "a\tb"},
		{"inner spaces", "a   b", "a   b"},
		{"Latin-1", "caf\xe9", "caf\xe9"},
		{"UTF-8", "caf\u00e9 \u2603", "caf\u00e9 \u2603"},
		{"all high bytes", "\x80\x85\xa0\xff", "\x80\x85\xa0\xff"},
		{"colons", ":a::b:", ":a::b:"},
		{"a request", "GET /prey HTTP/1.1", "GET /prey HTTP/1.1"},
		{"quotes", `"a\"b`, `"a\"b`},
		{"encoded CRLF", "a%0d%0aHost: c.test", "a%0d%0aHost: c.test"},
		{"every visible character", "!\"#$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~", "!\"#$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~"},
	} {
		add(good("value: "+c.name, withField("X-Field:"+c.value), x).checking(with("X-Field", c.want)))
	}
	add(
		good("the same name twice", get("/x", "X-Field: 1", "X-Field: 2"), x).checking(with("X-Field", "1", "2")),
		good("the same name in other case", get("/x", "X-Field: 1", "x-fIELD: 2"), x).checking(with("X-Field", "1", "2")),
	)
	return t
}

// spellings are ways to write a field so that one parser sees it and another does not: the
// permutations of http-request-smuggler's DesyncBox (underjoin, spacejoin, space, nameprefix,
// linewrapped, gareth, badsetup, vertwrap, tabwrap, 0dspam, spjunk, backslash, unispace, accent,
// encode …), of Klein's and Kettle's papers, and of http-desync-guardian's ambiguous.yaml. Each
// is a function of the field's name and value. legal ones are fields of another name, or
// the field itself.
type spelling struct {
	name  string
	write func(name, value string) string
}

var illegalSpellings = []spelling{
	{"space before colon", func(n, v string) string { return n + " : " + v }},
	{"tab before colon", func(n, v string) string { return n + "\t: " + v }},
	{"vertical tab before colon", func(n, v string) string { return n + "\v: " + v }},
	{"NUL before colon", func(n, v string) string { return n + "\x00: " + v }},
	{"no-break space before colon", func(n, v string) string { return n + "\xa0: " + v }},
	{"next-line before colon", func(n, v string) string { return n + "\x85: " + v }},
	{"CR before colon", func(n, v string) string { return n + "\r: " + v }},
	{"LF before colon", func(n, v string) string { return n + "\n: " + v }},
	{"fold before colon", func(n, v string) string { return n + "\r\n : " + v }},
	{"junk word before colon", func(n, v string) string { return n + " x: " + v }},
	{"space for hyphen", func(n, v string) string { return strings.Replace(n, "-", " ", 1) + ": " + v }},
	{"backslash for hyphen", func(n, v string) string { return strings.Replace(n, "-", "\\", 1) + ": " + v }},
	{"space after hyphen", func(n, v string) string { return strings.Replace(n, "-", "- ", 1) + ": " + v }},
	{"UTF-8 dash for hyphen", func(n, v string) string { return strings.Replace(n, "-", "\u2010", 1) + ": " + v }},
	{"CR inside name", func(n, v string) string { return n[:3] + "\r" + n[3:] + ": " + v }},
	{"NUL inside name", func(n, v string) string { return n[:3] + "\x00" + n[3:] + ": " + v }},
	{"accented letter", func(n, v string) string { return n[:3] + "\x82" + n[4:] + ": " + v }},
	{"long s or dotless i", func(n, v string) string {
		return strings.NewReplacer("s", "\u017f", "i", "\u0131", "h", "\u04bb").Replace(n) + ": " + v
	}},
	{"leading space", func(n, v string) string { return " " + n + ": " + v }},
	{"leading tab", func(n, v string) string { return "\t" + n + ": " + v }},
	{"leading CR", func(n, v string) string { return "\r" + n + ": " + v }},
	{"leading LF", func(n, v string) string { return "\n" + n + ": " + v }},
	{"leading 01", func(n, v string) string { return "\x01" + n + ": " + v }},
	{"leading colon", func(n, v string) string { return ":" + n + ": " + v }},
	{"quoted name", func(n, v string) string { return `"` + n + `": ` + v }},
	{"behind CR", func(n, v string) string { return "Foo: bar\r" + n + ": " + v }},
	{"behind LF", func(n, v string) string { return "Foo: bar\n" + n + ": " + v }},
	{"behind CRLF CR", func(n, v string) string { return "Foo: bar\r\n\r" + n + ": " + v }},
	{"folded into another", func(n, v string) string { return "Foo: bar\r\n " + n + ": " + v }},
	{"value on a folded line", func(n, v string) string { return n + ":\r\n " + v }},
	{"value after LF and space", func(n, v string) string { return n + ":\n " + v }},
	{"value after LF and vertical tab", func(n, v string) string { return n + ": \n\v" + v }},
	{"no colon", func(n, v string) string { return n + " " + v }},
	{"equals sign", func(n, v string) string { return n + "=" + v }},
	{"name over two lines", func(n, v string) string { return strings.Replace(n, "-", "-\r\n", 1) + ": " + v }},
}

// foreignSpellings are tokens, so they are other fields, without a meaning in HTTP.
var foreignSpellings = []spelling{
	{"underscore", func(n, v string) string { return strings.ReplaceAll(n, "-", "_") + ": " + v }},
	{"dot for hyphen", func(n, v string) string { return strings.ReplaceAll(n, "-", ".") + ": " + v }},
	{"tilde for hyphen", func(n, v string) string { return strings.ReplaceAll(n, "-", "~") + ": " + v }},
	{"three hyphens", func(n, v string) string { return strings.ReplaceAll(n, "-", "---") + ": " + v }},
	{"no hyphen", func(n, v string) string { return strings.ReplaceAll(n, "-", "") + ": " + v }},
	{"percent encoded letter", func(n, v string) string { return n[:len(n)-6] + "%65" + n[len(n)-5:] + ": " + v }},
	{"X- before", func(n, v string) string { return "X-" + n + ": " + v }},
	{"letter missing", func(n, v string) string { return n[:len(n)-1] + ": " + v }},
	{"letter more", func(n, v string) string { return n + "s: " + v }},
	// HAProxy CVE-2021-40346: the length of a name was stored in eight bits.
	{"256 letters more", func(n, v string) string { return n + strings.Repeat("a", 256) + ": " + v }},
	{"270 letters more", func(n, v string) string { return n + "0" + strings.Repeat("a", 269) + ": " + v }},
	{"in another's value", func(n, v string) string { return "Foo: " + n + ": " + v }},
	{"in another's value after an encoded CRLF", func(n, v string) string { return "Foo: bar%0d%0a" + n + ": " + v }},
}

// ownSpellings are the field itself.
var ownSpellings = []spelling{
	{"lower case", func(n, v string) string { return strings.ToLower(n) + ": " + v }},
	{"upper case", func(n, v string) string { return strings.ToUpper(n) + ": " + v }},
	{"mixed case", func(n, v string) string { return strings.ToLower(n[:1]) + strings.ToUpper(n[1:]) + ": " + v }},
	{"no space", func(n, v string) string { return n + ":" + v }},
	{"two spaces", func(n, v string) string { return n + ":  " + v }},
	{"tab", func(n, v string) string { return n + ":\t" + v }},
	{"trailing space", func(n, v string) string { return n + ": " + v + " " }},
	{"trailing tab", func(n, v string) string { return n + ": " + v + "\t" }},
}
