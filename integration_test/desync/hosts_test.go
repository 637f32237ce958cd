package desync

import (
	"fmt"
	"strings"
)

// asked is a GET of /x with these Host lines.
func asked(hostLines ...string) string {
	return head("GET /x HTTP/1.1", append(hostLines, caseLine)...)
}

// forHost is what an app sees of asked.
func forHost(app, host string) forwarded { return forwarded{app, "GET", "/x", host, ""} }

// hostField: RFC 9112 §3.2 (400 for a missing, repeated or invalid Host), RFC 3986 §3.2.2 (reg-name,
// IP-literal), RFC 5890 (labels), CONTRACT §2 "Hosts". "Host of Troubles" (Chen et al., CCS
// 2016: repeated, space-preceded, folded Host fields, absolute-form beside Host); Kettle,
// "Cracking the lens" (2017: userinfo, ports and paths in Host); HAProxy 2 in the HTTP Garden
// (a NUL in Host ends what ACLs compare).
func hostField() table {
	t := table{name: "host"}
	add := func(cs ...testCase) { t.cases = append(t.cases, cs...) }

	// Of one site, however written. The Host field is kept as it came.
	for _, h := range []string{"a.test", "A.TEST", "a.Test", "a.test.", "A.TEST.", "a.test:80", "a.test:8080", "a.test:65535", "a.test.:80", "a.test:1"} {
		add(good("served "+h, asked("Host: "+h), forHost("alpha", h)))
	}
	for _, h := range []string{"b.test", "x.w.test", "X.W.TEST:81", "xn--bcher-kva.w.test", "0.w.test", "a-b.w.test", "www.w.test."} {
		add(good("served by beta "+h, asked("Host: "+h), forHost("beta", h)))
	}
	for _, h := range []string{hostIDN, "XN--BCHER-KVA.TEST", hostIDN + ".:80"} {
		add(good("served IDN "+h, asked("Host: "+h), forHost("alpha", h)))
	}
	for _, h := range []string{"b\u00fccher.test", "B\u00dcCHER.test", "bu\u0308cher.test"} {
		add(either(fmt.Sprintf("IDN in UTF-8 %+q", h), asked("Host: "+h), forHost("alpha", h)))
	}
	for _, s := range ownSpellings {
		add(good("spelled "+s.name, asked(s.write("Host", hostA)), forHost("alpha", hostA)))
		add(bad("beside another, "+s.name, asked(hostLine, s.write("Host", hostC))))
	}
	// An empty port and leading zeros are in RFC 3986's grammar, and nobody's intention.
	for _, h := range []string{"a.test:", "a.test.:", "a.test:0", "a.test:00080", "a.test:000000000080"} {
		add(either("port "+h, asked("Host: "+h), forHost("alpha", h)))
	}

	// Of no site: 421.
	for _, h := range []string{"nobody.test", "localhost", "example.com", "test", "aa.test", "xa.test", "a.tes", "a.testx", "a.test.evil.test", "a.test.b.test", "evila.test", "a.test.example", "w.test", "x.y.w.test", "w.test.", "www.a.test", "c.test.nobody.test", "127.0.0.1", "127.0.0.1:80", "[::1]", "[::1]:80", "[2001:db8::1]", "[::ffff:127.0.0.1]", "a", "xn--bcher-kva", strings.Repeat("a", 63) + ".test", "alpha", "gamma"} {
		name := h
		if len(h) > 40 {
			name = "label of 63 letters"
		}
		add(raw("unknown "+name, asked("Host: "+h), answered(421)))
	}
	add(
		raw("unknown, with a body", head("POST /x HTTP/1.1", "Host: nobody.test", caseLine, length(len(prey)))+prey, answered(421)),
		raw("unknown, with chunks", head("POST /x HTTP/1.1", "Host: nobody.test", caseLine, chunked)+hello, answered(421)),
		raw("unknown, then known", asked("Host: nobody.test")+tail, answered(421).closing(), answered(421).then(forward(toB("GET", "/tail/"+placeholder, "")))),
		raw("unknown with a body, then known", head("POST /x HTTP/1.1", "Host: nobody.test", caseLine, length(len(prey)))+prey+tail, answered(421).closing(), answered(421).then(forward(toB("GET", "/tail/"+placeholder, "")))),
		raw("unknown, malformed chunks", head("POST /x HTTP/1.1", "Host: nobody.test", caseLine, chunked)+"zz\r\n"+tail, refuse(421), refuse(400)),
		raw("unknown, both framings", head("POST /x HTTP/1.1", "Host: nobody.test", caseLine, chunked, length(5))+hello+tail, refuse(400)),
		raw("unknown, HTTP/1.0", head("GET /x HTTP/1.0", "Host: nobody.test", caseLine), refuse(421)),
	)
	// No host by the rules, but nothing else either: which refusal does not matter. Letters
	// that compatibility mapping turns into others are here too: RFC 5891 §5 looks up what was
	// sent, mapping is for user interfaces, and the app would get a Host that is none.
	for _, h := range []string{"a_b.test", "_.w.test", "_dmarc.a.test", "-a.test", "a-.test", "*.w.test", "*", "*.test", "a*.test", "xn--.test", "xn--a.test", "xn--0.w.test", "0", "127.1", "0x7f.0.0.1", "0177.0.0.1", "2130706433", "127.0.0.1.", "256.256.256.256", "1.2.3", "[v1.x]", "[v1.x:y]:80", "[fe80::1%25eth0]", "[fe80::1%eth0]", "a!b.test", "a~b.test", "a$b.test", "a&b.test", "a'b.test", "a(b).test", "a+b.test", "a=b.test", "a;b.test", "%61.test", "a%2etest", "a.test%00", "a.test%00.c.test", "a.test%20", "a%40b.test", "a.test%2f", "a.test%3a80", "\uff41.test", "a\u3002test", "a\u00ad.test", "\u212b.test", "a.te\u017ft", "\u0430.test", strings.Repeat("a", 64) + ".test", strings.Repeat("a.", 130) + "test", strings.Repeat("a", 5000)} {
		name := fmt.Sprintf("%+q", h)
		if len(h) > 60 {
			name = fmt.Sprintf("%d bytes", len(h))
		}
		add(raw("no host "+name, asked("Host: "+h), answered(400, 421)))
	}

	// Malformed.
	for _, h := range []string{
		"", " ", ".", "..", ":", ":80", "a.test..", "a..test", ".a.test", "..a.test", "a.test.:80.", "a.test:80:80", "a.test:http", "a.test:+80", "a.test:-80", "a.test: 80", "a.test :80", "a.test:8 0", "a.test:80 ", "a.test:65536", "a.test:99999", "a.test:4294967376", "a.test:18446744073709551696", "a.test:0x50", "a.test:80/", "a.test:80@b.test", "a.test:80,b.test:80",
		"x@a.test", "x:y@a.test", "@a.test", "a.test@", "a.test@c.test", "c.test@a.test", "c.test:80@a.test",
		"a.test/", "a.test/x", "/a.test", "//a.test", "a.test\\", "a.test\\c.test", "\\a.test", "a.test?", "a.test?x", "a.test#", "a.test#c.test", "http://a.test", "http://a.test/", "http:a.test", "https://a.test",
		"a.test,", ",a.test", "a.test,a.test", "a.test, a.test", "a.test,c.test", "c.test, a.test", "a.test c.test", "a.test a.test", "a.test\tc.test", "a .test", "a.test;", "a.test|c.test", "\"a.test\"", "'a.test'", "<a.test>", "(a.test)", "{a.test}", "[a.test]", "`a.test`", "a^b.test",
		"::1", "[::1", "::1]", "[]", "[]:80", "[:]", "[::1]]", "[[::1]]", "[::1]x", "[::1].a.test", "x[::1]", "[::1]:", "[::1]:x", "[::1]:65536", "[::1%]", "[1.2.3.4]", "[::g]", "[:::1]", "[1:2:3:4:5:6:7]", "[1:2:3:4:5:6:7:8:9]", "[12345::1]", "[::1.2.3.256]", "[v]", "[a.test]:80", "[::1]@a.test",
		"a.test%", "a.test%z", "a%\x00", "a.test\xff", "\xffa.test", "\xc0\xae.test", "a\x80.test",
	} {
		c := bad(fmt.Sprintf("malformed %+q", h), asked("Host: "+h))
		switch h {
		case "a.test:80 ": // only white space around the value
			c = good("white space behind the port", asked("Host: "+h), forHost("alpha", "a.test:80"))
		case "[::1]:":
			c.want = oneOf(refuse(400), answered(421), answered(421).then(forward(toB("GET", "/tail/"+placeholder, ""))))
		case "a.test;", "(a.test)", "'a.test'": // sub-delims: reg-names by RFC 3986
			c = raw(c.name, asked("Host: "+h), answered(400, 421))
		}
		add(c)
	}
	for _, b := range []byte{0x00, 0x01, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x1f, 0x20, 0x7f, 0x85, 0xa0} {
		s := string([]byte{b})
		add(
			bad(fmt.Sprintf("byte %02x inside", b), asked("Host: a."+s+"test")),
			bad(fmt.Sprintf("byte %02x, then another host", b), asked("Host: a.test"+s+".c.test")),
			bad(fmt.Sprintf("byte %02x, then another field", b), asked("Host: a.test"+s+"X-Field: 1")),
		)
	}

	// How many.
	add(
		bad("missing", asked()),
		bad("missing, HTTP/1.0", head("GET /x HTTP/1.0", caseLine)),
		bad("missing, X-Forwarded-Host instead", asked("X-Forwarded-Host: a.test")),
		bad("missing, Forwarded instead", asked("Forwarded: host=a.test")),
		bad("missing, :authority instead", asked(":authority: a.test")),
		bad("missing, POST", head("POST /x HTTP/1.1", caseLine, length(5))+"hello"),
		bad("twice the same", asked(hostLine, hostLine)),
		bad("twice, other case", asked("Host: a.test", "host: A.TEST")),
		bad("twice, known and unknown", asked("Host: a.test", "Host: nobody.test")),
		bad("twice, unknown and known", asked("Host: nobody.test", "Host: a.test")),
		bad("twice, two apps", asked("Host: a.test", "Host: b.test")),
		bad("twice, empty and known", asked("Host:", "Host: a.test")),
		bad("twice, known and empty", asked("Host: a.test", "Host:")),
		bad("twice, the second the last field", head("GET /x HTTP/1.1", hostLine, caseLine, "A: 1", "B: 2", "Host: c.test")),
		bad("twice, HTTP/1.0", head("GET /x HTTP/1.0", hostLine, "Host: c.test")),
		bad("three times", asked(hostLine, hostLine, hostLine)),
		bad("a hundred times", asked(strings.Split(strings.TrimSpace(strings.Repeat(hostLine+"\n", 100)), "\n")...)),
	)
	for _, s := range illegalSpellings {
		w := s.write("Host", hostC)
		if strings.Contains(s.name, "hyphen") || s.name == "name over two lines" {
			continue // there is none
		}
		add(
			bad("behind a good one, "+s.name, asked(hostLine, w)),
			bad("alone, "+s.name, asked(w)),
		)
		if s.name != "leading space" && s.name != "leading tab" { // which are among the folds
			add(bad("before a good one, "+s.name, asked(w, hostLine)))
		}
	}
	for _, f := range []string{"H0st: c.test", "Hosts: c.test", "X-Host: c.test", "Host-: c.test", "-Host: c.test", "Ho%73t: c.test", "Host_: c.test", "Foo: Host: c.test", "Host" + strings.Repeat("a", 252) + ": c.test",
		"Forwarded: host=c.test", "X-Original-Host: c.test", "X-HTTP-Host-Override: c.test", "X-Host-Override: c.test", "Proxy-Host: c.test", "Authority: c.test", "Destination: http://c.test/x", "Alt-Used: c.test", "Origin: http://c.test", "Referer: http://c.test/"} {
		name, _, _ := strings.Cut(f, ":")
		if len(name) > 40 {
			name = "Hosta… of 256 letters"
		}
		c := good("not a Host: "+name, asked(hostLine, f), forHost("alpha", hostA))
		if strings.Contains(name, "_") {
			c.want = append(c.want, refuse(400))
		}
		add(c)
	}
	return t
}

// absoluteForm: RFC 9112 §3.2.2 (a proxy ignores Host for the target's authority; an origin server MUST
// accept it), RFC 9110 §4.2.4 (userinfo is an error), §7.4 (misdirected). An app is given the
// origin form (§3.2.1). Where target and Host disagree, refusing is as good as
// following the target; following Host is the mistake ("Host of Troubles"; OpenBSD relayd).
func absoluteForm() table {
	t := table{name: "absolute form"}
	add := func(cs ...testCase) { t.cases = append(t.cases, cs...) }
	// with1 is a GET of target with this Host.
	abs := func(target, host string) string { return head("GET "+target+" HTTP/1.1", "Host: "+host, caseLine) }
	// Either spelling of an agreeing host may go to the app.
	agree := func(name, target, host, app, origin string, hosts ...string) {
		c := testCase{name: name, writes: []write{{data: abs(target, host)}}}
		for _, h := range append(hosts, host) {
			c.want = append(c.want, forward(forwarded{app, "GET", origin, h, ""}))
		}
		add(c)
	}
	for _, c := range []struct{ target, origin string }{
		{"http://a.test/x", "/x"}, {"http://a.test/", "/"}, {"http://a.test", "/"}, {"http://a.test?q", "/?q"}, {"http://a.test/?q", "/?q"}, {"http://a.test/x?y=http://c.test/", "/x?y=http://c.test/"},
		{"http://a.test//c.test/x", "//c.test/x"}, {"http://a.test/http://c.test/", "/http://c.test/"}, {"http://a.test/../x", "/../x"}, {"http://a.test/%2f", "/%2f"}, {"http://a.test/@c.test", "/@c.test"}, {"http://a.test/:80", "/:80"}, {"http://a.test/*", "/*"},
	} {
		agree("agreeing "+c.target, c.target, hostA, "alpha", c.origin)
	}
	agree("agreeing, scheme in capitals", "HTTP://a.test/x", hostA, "alpha", "/x")
	agree("agreeing, mixed scheme", "hTTp://a.test/x", hostA, "alpha", "/x")
	agree("agreeing, host in capitals", "http://A.TEST/x", hostA, "alpha", "/x", "A.TEST")
	agree("agreeing, Host in capitals", "http://a.test/x", "A.TEST", "alpha", "/x", "a.test")
	agree("agreeing for beta", "http://b.test/x", hostB, "beta", "/x")
	agree("agreeing with both ports", "http://a.test:81/x", "a.test:81", "alpha", "/x")
	// The same host, another spelling: a careful edge may see a disagreement.
	for _, c := range [][2]string{{"http://a.test:80/x", "a.test"}, {"http://a.test/x", "a.test:80"}, {"http://a.test:81/x", "a.test:82"}, {"http://a.test./x", "a.test"}, {"http://a.test/x", "a.test."}, {"http://a.test:/x", "a.test"}} {
		authority := strings.TrimSuffix(strings.TrimPrefix(c[0], "http://"), "/x")
		add(raw("same host "+c[0]+" and "+c[1], abs(c[0], c[1]), refuse(400),
			forward(forwarded{"alpha", "GET", "/x", authority, ""}), forward(forwarded{"alpha", "GET", "/x", c[1], ""})))
	}
	for _, host := range []string{"b.test", "nobody.test", "c.test", "two.test", "x.w.test", "127.0.0.1", "a.test.nobody.test"} {
		add(raw("target a.test, Host "+host, abs("http://a.test/x", host), refuse(400), forward(forHost("alpha", "a.test"))))
	}
	for _, host := range []string{"a.test", "nobody.test", "c.test", "two.test"} {
		add(raw("target b.test, Host "+host, abs("http://b.test/x", host), refuse(400), forward(forHost("beta", "b.test"))))
	}
	for _, host := range []string{"a.test", "b.test", "c.test", "nobody.test", "two.test"} {
		add(raw("target of no site, Host "+host, abs("http://other.test/x", host), answered(400, 421)))
	}
	for _, host := range []string{"", " ", "a.test,a.test", "x@a.test", "a.test/x", "http://a.test", "a.test b.test", ":80"} {
		add(bad(fmt.Sprintf("target a.test, malformed Host %q", host), abs("http://a.test/x", host)))
	}
	add(
		bad("no Host", head("GET http://a.test/x HTTP/1.1", caseLine)),
		bad("two Hosts", head("GET http://a.test/x HTTP/1.1", hostLine, hostLine)),
		bad("two Hosts that differ", head("GET http://a.test/x HTTP/1.1", hostLine, "Host: c.test")),
		bad("folded Host", head("GET http://a.test/x HTTP/1.1", "Host: a.test\r\n c.test")),
		raw("HTTP/1.0 without Host", head("GET http://a.test/x HTTP/1.0", caseLine), refuse(400), forward(forHost("alpha", hostA)).closing()),
		raw("HTTP/1.0 with Host", head("GET http://a.test/x HTTP/1.0", hostLine, caseLine), forward(forHost("alpha", hostA)).closing()),
		good("POST with a body", head("POST http://a.test/p/"+placeholder+" HTTP/1.1", hostLine, length(5))+"hello", posted("hello")),
	)
	for _, target := range []string{
		"http:///x", "http://:80/x", "http://@a.test/x", "http://x@a.test/x", "http://x:y@a.test/x", "http://a.test@c.test/x", "http://c.test@a.test/x", "http://c.test:80@a.test/x", "http://a.test\\@c.test/x", "http://a.test\\x", "http:\\\\a.test\\x", "http:/\\a.test/x", "http://a.test:x/x", "http://a.test:65536/x", "http://a.test:80:80/x", "http://a.test:-1/x", "http://a.test..//x", "http://.a.test/x", "http://a..test/x",
		"http://a.test,c.test/x", "http://a.test;c.test/x", "http://a.test%2fx@c.test/", "http://a%2etest/x", "http://%61.test/x", "http://a.test%00/x", "http://[a.test]/x", "http://[::1/x", "http://::1/x", "http://[]/x", "http://http://a.test/x", "http//a.test/x", "http:a.test/x", "http:/a.test/x", "http:////a.test/x", "http://a_b.test/x", "http://*.w.test/x", "http://\"a.test\"/x", "http://a.test|c.test/x", "http://\xff.test/x", "http://\uff41.test/x",
	} {
		add(raw(fmt.Sprintf("malformed %+q", target), abs(target, hostA), answered(400, 421)))
	}
	for _, target := range []string{"https://a.test/x", "HTTPS://a.test:443/x"} {
		add(raw("scheme: "+target, abs(target, hostA), answered(400, 421),
			forward(forHost("alpha", hostA)), forward(forHost("alpha", "a.test:443"))))
	}
	for _, target := range []string{"ftp://a.test/x", "ws://a.test/x", "file:///etc/passwd", "file://a.test/x", "unix:/x", "gopher://a.test/x", "javascript://a.test/x", "urn:a.test:x", "httpx://a.test/x", "ahttp://a.test/x", "h2c://a.test/x", "data:,x", "mailto:x@a.test", "//a.test:80@/x\x20"} {
		add(raw(fmt.Sprintf("scheme: %q", target), abs(target, hostA)+tail, refuse(400), refuse(421)))
	}
	// Routes, with the target's host and against it.
	two := func(target, host string) string { return head("GET "+target+" HTTP/1.1", "Host: "+host, caseLine) }
	add(
		good("routes: /admin", two("http://two.test/admin", hostTwo), forwarded{"beta", "GET", "/admin", hostTwo, ""}),
		good("routes: /api", two("http://two.test/api/x", hostTwo), forwarded{"alpha", "GET", "/api/x", hostTwo, ""}),
		raw("routes: /api/../admin", two("http://two.test/api/../admin", hostTwo), answered(400)),
		raw("routes: Host would choose another app", two("http://a.test/admin", hostTwo), refuse(400), forward(forwarded{"alpha", "GET", "/admin", hostA, ""})),
		raw("routes: target's host has routes, Host's has none", two("http://two.test/admin", hostA), refuse(400), forward(forwarded{"beta", "GET", "/admin", hostTwo, ""})),
	)
	return t
}
