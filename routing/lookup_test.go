package routing

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// shop is a site table with one of everything.
func shop(t testing.TB) *Table {
	return table(t,
		Site{
			Name: "shop", Hosts: hosts(t, 10, "shop.example.com", "*.shop.example.com", "192.0.2.1", "[2001:db8::1]"),
			App: "web", AppOrigin: line(15), Origin: line(9),
			Routes: []Route{
				{Path: "/api", App: "api", Origin: line(20)},
				{Path: "/hello", Exact: true, Origin: line(21)},
				{Path: "/event", Methods: []string{"POST", "PUT"}, App: "queue", Origin: line(22)},
				{Path: "/admin", App: "admin", Origin: line(23)},
				{Path: "/café", App: "cafe", Origin: line(24)},
			},
		},
		Site{Name: "blog", Hosts: hosts(t, 30, "blog.example.com", "special.shop.example.com"), App: "blog", AppOrigin: line(35)},
		Site{
			Name: "local", Hosts: hosts(t, 40, "local.example.com"), Origin: line(39),
			Routes: []Route{{Path: "/static", Origin: line(41)}},
		},
		Site{Name: "nothing", Hosts: hosts(t, 50, "nothing.example.com"), Origin: line(49)},
	)
}

func TestResolve(t *testing.T) {
	tests := []struct {
		host, method, target string
		verdict              Verdict
		match                Match
		site, app            string
		line                 int
	}{
		// Hosts.
		{"shop.example.com", "GET", "/", Served, MatchExact, "shop", "web", 15},
		{"SHOP.example.com.:80", "GET", "/", Served, MatchExact, "shop", "web", 15},
		{"a.shop.example.com", "GET", "/", Served, MatchWildcard, "shop", "web", 15},
		{"A.shop.example.com:8080", "GET", "/api", Served, MatchWildcard, "shop", "api", 20},
		{"special.shop.example.com", "GET", "/api", Served, MatchExact, "blog", "blog", 35},
		{"a.special.shop.example.com", "GET", "/", NoHost, MatchNone, "", "", 0},
		{"a.b.shop.example.com", "GET", "/", NoHost, MatchNone, "", "", 0},
		{"example.com", "GET", "/", NoHost, MatchNone, "", "", 0},
		{"shop.example.co", "GET", "/", NoHost, MatchNone, "", "", 0},
		{"shop.example.com.evil.example", "GET", "/", NoHost, MatchNone, "", "", 0},
		{"192.0.2.1", "GET", "/", Served, MatchExact, "shop", "web", 15},
		{"192.0.2.1:80", "GET", "/", Served, MatchExact, "shop", "web", 15},
		{"192.0.2.2", "GET", "/", NoHost, MatchNone, "", "", 0},
		{"[2001:DB8:0::1]:80", "GET", "/", Served, MatchExact, "shop", "web", 15},
		{"[::ffff:192.0.2.1]", "GET", "/", NoHost, MatchNone, "", "", 0},
		{"", "GET", "/", BadHost, MatchNone, "", "", 0},
		{"shop.example.com/", "GET", "/", BadHost, MatchNone, "", "", 0},
		{"*.shop.example.com", "GET", "/", BadHost, MatchNone, "", "", 0},
		{"127.1", "GET", "/", BadHost, MatchNone, "", "", 0},

		// Paths and methods.
		{"shop.example.com", "GET", "/api", Served, MatchExact, "shop", "api", 20},
		{"shop.example.com", "GET", "/api/", Served, MatchExact, "shop", "api", 20},
		{"shop.example.com", "GET", "/api?x=/../admin", Served, MatchExact, "shop", "api", 20},
		{"shop.example.com", "GET", "/apix", Served, MatchExact, "shop", "web", 15},
		{"shop.example.com", "GET", "/API", Served, MatchExact, "shop", "web", 15},
		{"shop.example.com", "GET", "/x/api", Served, MatchExact, "shop", "web", 15},
		{"shop.example.com", "GET", "/hello", Served, MatchExact, "shop", "", 21},
		{"shop.example.com", "GET", "/hello/", Served, MatchExact, "shop", "web", 15},
		{"shop.example.com", "GET", "/hello/x", Served, MatchExact, "shop", "web", 15},
		{"shop.example.com", "POST", "/event", Served, MatchExact, "shop", "queue", 22},
		{"shop.example.com", "PUT", "/event/1", Served, MatchExact, "shop", "queue", 22},
		{"shop.example.com", "GET", "/event", Served, MatchExact, "shop", "web", 15},
		{"shop.example.com", "post", "/event", Served, MatchExact, "shop", "web", 15},
		{"shop.example.com", "GET", "/caf%C3%A9", Served, MatchExact, "shop", "cafe", 24},
		{"shop.example.com", "GET", "/caf%c3%a9/x", Served, MatchExact, "shop", "cafe", 24},
		{"shop.example.com", "GET", "/café", Served, MatchExact, "shop", "cafe", 24},
		{"shop.example.com", "OPTIONS", "*", Served, MatchExact, "shop", "web", 15},
		{"shop.example.com", "GET", "", BadTarget, MatchExact, "shop", "", 0},
		{"shop.example.com", "GET", "?x", BadTarget, MatchExact, "shop", "", 0},
		{"shop.example.com", "GET", "api", BadTarget, MatchExact, "shop", "", 0},
		{"shop.example.com", "CONNECT", "a.example:443", BadTarget, MatchExact, "shop", "", 0},
		{"shop.example.com", "GET", "http://shop.example.com/api", BadTarget, MatchExact, "shop", "", 0},
		{"shop.example.com", "GET", "/a b", BadTarget, MatchExact, "shop", "", 0},
		{"shop.example.com", "GET", "/a\x00", BadTarget, MatchExact, "shop", "", 0},
		{"shop.example.com", "GET", "/a#b", BadTarget, MatchExact, "shop", "", 0},
		{"shop.example.com", "GET", "/a%", BadTarget, MatchExact, "shop", "", 0},
		{"shop.example.com", "GET", "/a%2", BadTarget, MatchExact, "shop", "", 0},
		{"shop.example.com", "GET", "/a%zz", BadTarget, MatchExact, "shop", "", 0},
		{"shop.example.com", "GET", "/a%u002f", BadTarget, MatchExact, "shop", "", 0},
		{"shop.example.com", "GET", "/a%00", BadTarget, MatchExact, "shop", "", 0},
		{"shop.example.com", "GET", "/a%2500", BadTarget, MatchExact, "shop", "", 0},
		{"shop.example.com", "GET", "/api/../admin", Ambiguous, MatchExact, "shop", "", 20},

		// A site with one app does not look at the path.
		{"blog.example.com", "GET", "/a/../b%zz;x//\\", Served, MatchExact, "blog", "blog", 35},
		{"blog.example.com", "OPTIONS", "*", Served, MatchExact, "blog", "blog", 35},
		{"blog.example.com", "GET", "", Served, MatchExact, "blog", "blog", 35},

		// A site without an app of its own.
		{"local.example.com", "GET", "/static/a.css", Served, MatchExact, "local", "", 41},
		{"local.example.com", "GET", "/", NoPath, MatchExact, "local", "", 39},
		{"local.example.com", "OPTIONS", "*", NoPath, MatchExact, "local", "", 39},
		{"nothing.example.com", "GET", "/", NoPath, MatchExact, "nothing", "", 49},
	}
	tab := shop(t)
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s %s %s", tt.host, tt.method, tt.target), func(t *testing.T) {
			d := tab.Resolve([]byte(tt.host), []byte(tt.method), []byte(tt.target))
			site := ""
			if d.Site != nil {
				site = d.Site.Name
			}
			if d.Verdict != tt.verdict || d.Match != tt.match || site != tt.site || d.App != tt.app || d.Origin.Line != tt.line {
				t.Errorf("%v %v site %q app %q line %d (%s); want %v %v site %q app %q line %d", d.Verdict, d.Match, site,
					d.App, d.Origin.Line, d.Reason, tt.verdict, tt.match, tt.site, tt.app, tt.line)
			}
			checkDecision(t, tab, []byte(tt.host), []byte(tt.method), []byte(tt.target))
		})
	}
}

// fataler is a test or a property's.
type fataler interface {
	Helper()
	Fatalf(string, ...any)
}

// checkDecision holds a lookup to the laws that do not depend on the table.
func checkDecision(t fataler, tab *Table, authority, method, target []byte) Decision {
	t.Helper()
	d := tab.Resolve(authority, method, target)
	fail := func(law string) {
		t.Helper()
		t.Fatalf("Resolve(%q, %q, %q) = %+v: %s", authority, method, target, d, law)
	}
	h, err := ParseHost(authority)
	if err != nil {
		if d != (Decision{Verdict: BadHost, Reason: err.Error()}) {
			fail("a malformed host: " + err.Error())
		}
	} else if d2 := tab.Lookup(h, method, target); d2 != d {
		t.Fatalf("Resolve(%q, %q, %q) = %+v, but Lookup says %+v", authority, method, target, d, d2)
	}
	switch {
	case (d.Site != nil) != (d.Match != MatchNone):
		fail("a match is of a site")
	case d.Verdict == Served && d.Reason != "" || d.Verdict != Served && d.Reason == "":
		fail("a refusal has a reason")
	case d.Verdict != Served && (d.App != "" || d.Route != nil):
		fail("a refusal has no app and no route")
	case d.Verdict == Served && d.Site == nil:
		fail("served by no site")
	case d.Verdict == Served && d.Route != nil && (d.App != d.Route.App || d.Origin != d.Route.Origin):
		fail("the route decided")
	case d.Verdict == Served && d.Route == nil && (d.App == "" || d.App != d.Site.App || d.Origin != d.Site.AppOrigin):
		fail("the site's app decided")
	}
	steps := tab.Explain(authority, method, target)
	if len(steps) == 0 {
		fail("no explanation")
	}
	end := steps[len(steps)-1]
	if (d.Verdict == Served) == strings.HasPrefix(end.Text, "refused") || end.Origin != d.Origin {
		t.Fatalf("Resolve(%q, %q, %q) = %+v, explained as %+v", authority, method, target, d, steps)
	}
	return d
}

func TestNothingIsServedByDefault(t *testing.T) {
	if (Decision{}).Verdict == Served || (Decision{}).App != "" {
		t.Error("the zero decision serves")
	}
	empty, conflicts := New(nil)
	if len(conflicts) > 0 {
		t.Fatal(conflicts)
	}
	for name, tab := range map[string]*Table{"nil": nil, "zero": {}, "empty": empty} {
		for _, host := range []string{"", "localhost", "example.com", "127.0.0.1", "[::1]", "_", "*", "\x00"} {
			d := tab.Resolve([]byte(host), []byte("GET"), []byte("/"))
			if d.Verdict != NoHost || d.Site != nil || d.App != "" {
				t.Errorf("%s table, %q: %+v", name, host, d)
			}
			if steps := tab.Explain([]byte(host), []byte("GET"), []byte("/")); !strings.HasPrefix(steps[len(steps)-1].Text, "refused") {
				t.Errorf("%s table, %q: %+v", name, host, steps)
			}
		}
		if h, _ := ParseHost([]byte("example.com")); tab.Lookup(h, nil, nil).Verdict != NoHost || len(tab.Sites()) != 0 {
			t.Errorf("%s table serves", name)
		}
	}
	if d := shop(t).Lookup(Host{}, []byte("GET"), []byte("/")); d.Verdict != NoHost || d.Site != nil {
		t.Errorf("no host: %+v", d)
	}
}

// patterns draws hosts for a table from so few names that they collide.
func patterns() *rapid.Generator[string] {
	label := rapid.SampledFrom([]string{"a", "b", "c", "ü", "x_y"})
	return rapid.Custom(func(t *rapid.T) string {
		if rapid.IntRange(0, 9).Draw(t, "kind") == 0 {
			return rapid.SampledFrom([]string{"127.0.0.1", "1.0.0.1", "[::1]", "[::ffff:1.0.0.1]"}).Draw(t, "address")
		}
		labels := rapid.SliceOfN(label, 1, 4).Draw(t, "labels")
		if rapid.Bool().Draw(t, "wildcard") {
			labels[0] = "*"
		}
		return strings.Join(append(labels, "example"), ".")
	})
}

// drawSites draws sites that name their hosts without conflict.
func drawSites(t *rapid.T) []Site {
	seen := map[string]bool{}
	var sites []Site
	for i := range rapid.IntRange(0, 5).Draw(t, "sites") {
		s := Site{Name: fmt.Sprint("s", i), App: fmt.Sprint("app", i), AppOrigin: line(1000 + i)}
		for _, text := range rapid.SliceOfN(patterns(), 0, 4).Draw(t, "hosts") {
			p, err := ParsePattern(text)
			if err == nil && !seen[p.String()] {
				seen[p.String()] = true
				s.Hosts = append(s.Hosts, HostRule{p, line(len(seen))})
			}
		}
		if rapid.Bool().Draw(t, "routes") {
			s.Routes = []Route{{Path: "/r", App: fmt.Sprint("route", i), Origin: line(2000 + i)}}
		}
		sites = append(sites, s)
	}
	return sites
}

// drawAuthority draws anything, but often a host that one of the sites may name.
func drawAuthority(t *rapid.T) []byte {
	if rapid.IntRange(0, 2).Draw(t, "any") == 0 {
		return authorities().Draw(t, "authority")
	}
	text := patterns().Draw(t, "like")
	text = strings.Replace(text, "*", rapid.SampledFrom([]string{"a", "B", "z", "q.r", "*", "1.0"}).Draw(t, "label"), 1)
	return []byte(text + rapid.SampledFrom([]string{"", "", ".", ":80", ".:443"}).Draw(t, "end"))
}

// slowSite is the site that names the host, by going through all of them.
func slowSite(sites []Site, host string) (name string, m Match) {
	for _, s := range sites {
		for _, h := range s.Hosts {
			if !h.Pattern.Wildcard() && h.Pattern.String() == host {
				return s.Name, MatchExact
			}
		}
	}
	for _, s := range sites {
		for _, h := range s.Hosts {
			first, rest, ok := strings.Cut(host, ".")
			if ok && first != "" && h.Pattern.Wildcard() && h.Pattern.String() == "*."+rest {
				return s.Name, MatchWildcard
			}
		}
	}
	return "", MatchNone
}

// For any table and any bytes as a host, the answer is that of a site that
// names the host, or a refusal.
func TestOnlyNamedHostsAreServed(t *testing.T) {
	served := 0
	rapid.Check(t, func(t *rapid.T) {
		sites := drawSites(t)
		tab, conflicts := New(sites)
		if len(conflicts) > 0 {
			t.Fatalf("conflicts: %+v", conflicts)
		}
		if len(tab.exact)+len(tab.wildcard) == 0 {
			t.Skip("nothing is named")
		}
		authority := drawAuthority(t)
		d := checkDecision(t, tab, authority, []byte("GET"), []byte("/r/x"))
		host, ok := slowHost(string(authority))
		name, match := slowSite(sites, host)
		switch {
		case !ok:
			if d.Verdict != BadHost {
				t.Fatalf("%q is no host: %+v", authority, d)
			}
		case match == MatchNone:
			if d.Verdict != NoHost {
				t.Fatalf("no site names %q: %+v", host, d)
			}
		case d.Verdict != Served || d.Site.Name != name || d.Match != match:
			t.Fatalf("%q is %v of %s: %+v", host, match, name, d)
		default:
			served++
		}
	})
	if served == 0 {
		t.Error("the property never saw a host served")
	}
}

// Adding a site never changes where another site's hosts go: whatever host the
// new one does not name itself has the answer that it had.
func TestAddingASiteMovesNobody(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sites := drawSites(t)
		if len(sites) == 0 {
			t.Skip("no site")
		}
		n := rapid.IntRange(0, len(sites)-1).Draw(t, "new")
		added := sites[n]
		before := append(append([]Site{}, sites[:n]...), sites[n+1:]...)
		old, _ := New(before)
		now, _ := New(sites)
		authority := drawAuthority(t)
		h, err := ParseHost(authority)
		if err != nil {
			t.Skip("no host")
		}
		a := old.Lookup(h, []byte("GET"), []byte("/r"))
		b := now.Lookup(h, []byte("GET"), []byte("/r"))
		_, named := slowSite([]Site{added}, h.String())
		same := a.Verdict == b.Verdict && a.App == b.App && a.Origin == b.Origin && a.Match == b.Match
		switch {
		case named == MatchNone && !same:
			t.Fatalf("%s does not name %s, but %+v became %+v", added.Name, h, a, b)
		case a.Match == MatchExact && !same:
			t.Fatalf("%s is named by another site, but %+v became %+v", h, a, b)
		case a.Match == MatchWildcard && named == MatchWildcard && !same:
			t.Fatalf("two wildcards name %s: %+v, %+v", h, a, b)
		}
	})
}

func TestTheOrderOfSitesMakesNoDifference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sites := drawSites(t)
		one, _ := New(sites)
		two, _ := New(rapid.Permutation(sites).Draw(t, "order"))
		authority := drawAuthority(t)
		a := one.Resolve(authority, []byte("GET"), []byte("/"))
		b := two.Resolve(authority, []byte("GET"), []byte("/"))
		if a.Verdict != b.Verdict || a.App != b.App || a.Origin != b.Origin || a.Match != b.Match {
			t.Fatalf("%q: %+v, %+v", authority, a, b)
		}
	})
}

func FuzzLookup(f *testing.F) {
	for _, target := range []string{
		"/", "*", "/api/../admin", "/api/%2e%2e/admin", "//admin", "/admin;x=1", "/%61dmin", "/api%2fadmin", `/a%5cb`,
		"/%252e%252e/admin", "/a./b", "/%00", "/%zz", "/@scope%2Fname", "/%3F/..;/x", "/caf%C3%A9?x",
	} {
		f.Add([]byte("a.shop.example.com:80"), []byte("GET"), []byte(target))
	}
	tab := shop(f)
	f.Fuzz(func(t *testing.T, authority, method, target []byte) {
		d := checkDecision(t, tab, authority, method, target)
		checkTwoReadings(t, d, string(method), string(target))
		host, ok := slowHost(string(authority))
		if name, match := slowSite(tab.Sites(), host); ok && (match != d.Match || match != MatchNone && name != d.Site.Name) {
			t.Fatalf("%q is %v of %q: %+v", authority, match, name, d)
		}
	})
}

// manySites is a table of n hosts, one site each, and its host names.
func manySites(t testing.TB, n int) (*Table, [][]byte) {
	sites := make([]Site, n)
	names := make([][]byte, n)
	for i := range sites {
		names[i] = fmt.Appendf(nil, "stats%d.customer%d.example", i, i%97)
		sites[i] = Site{Name: fmt.Sprint("site", i), Hosts: hosts(t, i+1, string(names[i])), App: "main"}
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(n, func(i, j int) { names[i], names[j] = names[j], names[i] })
	return table(t, sites...), names
}

func TestLookupDoesNotAllocate(t *testing.T) {
	tab := shop(t)
	long := "/" + strings.Repeat("segment/", 100)
	for _, tt := range []struct{ host, target string }{
		{"shop.example.com", "/"},
		{"shop.example.com", "/api/v4/projects?x=%2F"},
		{"shop.example.com:8080", "/admin"},
		{"Shop.Example.COM.:8080", "/event"},
		{"any.shop.example.com", "/hello"},
		{"ANY.shop.example.com:443", long},
		{"192.0.2.1:80", "/"},
		{"[2001:db8::1]", "/"},
		{"unknown.example.com", "/"},
		{"not a host", "/"},
		{"127.1", "/"},
		{"shop.example.com", "/x/jquery%20mobile"},
		{"shop.example.com", "/@scope%2Fname"},
		{"shop.example.com", "/api/../admin;x=1//%2e%2e/a%5cb"},
		{"shop.example.com", "/a%zz"},
		{"blog.example.com", "/a/../b%zz;x//"},
	} {
		authority, target, method := []byte(tt.host), []byte(tt.target), []byte("GET")
		h, err := ParseHost(authority)
		if n := testing.AllocsPerRun(100, func() { tab.Resolve(authority, method, target) }); n != 0 {
			t.Errorf("Resolve(%q, %q): %v allocations", tt.host, tt.target, n)
		}
		if err != nil {
			if n := testing.AllocsPerRun(100, func() { _, _ = ParseHost(authority) }); n != 0 {
				t.Errorf("ParseHost(%q): %v allocations", tt.host, n)
			}
			continue
		}
		if n := testing.AllocsPerRun(100, func() { tab.Lookup(h, method, target) }); n != 0 {
			t.Errorf("Lookup(%q, %q): %v allocations", tt.host, tt.target, n)
		}
	}
}

func BenchmarkResolve(b *testing.B) {
	many, names := manySites(b, 10_000)
	b.Run("one of 10000 hosts", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			if d := many.Resolve(names[i%len(names)], []byte("GET"), []byte("/")); d.Verdict != Served {
				b.Fatal(d)
			}
			i++
		}
	})
	tab := shop(b)
	for _, bb := range []struct{ name, host, target string }{
		{"one app", "blog.example.com", "/index.html"},
		{"routes", "shop.example.com", "/products/12345/reviews?page=2"},
		{"port and case", "Shop.example.com:8080", "/products/12345"},
		{"wildcard", "a.shop.example.com", "/products/12345"},
		{"escaped space", "shop.example.com", "/products/red%20shoes"},
		{"escaped slash", "shop.example.com", "/@scope%2Fname"},
		{"attack", "shop.example.com", "/api/..;/%2e%2e/admin//x"},
		{"long attack", "shop.example.com", "/" + strings.Repeat("/%2e%2e;%5c", 1500)},
		{"many slashes", "shop.example.com", strings.Repeat("/", 16000)},
		{"unknown", "unknown.example.com", "/"},
		{"malformed", "exa mple.com", "/"},
		{"long IDN", strings.Repeat("例", 330), "/"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			authority, method, target := []byte(bb.host), []byte("GET"), []byte(bb.target)
			b.ReportAllocs()
			for b.Loop() {
				tab.Resolve(authority, method, target)
			}
		})
	}
}
