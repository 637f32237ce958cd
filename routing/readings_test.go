package routing

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The reference: it writes out every reading of a path and asks the routes about each.

// token is a piece of a path and what it can be read as: characters, ◆ for one
// that no route has, or one of the marks below.
type token struct {
	text     string
	readings []string
}

const (
	other     = "◆" // a character that no route has
	separator = "⟂" // ends a segment
	finish    = "⊣" // ends the path
)

// blanks are dropped around a segment by some: spaces and control characters.
const blanks = " \t\n\v\f\r\x01\x02\x03\x04\x05\x06\x07\x08\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x7f"

// tokens are what paths are made of in the tests, with all that RFC 3986 and
// real apps make of them.
var tokens = []token{
	{"a", []string{"a"}}, {"b", []string{"b"}}, {"é", []string{"é"}}, {"%C3%A9", []string{"é"}},
	{"/", []string{separator}}, {".", []string{"."}}, {"..", []string{".."}},
	{"%61", []string{"a", other}}, {"%2e", []string{".", other}}, {"%2E%2e", []string{"..", other}},
	{"%2F", []string{separator, other}}, {"%2f", []string{separator, other}},
	{`\`, []string{separator, other}}, {"%5C", []string{separator, other}},
	{";", []string{";"}}, {"%3b", []string{";", other}},
	{"%3F", []string{finish, other}}, {"%23", []string{finish, other}},
	{"%20", []string{" "}}, {"%09", []string{"\t"}}, {"%25", []string{other}},
	{"%2561", []string{"a", other}}, {"%252e", []string{".", other}}, {"%252F", []string{separator, other}},
	{"%25253b", []string{";", other}}, {"%25%36%31", []string{"a", other}},
}

// slowChoices are the routes that the readings of the path choose: their
// indexes, -1 for none.
func slowChoices(path []token, routes []Route) map[int]bool {
	chosen := map[int]bool{}
	var write func(rest []token, text string)
	write = func(rest []token, text string) {
		if len(rest) == 0 {
			segments := strings.Split(text, separator)
			slowResolve(segments, 0, nil, func(read []string) { chosen[slowChoose(read, routes)] = true })
			return
		}
		for _, r := range rest[0].readings {
			if r == finish {
				write(nil, text)
			} else {
				write(rest[1:], text+r)
			}
		}
	}
	write(path[1:], "") // the first is the slash that every path begins with
	return chosen
}

// slowResolve goes through what can become of segments[i:] on top of read.
func slowResolve(segments []string, i int, read []string, done func([]string)) {
	if i == len(segments) {
		done(read)
		return
	}
	s, last := segments[i], i == len(segments)-1
	next := func(read []string) { slowResolve(segments, i+1, read, done) }
	push := func(s string) { next(append(slices.Clone(read), s)) }

	if s == "" && last {
		push("")
		return
	}
	onlyEmpty := i > 0 && strings.Join(segments[:i], "") == ""
	if onlyEmpty && s != "" {
		next(read)
	}
	values := map[string]bool{s: true}
	if before, _, ok := strings.Cut(s, ";"); ok {
		values[before] = true
	}
	for v := range values {
		inner := strings.Trim(v, blanks)
		values[inner] = true
		if inner != "." && inner != ".." {
			values[strings.Trim(strings.TrimRight(inner, "."+blanks), blanks)] = true
		}
	}
	for v := range values {
		switch v {
		case "":
			next(read)
			push("")
		case ".":
			next(read)
			push(other)
			if last {
				push("")
			}
		case "..":
			popped := read[:max(len(read)-1, 0)]
			next(popped)
			push(other)
			if last {
				next(append(slices.Clone(popped), ""))
			}
		default:
			push(v)
		}
	}
}

// slowChoose is the first route that matches the segments.
func slowChoose(segments []string, routes []Route) int {
	return slices.IndexFunc(routes, func(r Route) bool {
		want := strings.Split(r.Path, "/")[1:]
		if r.Exact {
			return slices.Equal(segments, want)
		}
		if want[len(want)-1] == "" {
			want = want[:len(want)-1]
		}
		return len(segments) >= len(want) && slices.Equal(segments[:len(want)], want)
	})
}

func drawRoutes(t *rapid.T) []Route {
	specs := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{
		"/a", "/b", "/a/b", "/a/a", "/é", "/a/b/a", "/aa", "=/", "=/a", "=/a/", "=/a/b", "=/b/", "=/a/b/", "/",
	}), 1, 4, rapid.ID).Draw(t, "routes")
	return routes(specs...)
}

func drawPath(t *rapid.T) ([]token, string) {
	draw := func(i int) token { return tokens[i] }
	path := append([]token{tokens[4]}, rapid.SliceOfN(rapid.Map(rapid.IntRange(0, len(tokens)-1), draw), 0, 9).Draw(t, "path")...)
	var text strings.Builder
	for _, tok := range path {
		text.WriteString(tok.text)
	}
	return path, text.String()
}

// A path is served exactly if every reading of it chooses the same route, and
// then by that route.
func TestEveryReadingChoosesTheSame(t *testing.T) {
	counts := map[Verdict]int{}
	rapid.Check(t, func(t *rapid.T) {
		rs := drawRoutes(t)
		tab, conflicts := New([]Site{{Name: "s", Hosts: hostRules(t, "s.example"), Routes: rs, App: "site"}})
		if len(conflicts) > 0 {
			t.Skip("a route hides another")
		}
		for range 30 {
			path, text := drawPath(t)
			d := checkDecision(t, tab, []byte("s.example"), []byte("GET"), []byte(text))
			counts[d.Verdict]++
			checkReadings(t, d, rs, path, text)
		}
	})
	if counts[Ambiguous] == 0 || counts[Served] == 0 {
		t.Errorf("the property saw %v", counts)
	}
}

func checkReadings(t fataler, d Decision, rs []Route, path []token, text string) {
	t.Helper()
	chosen := slowChoices(path, rs)
	switch d.Verdict {
	case Ambiguous:
		if len(chosen) < 2 {
			t.Fatalf("%q is refused, but all readings choose %v", text, chosen)
		}
	case Served:
		i := slices.IndexFunc(rs, func(r Route) bool { return d.Route != nil && r.Origin == d.Route.Origin })
		if !chosen[i] || len(chosen) != 1 {
			t.Fatalf("%q goes to route %d, but the readings choose %v", text, i, chosen)
		}
	default:
		t.Fatalf("%q: %+v", text, d)
	}
}

func hostRules(t fataler, patterns ...string) []HostRule {
	t.Helper()
	var rules []HostRule
	for i, s := range patterns {
		p, err := ParsePattern(s)
		if err != nil {
			t.Fatalf("%v", err)
		}
		rules = append(rules, HostRule{p, line(i + 1)})
	}
	return rules
}

// checkTwoReadings holds a decision to the contract's two readings, the raw
// segments and the decoded, dot-resolved path, for ASCII routes.
func checkTwoReadings(t fataler, d Decision, method, target string) {
	t.Helper()
	path, _, _ := strings.Cut(target, "?")
	if d.Verdict != Served || len(d.Site.Routes) == 0 || target == "*" {
		return
	}
	var asked []Route
	for _, r := range d.Site.Routes {
		if (len(r.Methods) == 0 || slices.Contains(r.Methods, method)) && isASCII([]byte(r.Path)) {
			asked = append(asked, r)
		}
	}
	decoded, ok := unescape(path)
	if !ok {
		t.Fatalf("%q is served in spite of its escapes", target)
	}
	raw := strings.Split(path, "/")[1:]
	var resolved []string
	for i, s := range strings.Split(decoded, "/")[1:] {
		switch s {
		case "..":
			resolved = resolved[:max(len(resolved)-1, 0)]
		case ".":
		case "":
			if i == strings.Count(decoded, "/")-1 {
				resolved = append(resolved, s)
			}
		default:
			resolved = append(resolved, s)
		}
	}
	for _, segments := range [][]string{raw, resolved} {
		i := slowChoose(segments, asked)
		switch {
		case i < 0 && d.Route != nil && isASCII([]byte(d.Route.Path)),
			i >= 0 && (d.Route == nil || d.Route.Origin != asked[i].Origin):
			t.Fatalf("%q is served as %+v, but %q chooses route %d of %+v", target, d, segments, i, asked)
		}
	}
}

func TestTwoReadings(t *testing.T) {
	tab := shop(t)
	piece := rapid.SampledFrom([]string{
		"api", "admin", "hello", "event", "x", "/", "/", "/", ".", "..", "%2e", "%2F", "%61", "%252e", ";", "\\", "%5c", "//", "é", "%C3%A9", "?",
	})
	rapid.Check(t, func(t *rapid.T) {
		target := "/" + strings.Join(rapid.SliceOfN(piece, 0, 12).Draw(t, "pieces"), "")
		d := checkDecision(t, tab, []byte("shop.example.com"), []byte("GET"), []byte(target))
		checkTwoReadings(t, d, "GET", target)
	})
}

// Long paths and paths with many odd parts end, and are decided if their
// beginning decides.
func TestOddPathsOfAnyLength(t *testing.T) {
	tab := shop(t)
	for _, tt := range []struct {
		target  string
		verdict Verdict
		app     string
	}{
		{"/api/" + strings.Repeat("a%2Fb", 1000), Served, "api"},
		{"/api/" + strings.Repeat("a%2Fb", 1023), Ambiguous, ""}, // more parts than are looked at
		{"/api" + strings.Repeat("//", 500), Served, "api"},
		{"/api" + strings.Repeat("//", 8000), Ambiguous, ""},
		{"/x" + strings.Repeat("/%41", 1000), Served, "web"},
		{"/x" + strings.Repeat("%2F", 1000), Served, "web"},
		{"/x" + strings.Repeat("%3F", 8000), Served, "web"},
		{"/x" + strings.Repeat("%41", 8000), Served, "web"},
		{"/x" + strings.Repeat(";", 8000), Served, "web"},
		{"/api/" + strings.Repeat("%25", 8000) + "41", Served, "api"},
		{"/api/%" + strings.Repeat("25", 8000) + "41", Served, "api"},
		{"/%" + strings.Repeat("25", 8000) + "61pi", Ambiguous, ""},
		{"/api/x/" + strings.Repeat("../y/", 60), Served, "api"},
		{"/api/x/" + strings.Repeat("../../y/", 30), Ambiguous, ""},
		{"/api" + strings.Repeat("/y", 60) + strings.Repeat("/..", 60), Served, "api"},
		{"/api" + strings.Repeat("/y", 59) + strings.Repeat("/..", 60), Ambiguous, ""},
		{"/api" + strings.Repeat("/y", 61) + strings.Repeat("/..", 61), Ambiguous, ""}, // more ".." than are counted
		{strings.Repeat("/", 1000), Served, "web"},
		{strings.Repeat("/", 16000), Ambiguous, ""},
		{strings.Repeat("/", 900) + "api", Ambiguous, ""},
		{strings.Repeat("/%2e%2e;", 4000), Ambiguous, ""},
		{"/" + strings.Repeat("../", 40) + "x", Served, "web"},
		{"/api" + strings.Repeat("/x%3F", 1000), Served, "api"},
		{"/api" + strings.Repeat("%2Fx%3F", 1000), Ambiguous, ""},
	} {
		d := checkDecision(t, tab, []byte("shop.example.com"), []byte("GET"), []byte(tt.target))
		if d.Verdict != tt.verdict || d.App != tt.app {
			t.Errorf("%.40s… (%d bytes): %v by %q (%s), want %v by %q",
				tt.target, len(tt.target), d.Verdict, d.App, d.Reason, tt.verdict, tt.app)
		}
	}
}

// A site may have as many routes as it likes, and an odd path still be decided.
func TestOddPathAndManyRoutes(t *testing.T) {
	specs := make([]string, 5000)
	for i := range specs {
		specs[i] = fmt.Sprintf("/route%d/a/b", i)
	}
	tab := table(t, Site{Name: "s", Hosts: hostRules(t, "s.example"), Routes: routes(specs...), App: "site"})
	for target, app := range map[string]string{
		"/route4999/a/b/x%2Fy": "app5000", "/@scope%2Fname": "site", "/route4999/a//b": "",
	} {
		if d := checkDecision(t, tab, []byte("s.example"), []byte("GET"), []byte(target)); d.App != app {
			t.Errorf("%s: %+v", target, d)
		}
	}
}
