package routing

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/holdfast-edge/holdfast/integration_test/differential/generate"
	"github.com/holdfast-edge/holdfast/integration_test/differential/rfc"
)

// A host is the one that the grammar of RFC 3986 finds, in its canonical form, or refused,
// and refused only if the DNS has no such name. What stands in UTF-8 is its own A-label.
func FuzzHostGrammar(f *testing.F) {
	for i := range uint64(300) {
		f.Add(generate.Host(1, i))
	}
	f.Fuzz(func(t *testing.T, in string) {
		h, err := ParseHost([]byte(in))
		a := rfc.ParseAuthority(in)
		idn := strings.Contains(strings.ToLower(a.Host), "xn--") || a.Kind == rfc.NotASCII
		if err != nil {
			named := a.Kind == rfc.Name && a.InDNS() && !idn
			if (named || a.Kind == rfc.IPv4 || a.Kind == rfc.IPv6) && a.PlainPort() {
				t.Fatalf("%q is refused: %v", in, err)
			}
			return
		}
		switch {
		case a.Kind == rfc.NoHost || a.Kind == rfc.EmptyHost || a.Kind == rfc.IPvFuture || !a.PlainPort():
			t.Fatalf("%q is %q, but no host by the grammar: %+v", in, h, a)
		case a.Kind == rfc.Name && !a.InDNS():
			t.Fatalf("%q is %q, but no name of the DNS", in, h)
		case a.Kind == rfc.NotASCII:
			checkLabels(t, in, a.Host, h.String())
		case h.String() != a.Canonical():
			t.Fatalf("%q is %q, want %q", in, h, a.Canonical())
		}
	})
}

// checkLabels decodes the A-labels of a canonical name and compares them with what was
// received.
func checkLabels(t *testing.T, in, received, canonical string) {
	t.Helper()
	theirs := strings.Split(strings.TrimSuffix(received, "."), ".")
	ours := strings.Split(canonical, ".")
	if len(ours) != len(theirs) {
		t.Fatalf("%q is %q", in, canonical)
	}
	for i, label := range ours {
		want := strings.ToLower(theirs[i])
		if isASCII([]byte(theirs[i])) {
			if label != want {
				t.Fatalf("%q is %q: label %d", in, canonical, i)
			}
			continue
		}
		code, ok := strings.CutPrefix(label, "xn--")
		got, decoded := rfc.Punycode(code)
		if !ok || !decoded || got != want {
			t.Fatalf("%q is %q, whose label %d stands for %q, want %q", in, canonical, i, got, want)
		}
	}
}

// A path is decided as all its readings are, the raw and the decoded one among them, or
// refused where they are not decided alike.
func FuzzPath(f *testing.F) {
	for i := range uint64(300) {
		f.Add(generate.Path(1, i))
	}
	rs := routes("/api", "=/a/b/", "/admin/a", "=/b", "/é", "=/")
	tab := table(f, Site{Name: "s", Hosts: hostRules(f, "s.example"), Routes: rs, App: "site"})
	f.Fuzz(func(t *testing.T, path string) {
		if path == "*" || strings.Contains(path, "?") {
			return
		}
		d := checkDecision(t, tab, []byte("s.example"), []byte("GET"), []byte(path))
		checkTwoReadings(t, d, "GET", path)
		read, valid := tokenize(path)
		if !valid {
			if d.Verdict != BadTarget {
				t.Fatalf("%q is no path, but %v", path, d.Verdict)
			}
			return
		}
		if d.Verdict == BadTarget {
			t.Fatalf("%q is a path, but %v: %s", path, d.Verdict, d.Reason)
		}
		if few(read) && d.Reason != reasonWork {
			checkReadings(t, d, rs, read, path)
		}
	})
}

// tokenize cuts a path into characters and what each can be read as. valid is false for
// what is no path.
func tokenize(path string) (all []token, valid bool) {
	if path == "" || path[0] != '/' {
		return nil, false
	}
	for i := 0; i < len(path); {
		if c := path[i]; c != '%' {
			if c <= ' ' || c == 0x7f || c == '#' {
				return nil, false
			}
			all = append(all, token{string(path[i : i+1]), readingsOf(c, true, false)})
			i++
			continue
		}
		c, n, ok := unescapeAll(path[i:])
		if !ok || c == 0 {
			return nil, false
		}
		all = append(all, token{path[i : i+n], readingsOf(c, false, n > 3)})
		i += n
	}
	return all, true
}

// unescapeAll reads the escape that s begins with, and those that come out of it: a percent
// sign with two digits behind it, each perhaps escaped itself, is an escape again.
func unescapeAll(s string) (c byte, n int, ok bool) {
	digit := func(s string) (digit string, n int) {
		if strings.HasPrefix(s, "%") {
			c, n, _ := unescapeAll(s)
			return string([]byte{c}), n
		}
		return s[:min(1, len(s))], 1
	}
	if c, ok = hexByte(s[min(1, len(s)):min(3, len(s))]); !ok {
		return 0, 0, false
	}
	for n = 3; c == '%'; {
		one, n1 := digit(s[n:])
		two, n2 := digit(s[min(n+n1, len(s)):])
		again, ok := hexByte(one + two)
		if !ok {
			break
		}
		c, n = again, n+n1+n2
	}
	return c, n, true
}

// hexByte is the byte that two hexadecimal digits stand for.
func hexByte(s string) (c byte, ok bool) {
	if len(s) != 2 || strings.Trim(s, "0123456789abcdefABCDEF") != "" {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 16, 8)
	return byte(n), err == nil
}

// readingsOf is what a character can be read as.
func readingsOf(c byte, raw, twice bool) []string {
	switch {
	case c == '/' && raw:
		return []string{separator}
	case c == '/', c == '\\':
		return []string{separator, other}
	case raw:
		return []string{string([]byte{c})}
	case c == '?' || c == '#':
		return []string{finish, other}
	case c == '%':
		return []string{other}
	case !twice && (c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>^`{|}", c) >= 0):
		return []string{string([]byte{c})}
	}
	return []string{string([]byte{c}), other}
}

// few tells whether the readings can be gone through one by one.
func few(path []token) bool {
	n, parts := 1, 0
	for _, tok := range path {
		n *= len(tok.readings)
		if slices.Contains(tok.readings, separator) || tok.text == ";" || tok.text == "." {
			parts++
		}
		if n > 64 || parts > 6 {
			return false
		}
	}
	return true
}
