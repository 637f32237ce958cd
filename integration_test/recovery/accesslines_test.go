package recovery

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// logged is one line of an access log in the combined format, as bytes on the wire:
// the escapes of the log are undone.
type logged struct {
	line           int
	request        string // the request line
	referer, agent string // "-" for none
	method, target string // of a request line with three words
	version        string
	sendable       bool // RFC 9112 has a way to send it
}

// The last quote may be missing: the log in question was cut in the middle of a line.
var combined = regexp.MustCompile(`^\S+ \S+ \S+ \[[^\]]+\] "((?:[^"\\]|\\.)*)" \d+ \S+ "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)"?$`)

// readLog reads a log; every line must be of the format.
func readLog(t *testing.T, path string) []logged {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []logged
	for line := range strings.Lines(string(text)) {
		m := combined.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if m == nil {
			t.Fatalf("%s: line %d: %s", path, len(out)+1, line)
		}
		l := logged{line: len(out) + 1, request: unescape(m[1]), referer: unescape(m[2]), agent: unescape(m[3])}
		l.judge()
		out = append(out, l)
	}
	return out
}

var escape = regexp.MustCompile(`\\(x[0-9a-fA-F]{2}|.)`)

// unescape undoes what Apache does to bytes that could confuse a reader of its log.
func unescape(s string) string {
	return escape.ReplaceAllStringFunc(s, func(e string) string {
		switch e[1] {
		case 'x':
			if len(e) == 4 {
				n, _ := strconv.ParseUint(e[2:], 16, 8)
				return string([]byte{byte(n)})
			}
		case 't':
			return "\t"
		case 'n':
			return "\n"
		case 'r':
			return "\r"
		case 'v':
			return "\v"
		case '"', '\\':
			return e[1:]
		}
		return e
	})
}

// judge decides what can go on the wire: a token, a target of visible ASCII in origin
// form without a fragment, a version (RFC 9112, section 3), and field values without
// control characters (RFC 9110, section 5.5).
func (l *logged) judge() {
	words := strings.Split(l.request, " ")
	if len(words) != 3 {
		return
	}
	l.method, l.target, l.version = words[0], words[1], words[2]
	l.sendable = isToken(l.method) && strings.HasPrefix(l.target, "/") &&
		(l.version == "HTTP/1.1" || l.version == "HTTP/1.0") && isValue(l.referer) && isValue(l.agent)
	for _, c := range []byte(l.target) {
		l.sendable = l.sendable && c > ' ' && c < 0x7f && c != '#'
	}
}

func isValue(s string) bool {
	for _, c := range []byte(s) {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// wire is the request as its client may have sent it. Its number stands in X-Line.
func (l *logged) wire(host string) *request {
	r := &request{method: l.method, target: l.target, old: l.version == "HTTP/1.0",
		fields: []field{{"Host", " " + host}, {"X-Line", " " + strconv.Itoa(l.line)}}}
	if l.referer != "-" {
		r.fields = append(r.fields, field{"Referer", " " + l.referer})
	}
	if l.agent != "-" {
		r.fields = append(r.fields, field{"User-Agent", " " + l.agent})
	}
	if l.method == "POST" {
		r.body, r.framed = []byte("line="+strconv.Itoa(l.line)), true
	}
	return r
}
