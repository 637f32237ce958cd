package routing

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestExplain(t *testing.T) {
	tests := []struct {
		host, method, target string
		want                 []string // "line: text"
	}{
		{"Shop.example.com:80", "GET", "/admin/x", []string{
			`0: host "Shop.example.com:80" is shop.example.com`,
			`10: host shop.example.com is named by the site shop`,
			`20: route /api is passed over: the path is another`,
			`21: route exact /hello is passed over: the path is another`,
			`22: route /event [POST PUT] is passed over: the method is "GET"`,
			`23: route /admin matches`,
			`23: served by the app admin of the route /admin`,
		}},
		{"a.shop.example.com", "GET", "/hello", []string{
			`11: host a.shop.example.com is named by the site shop as *.shop.example.com`,
			`20: route /api is passed over: the path is another`,
			`21: route exact /hello matches`,
			`21: answered here by the route exact /hello`,
		}},
		{"shop.example.com", "POST", "/hello/apix", []string{
			`10: host shop.example.com is named by the site shop`,
			`20: route /api is passed over: the path is another`,
			`21: route exact /hello is passed over: the path goes on after it`,
			`22: route /event [POST PUT] is passed over: the path is another`,
			`23: route /admin is passed over: the path is another`,
			`24: route /café is passed over: the path is another`,
			`15: served by the app web of the site shop`,
		}},
		{"shop.example.com", "GET", "/api%2f..;x/admin", []string{
			`10: host shop.example.com is named by the site shop`,
			`0: path "/api%2f..;x/admin" is not read the same way by all apps; decoded and resolved it is "/admin"`,
			`20: route /api matches for some readings of the path and not for others`,
			`20: refused: apps read the path in different ways, which lead to different routes`,
		}},
		{"shop.example.com", "GET", "/apix%2F", []string{
			`10: host shop.example.com is named by the site shop`,
			`0: path "/apix%2F" is not read the same way by all apps; decoded and resolved it is "/apix/"`,
			`20: route /api is passed over: no reading of the path matches`,
			`21: route exact /hello is passed over: no reading of the path matches`,
			`22: route /event [POST PUT] is passed over: the method is "GET"`,
			`23: route /admin is passed over: no reading of the path matches`,
			`24: route /café is passed over: no reading of the path matches`,
			`15: served by the app web of the site shop`,
		}},
		{"shop.example.com", "GET", "/apix", []string{
			`10: host shop.example.com is named by the site shop`,
			`20: route /api is passed over: the path goes on in the same segment`,
			`21: route exact /hello is passed over: the path is another`,
			`22: route /event [POST PUT] is passed over: the method is "GET"`,
			`23: route /admin is passed over: the path is another`,
			`24: route /café is passed over: the path is another`,
			`15: served by the app web of the site shop`,
		}},
		{"shop.example.com", "GET", "/%zz", []string{
			`10: host shop.example.com is named by the site shop`,
			`0: refused: the path has a malformed or a NUL escape`,
		}},
		{"shop.example.com", "OPTIONS", "*", []string{
			`10: host shop.example.com is named by the site shop`,
			`0: the target * has no path: no route is asked`,
			`15: served by the app web of the site shop`,
		}},
		{"blog.example.com", "GET", "//", []string{
			`30: host blog.example.com is named by the site blog`,
			`35: served by the app blog of the site blog`,
		}},
		{"nothing.example.com", "GET", "/", []string{
			`50: host nothing.example.com is named by the site nothing`,
			`49: refused: the site has no route for the path and no app of its own`,
		}},
		{"a.b.shop.example.com", "GET", "/", []string{
			`0: no site names a.b.shop.example.com`,
			`10: shop.example.com of the site shop is another host`,
			`11: *.shop.example.com of the site shop stands for one label only`,
			`0: refused: no site names the host`,
		}},
		{"evil\x1b[2J", "GET", "/", []string{
			`0: host "evil\x1b[2J": the host has a character that no host name has`,
			`0: refused: the host is malformed`,
		}},
	}
	tab := shop(t)
	for _, tt := range tests {
		var got []string
		for _, s := range tab.Explain([]byte(tt.host), []byte(tt.method), []byte(tt.target)) {
			got = append(got, fmt.Sprintf("%d: %s", s.Origin.Line, s.Text))
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s %s %s (-want +got):\n%s", tt.host, tt.method, tt.target, diff)
		}
	}
}

func TestExplainWildcardItself(t *testing.T) {
	tab := table(t, Site{Name: "s", Hosts: hosts(t, 7, "*.example.com"), App: "main"})
	steps := tab.Explain([]byte("example.com"), []byte("GET"), []byte("/"))
	if len(steps) != 3 || steps[1].Origin.Line != 7 ||
		steps[1].Text != "*.example.com of the site s stands for one label more, not for example.com itself" {
		t.Errorf("steps %+v", steps)
	}
}

func TestWords(t *testing.T) {
	for got, want := range map[string]string{
		MatchNone.String(): "none", MatchExact.String(): "exact", MatchWildcard.String(): "wildcard",
		Match(9).String(): "match(9)", NoHost.String(): "no_host", BadHost.String(): "bad_host",
		NoPath.String(): "no_path", Ambiguous.String(): "ambiguous", BadTarget.String(): "bad_target",
		Served.String(): "served", Verdict(9).String(): "verdict(9)",
		line(3).String(): "edge.yaml:3", Origin{File: "edge.yaml"}.String(): "edge.yaml", Origin{}.String(): "",
		HostError(0).Error(): "the host is malformed",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
