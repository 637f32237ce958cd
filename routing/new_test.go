package routing

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// line is a place in the tests' imaginary configuration.
func line(n int) Origin { return Origin{File: "edge.yaml", Line: n, Column: 1} }

// hosts makes the rules of a site, on lines from first on.
func hosts(t testing.TB, first int, patterns ...string) []HostRule {
	t.Helper()
	var rules []HostRule
	for i, s := range patterns {
		p, err := ParsePattern(s)
		if err != nil {
			t.Fatal(err)
		}
		rules = append(rules, HostRule{p, line(first + i)})
	}
	return rules
}

// table makes a table that has no conflicts.
func table(t testing.TB, sites ...Site) *Table {
	t.Helper()
	tab, conflicts := New(sites)
	if len(conflicts) > 0 || tab == nil {
		t.Fatalf("conflicts: %+v", conflicts)
	}
	return tab
}

func TestConflictsBetweenSites(t *testing.T) {
	tests := []struct {
		name  string
		sites []Site
		want  []Conflict
	}{
		{
			name: "same host in two sites",
			sites: []Site{
				{Name: "a", Hosts: hosts(t, 10, "x.example", "y.example"), App: "main"},
				{Name: "b", Hosts: hosts(t, 20, "z.example", "Y.Example."), App: "main"},
			},
			want: []Conflict{{
				Message: `the host "y.example" is already named by the site "a"`, At: line(21), Other: line(11),
				Hint: "remove one of the two",
			}},
		},
		{
			name: "same host twice in one site, and internationalised",
			sites: []Site{
				{Name: "a", Hosts: hosts(t, 10, "bücher.example", "xn--bcher-kva.example"), App: "main"},
			},
			want: []Conflict{{
				Message: `the host "xn--bcher-kva.example" is already named by this site`, At: line(11), Other: line(10),
				Hint: "remove one of the two",
			}},
		},
		{
			name: "same wildcard and same address",
			sites: []Site{
				{Name: "a", Hosts: hosts(t, 10, "*.example.com", "[::1]"), App: "main"},
				{Name: "b", Hosts: hosts(t, 20, "*.EXAMPLE.com", "[0:0::1]"), App: "main"},
			},
			want: []Conflict{
				{Message: `the host "*.example.com" is already named by the site "a"`, At: line(20), Other: line(10), Hint: "remove one of the two"},
				{Message: `the host "[::1]" is already named by the site "a"`, At: line(21), Other: line(11), Hint: "remove one of the two"},
			},
		},
		{
			name: "same name",
			sites: []Site{
				{Name: "a", Hosts: hosts(t, 10, "x.example"), Origin: line(9)},
				{Name: "a", Hosts: hosts(t, 20, "y.example"), Origin: line(19)},
			},
			want: []Conflict{{
				Message: `two sites have the name "a"`, At: line(19), Other: line(9),
				Hint: "give one of them another name, or put the hosts into one site",
			}},
		},
		{
			name:  "no name, no host",
			sites: []Site{{Hosts: []HostRule{{Origin: line(2)}}, Origin: line(1)}},
			want:  []Conflict{{Message: "a site has no name", At: line(1)}, {Message: "a host is empty", At: line(2)}},
		},
		{
			name: "an exact host inside a wildcard is none",
			sites: []Site{
				{Name: "a", Hosts: hosts(t, 10, "*.example.com"), App: "main"},
				{Name: "b", Hosts: hosts(t, 20, "a.example.com", "example.com", "*.a.example.com"), App: "main"},
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tab, got := New(tt.sites)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("conflicts (-want +got):\n%s", diff)
			}
			if (tab == nil) != (len(tt.want) > 0) {
				t.Errorf("table %v with %d conflicts", tab, len(got))
			}
		})
	}
}

// routes reads routes as "/path", "=/exact" and "/path GET,POST", on lines from 1.
func routes(specs ...string) []Route {
	var rs []Route
	for i, spec := range specs {
		path, methods, _ := strings.Cut(spec, " ")
		r := Route{App: fmt.Sprintf("app%d", i+1), Origin: line(i + 1)}
		r.Path, r.Exact = strings.CutPrefix(path, "=")
		if methods != "" {
			r.Methods = strings.Split(methods, ",")
		}
		rs = append(rs, r)
	}
	return rs
}

func TestHiddenRoutes(t *testing.T) {
	tests := []struct {
		routes []string
		want   []string // "hidden by", as line numbers
	}{
		{routes: []string{"/api", "/api"}, want: []string{"2 by 1"}},
		{routes: []string{"/api", "/api/"}, want: []string{"2 by 1"}},
		{routes: []string{"/api/", "/api/v1", "=/api", "=/api/", "/apix"}, want: []string{"2 by 1", "3 by 1", "4 by 1"}},
		{routes: []string{"/", "/api", "=/"}, want: []string{"2 by 1", "3 by 1"}},
		{routes: []string{"=/", "/"}},
		{routes: []string{"/api/v1", "/api"}},
		{routes: []string{"=/api", "/api"}},
		{routes: []string{"=/api", "=/api/", "=/api"}, want: []string{"3 by 1"}},
		{routes: []string{"/api POST", "/api"}},
		{routes: []string{"/api", "/api POST"}, want: []string{"2 by 1"}},
		{routes: []string{"/api POST,GET", "/api/v1 GET"}, want: []string{"2 by 1"}},
		{routes: []string{"/api POST", "/api GET"}},
		{routes: []string{"/api POST", "/api GET", "/api/x GET,POST"}, want: []string{"3 by 1"}},
		{routes: []string{"/api POST", "/api GET", "/api/x GET,POST,PUT"}},
		{routes: []string{"/api post", "/api POST"}},
		{routes: []string{"/caf%C3%A9", "/café/menu"}, want: []string{"2 by 1"}},
		{routes: []string{"/%61pi", "/api"}, want: []string{"2 by 1"}},
		{routes: []string{"/API", "/api"}},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.routes, " then "), func(t *testing.T) {
			tab, conflicts := New([]Site{{Name: "s", Hosts: hosts(t, 100, "s.example"), Routes: routes(tt.routes...)}})
			var got []string
			for _, c := range conflicts {
				if !strings.Contains(c.Message, "can never match") || c.Hint == "" {
					t.Errorf("conflict %+v", c)
				}
				got = append(got, fmt.Sprintf("%d by %d", c.At.Line, c.Other.Line))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("hidden (-want +got):\n%s", diff)
			}
			if (tab == nil) != (len(tt.want) > 0) {
				t.Errorf("table %v", tab)
			}
		})
	}
}

func TestRoutesThatCannotBe(t *testing.T) {
	deep := strings.Repeat("/a", maxDepth)
	for spec, want := range map[string]string{
		"":            "does not begin with a slash",
		"api":         "does not begin with a slash",
		"~^/api":      "does not begin with a slash",
		"/api?x=1":    "has a query or a fragment",
		"/api#x":      "has a query or a fragment",
		"//api":       "has an empty segment",
		"/api//":      "has an empty segment",
		"/a//b":       "has an empty segment",
		"=/a//":       "has an empty segment",
		"/./a":        "has a dot segment",
		"/a/..":       "has a dot segment",
		"/a/%2e%2E/b": "has a dot segment",
		"/a%2Fb":      "has an encoded slash",
		"/a%2fb":      "has an encoded slash",
		`/a\b`:        `has one of \ ; % ? #`,
		"/a%5Cb":      `has one of \ ; % ? #`,
		"/a;b":        `has one of \ ; % ? #`,
		"/a%3Fb":      `has one of \ ; % ? #`,
		"/100%25":     `has one of \ ; % ? #`,
		"/100%":       "has a % without two hexadecimal digits",
		"/a%0":        "has a % without two hexadecimal digits",
		"/a%0a":       "has a control character",
		"/a%00":       "has a control character",
		"/a.":         "has a segment that begins with a space or ends with a space or a dot",
		"/a%20/b":     "has a segment that begins with a space or ends with a space or a dot",
		"/api/*":      "has a wildcard",
		"/api/**":     "has a wildcard",
		deep + "/a":   "has more than 32 segments",
		"/a GET,":     "is not a method",
		"/a G(T":      "is not a method",
	} {
		tab, conflicts := New([]Site{{Name: "s", Routes: routes(spec)}})
		if tab != nil || len(conflicts) != 1 || !strings.Contains(conflicts[0].Message, want) ||
			conflicts[0].At != line(1) || conflicts[0].Hint == "" {
			t.Errorf("%q: got %+v, want one with %q", spec, conflicts, want)
		}
	}
	table(t, Site{Name: "s", Routes: routes("/.well-known", deep, "/a.b", "/@scope", "/a%20b", "/café", "=/", "/a:b,c=d+e")})
}

func TestNewCopies(t *testing.T) {
	sites := []Site{{
		Name: "s", Hosts: hosts(t, 10, "s.example"), App: "main",
		Routes: []Route{{Path: "/api/", Methods: []string{"GET"}, App: "api"}},
	}}
	tab := table(t, sites...)
	ask := func() Decision { return tab.Resolve([]byte("s.example"), []byte("GET"), []byte("/api")) }
	spoil := func(s []Site) {
		s[0].Name, s[0].App = "spoiled", "spoiled"
		s[0].Hosts[0] = HostRule{}
		s[0].Routes[0].App, s[0].Routes[0].Path = "spoiled", "/spoiled"
		s[0].Routes[0].Methods[0] = "SPOILED"
	}
	spoil(sites)
	spoil(tab.Sites())
	d := ask()
	if d.Verdict != Served || d.App != "api" || d.Site.Name != "s" || d.Route.Path != "/api" {
		t.Errorf("decision %+v", d)
	}
	if got := tab.Sites()[0].Hosts[0].Pattern.String(); got != "s.example" {
		t.Errorf("host %q", got)
	}
}
