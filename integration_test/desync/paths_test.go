package desync

import (
	"fmt"
	"strings"
)

// paths: CONTRACT §2 "Paths": the route is computed on the raw segments and on the decoded,
// dot-resolved path; if they choose different apps it is 400. two.test sends /api to alpha, /admin to
// beta and the rest to alpha. The forms are Orange Tsai's ("Breaking Parser Logic", 2018: ..;/
// and friends), CVE-2021-41773 (.%2e), IIS's overlong and double encodings, RFC 3986 §5.2.4 and
// §6.2.2. What is allowed to be ambiguous for the app alone goes to the app that was chosen.
func paths() table {
	t := table{name: "paths"}
	add := func(cs ...testCase) { t.cases = append(t.cases, cs...) }
	ask := func(target string) string { return head("GET "+target+" HTTP/1.1", "Host: "+hostTwo, caseLine) }
	to := func(app, target string) forwarded { return forwarded{app, "GET", target, hostTwo, ""} }

	for _, target := range []string{"/", "/api", "/api/", "/api/x", "/api?x=/../admin", "/api/x?/admin", "/apix", "/adminx", "/admi", "/ADMIN", "/Admin", "/x", "/x/admin", "/x/api", "/?/admin", "/api/@scope%2fname", "/api/@scope%2Fname", "/api/projects/group%2Fproject", "/api/a%20b", "/api/%E2%98%83", "/api/./x", "/api/x/../y", "/x/./y", "/api/a%2f..%2fb", "/.admin", "/..admin", "/api/..admin", "/api/...", "/api/.../admin"} {
		add(good("alpha "+target, ask(target), to("alpha", target)))
	}
	for _, target := range []string{"/admin", "/admin/", "/admin/x", "/admin?x", "/admin?/../api", "/admin/x/..", "/admin/.", "/admin/./x", "/admin/x/../y", "/admin/%20", "/admin/a%2Fb", "/admin/x%2f..%2fy", "/admin/%2e"} {
		add(good("beta "+target, ask(target), to("beta", target)))
	}
	// The two ways choose different apps.
	for _, target := range []string{
		"/api/../admin", "/api/../admin/", "/api/../admin/x", "/api/x/../../admin", "/api/./../admin", "/x/../admin", "/../admin", "/./admin", "/././admin", "/../../admin", "/x/y/../../admin?z",
		"/admin/..", "/admin/../", "/admin/../api", "/admin/../x", "/admin/x/../../api", "/admin/./../x",
		"/api/%2e%2e/admin", "/api/%2E%2E/admin", "/api/.%2e/admin", "/api/%2e./admin", "/api/..%2fadmin", "/api/..%2Fadmin", "/api%2f..%2fadmin", "/api%2f../admin", "/api/%2e%2e%2fadmin", "/%2e/admin", "/%2e%2e/admin", "/x%2f..%2fadmin", "/x/%2e%2e/admin", "/admin/%2e%2e", "/admin/%2e%2e/api", "/admin/..%2fapi", "/admin%2f..%2fapi", "/admin/.%2E/x",
		"/%61dmin", "/%61%64%6d%69%6e", "/admi%6e", "/admi%6E/x", "/%41pi/../admin", "/admin%2f", "/admin%2fx", "/%2e%2fadmin", "/api/%2e%2e/%61dmin",
	} {
		add(raw("ambiguous "+target, ask(target), answered(400)))
	}
	// Ambiguous only to an app with ideas of its own: for the app of the raw path, or refused.
	for _, target := range []string{
		"//admin", "///admin", "//admin/x", "/api//admin", "/api//../admin/..", "/x//admin", "//api", "/%2fadmin", "/%2f%2fadmin", "/x%2fadmin",
		"/admin;x=1", "/admin;", "/admin;/x", ";/admin", "/;/admin", "/;x/admin", "/api;x/..;/admin", "/api/..;/admin", "/api/..;x=y/admin", "/api/;/../admin/..", "/api/%2e%2e;/admin", "/api/..%3b/admin", "/x/..;/admin", "/.;/admin",
		"/api/..\\admin", "/api\\..\\admin", "/\\admin", "\\admin", "/api/%5c..%5cadmin", "/api/..%5cadmin", "/%5cadmin", "/admin\\x", "/admin%5cx",
		"/api/%252e%252e/admin", "/%2561dmin", "/api/..%252fadmin", "/api/%25%32%65%25%32%65/admin", "/admin%252f..%252fapi",
		"/api/%c0%ae%c0%ae/admin", "/api/%c0%ae%c0%ae%c0%afadmin", "/api/..%c0%afadmin", "/api/..%e0%80%afadmin", "/%uff0eadmin", "/api/%u002e%u002e/admin", "/api/%ef%bc%8e%ef%bc%8e/admin", "/api/..%ef%bc%8fadmin",
		"/admin%00", "/admin%00/x", "/admin%00.js", "/%00admin", "/api/..%00/admin", "/api%00/../admin/..", "/admin%0a", "/admin%0d%0a", "/admin%09", "/admin%23", "/admin%3f", "/admin%3fx", "/%3f/../admin/..", "/admin.", "/admin%2e", "/admin%20", "/admin%20/x",
		"/%", "/%a", "/admin%", "/admin%2", "/admin%zz", "/api/%2/../admin/..", "/api/%zz/x", "/admin/%zz", "/admin/%", "/%%61dmin", "/%6%31dmin",
		"/admin|x", "/admin\"", "/admin<>", "/admin^", "/admin`", "/admin{}", "/admin\xff", "/\xc3\xa1dmin",
	} {
		if !strings.HasPrefix(target, "/") {
			add(bad(fmt.Sprintf("no path %q", target), ask(target)))
			continue
		}
		app := "alpha"
		if rest, ok := strings.CutPrefix(target, "/admin"); ok && (rest == "" || rest[0] == '/') {
			app = "beta"
		}
		add(raw(fmt.Sprintf("odd %+q", target), ask(target), answered(400), forward(to(app, target))))
	}
	// A site of one app does not look.
	for _, target := range []string{"/../../etc/passwd", "/%2e%2e/%2e%2e/", "/a/..;/b", "//x", "/.%2e/x", "/%252e", "/a%2fb", "/./", "/a\\b", "/%2f"} {
		c := good("one app "+target, simple("GET "+target+" HTTP/1.1"), toA("GET", target, ""))
		if strings.Contains(target, "\\") {
			c.want = append(c.want, refuse(400))
		}
		add(c)
	}
	// With bodies and with a request behind: a refusal by path does not lose count.
	body := head("POST /api/../admin HTTP/1.1", "Host: "+hostTwo, caseLine, length(len(prey))) + prey
	add(
		raw("ambiguous with a body", body, answered(400)),
		raw("ambiguous with a body, then a request", body+tail, refuse(400), answered(400).then(forward(toB("GET", "/tail/"+placeholder, "")))),
		raw("ambiguous, then a request", ask("/api/../admin")+tail, refuse(400), answered(400).then(forward(toB("GET", "/tail/"+placeholder, "")))),
		raw("ambiguous with chunks", head("POST /%61dmin HTTP/1.1", "Host: "+hostTwo, caseLine, chunked)+hello, answered(400)),
	)
	return t
}

// spoofing: CONTRACT §3: from others than trusted proxies, X-Forwarded-*, X-Request-Id and
// X-Edge-* are removed and the edge's own put in their place, which the apps' reader checks of every
// request (manners). Forged addresses and hosts by header: Kettle 2017; Apache CVE-2022-31813; IP
// spoofing lists of the OWASP testing guide. Other names are the app's business.
func spoofing() table {
	t := table{name: "spoofing"}
	add := func(cs ...testCase) { t.cases = append(t.cases, cs...) }
	x := toA("GET", "/x", "")
	owned := []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Server", "X-Forwarded-Prefix", "X-Forwarded-Ssl", "X-Forwarded-Scheme", "X-Forwarded-User", "X-Forwarded-Client-Cert", "X-Forwarded-", "X-Request-Id", "X-Edge-Replay", "X-Edge-Stage", "X-Edge-Anything", "X-Edge-"}
	for _, n := range owned {
		for _, f := range []struct {
			name  string
			lines []string
		}{
			{"once", []string{n + ": 192.0.2.1"}},
			{"in capitals", []string{strings.ToUpper(n) + ": 192.0.2.1"}},
			{"twice, one in small letters", []string{n + ": 192.0.2.1", strings.ToLower(n) + ": c.test"}},
		} {
			add(good(n+" "+f.name, get("/x", f.lines...), x))
		}
	}
	for _, n := range []string{"X-Forwarded-For", "X-Request-Id", "X-Edge-Replay"} {
		for _, v := range []string{"", "127.0.0.1", "127.0.0.1, 192.0.2.1", "unknown", "\"", strings.Repeat("1", 2000), "caf\xe9", "id=01JD9Q4K7N; recorded-at=2026-11-16T17:22:00Z; attempt=1"} {
			name := fmt.Sprintf("%s: %q", n, v)
			if len(v) > 100 {
				name = n + " of 2000 bytes"
			}
			add(good(name, get("/x", n+": "+v), x))
		}
		add(
			bad(n+" with space before colon", get("/x", n+" : 192.0.2.1")),
			bad(n+" folded into another", get("/x", "Foo: bar\r\n "+n+": 192.0.2.1")),
			bad(n+" behind CR", get("/x", "Foo: bar\r"+n+": 192.0.2.1")),
		)
	}
	// Names that CGI and WSGI make the same. Dropped, kept or refused; never in the field's place.
	for _, n := range []string{"X_Forwarded_For", "X_Forwarded_Host", "X_Request_Id", "X_Edge_Replay", "X-Forwarded_For", "X.Forwarded.For", "XForwardedFor", "X-Forwarded", "X-Edge", "Content_Length", "Transfer_Encoding", "X-RequestId", "X-Request-Id-", "X-Request_Id"} {
		add(either("like an owned one: "+n, get("/x", n+": 192.0.2.1"), x))
	}
	// RFC 7239 says the same as X-Forwarded-*; dropping a client's is as good.
	add(good("not the edge's: Forwarded", get("/x", "Forwarded: for=192.0.2.1;host=c.test"), x))
	for _, n := range []string{"X-Real-Ip", "Client-Ip", "True-Client-Ip", "X-Client-Ip", "X-Original-Url", "X-Rewrite-Url", "X-Original-Host", "X-Http-Method-Override", "X-Method-Override", "X-Http-Method", "Cf-Connecting-Ip", "X-Cluster-Client-Ip", "X-Proxyuser-Ip", "Proxy", "X-Accel-Redirect", "X-Sendfile", "X-Correlation-Id", "Traceparent", "Dnt", "Sec-Gpc", "X-App", "X-Serial"} {
		add(good("not the edge's: "+n, get("/x", n+": /admin"), x).checking(with(n, "/admin")))
	}

	// Idempotency-Key (CONTRACT §3): beta is idempotent, alpha is not.
	key := func(name, method string, lines []string, check func([]*seen) error) testCase {
		return good("Idempotency-Key: "+name, head(method+" /x HTTP/1.1", append([]string{"Host: " + hostB, caseLine}, lines...)...), toB(method, "/x", "")).checking(check)
	}
	own := func(rs []*seen) error {
		if got, want := rs[0].value("Idempotency-Key"), rs[0].value("X-Request-Id"); got != want {
			return fmt.Errorf("Idempotency-Key %q, want the request's id %q", got, want)
		}
		return nil
	}
	add(
		key("none on a POST", "POST", []string{length(0)}, own),
		key("none on a DELETE", "DELETE", nil, own),
		key("none on a GET", "GET", []string{"X-Field: 1"}, without("Idempotency-Key")),
		key("the client's", "POST", []string{"Idempotency-Key: k-1", length(0)}, with("Idempotency-Key", "k-1")),
		key("the client's on a GET", "GET", []string{"Idempotency-Key: k-1"}, with("Idempotency-Key", "k-1")),
		key("the client's, and a forged X-Request-Id", "POST", []string{"Idempotency-Key: k-1", "X-Request-Id: k-2", length(0)}, with("Idempotency-Key", "k-1")),
		key("none, and a forged X-Request-Id", "POST", []string{"X-Request-Id: k-2", length(0)}, own),
	)
	two := key("two", "POST", []string{"Idempotency-Key: k-1", "Idempotency-Key: k-2", length(0)}, nil)
	two.want = append(two.want, refuse(400))
	empty := key("empty", "POST", []string{"Idempotency-Key:", length(0)}, nil)
	empty.want = append(empty.want, refuse(400))
	add(two, empty,
		good("Idempotency-Key: to an app that is not idempotent", post("", "Idempotency-Key: k-1", length(0)), posted("")).checking(with("Idempotency-Key", "k-1")),
		good("Idempotency-Key: none to an app that is not idempotent", post("", length(0), "X-Field: 1"), posted("")).checking(without("Idempotency-Key")))
	return t
}
