package desync

import (
	"fmt"
	"strings"
	"time"
)

// hopByHop: RFC 9110 §7.6.1 (an intermediary removes Connection and every field it names; it
// SHOULD remove Proxy-Connection, Keep-Alive, TE, Transfer-Encoding, Upgrade), §7.6.1 also: a sender
// must not name fields meant for everyone. Nathan Davison, "Abusing HTTP hop-by-hop request
// headers" (2019): naming fields that the proxy itself adds or frames with; Apache
// CVE-2022-31813 (X-Forwarded-* dropped that way). What the edge adds is added after removal.
func hopByHop() table {
	t := table{name: "hop by hop"}
	add := func(cs ...testCase) { t.cases = append(t.cases, cs...) }
	x := toA("GET", "/x", "")
	add(
		raw("close", get("/x", "Connection: close")+tail, forward(x).closing()),
		raw("close in capitals", get("/x", "Connection: CLOSE")+tail, forward(x).closing()),
		raw("close in a list", get("/x", "Connection: foo, close ,bar")+tail, forward(x).closing()),
		raw("close and keep-alive", get("/x", "Connection: keep-alive, close")+tail, forward(x).closing()),
		raw("close in the second field", get("/x", "Connection: keep-alive", "Connection: close")+tail, forward(x).closing()),
		goods("keep-alive", get("/x", "Connection: keep-alive", "Keep-Alive: timeout=5, max=100")+tail, x, toB("GET", "/tail/"+placeholder, "")),
		good("a field", get("/x", "Connection: X-Foo", "X-Foo: 1"), x).checking(without("X-Foo")),
		good("a field in other case", get("/x", "Connection: x-fOO", "X-Foo: 1"), x).checking(without("X-Foo")),
		good("a field named behind it", get("/x", "X-Foo: 1", "Connection: X-Foo"), x).checking(without("X-Foo")),
		good("a field that comes twice", get("/x", "X-Foo: 1", "Connection: X-Foo", "x-foo: 2"), x).checking(without("X-Foo")),
		good("fields in two Connections", get("/x", "Connection: X-Foo", "X-Foo: 1", "X-Bar: 2", "Connection: X-Bar"), x).checking(without("X-Foo", "X-Bar")),
		good("a field that is not there", get("/x", "Connection: X-Foo"), x),
		raw("close and a field", get("/x", "Connection: close, X-Foo", "X-Foo: 1", "X-Food: 2")+tail, forward(x).closing()).checking(all(without("X-Foo"), with("X-Food", "2"))),
		good("only a prefix of a name", get("/x", "Connection: X-Fo", "X-Foo: 1"), x).checking(with("X-Foo", "1")),
		good("Connection itself", get("/x", "Connection: Connection"), x),
		good("Keep-Alive", get("/x", "Connection: Keep-Alive", "Keep-Alive: timeout=5"), x),
		good("Proxy-Connection", get("/x", "Proxy-Connection: keep-alive"), x),
		good("Proxy-Connection: close closes nothing", get("/x", "Proxy-Connection: close"), x),
		good("TE gzip", get("/x", "TE: gzip"), x),
		good("TE trailers, named", get("/x", "Connection: TE", "TE: trailers"), x),
		good("TE with two codings", get("/x", "Connection: TE", "TE: trailers, deflate;q=0.5"), x),
		good("Trailer without chunks", get("/x", "Trailer: Content-Length"), x),
		good("Max-Forwards 0", get("/x", "Max-Forwards: 0"), x),
		good("Via", get("/x", "Via: 1.0 fred, 1.1 p.example"), x),
	)
	for _, v := range []string{"", ",", ", ,", ",close", "close,", ",,close,,"} {
		c := raw(fmt.Sprintf("empty elements %q", v), get("/x", "Connection: "+v)+tail, forward(x, toB("GET", "/tail/"+placeholder, "")))
		if strings.Contains(v, "close") {
			c.want = oneOf(forward(x).closing())
		}
		c.want = append(c.want, refuse(400))
		add(c)
	}
	for _, v := range []string{"close;q=1", "\"close\"", "close keep-alive", "cl ose", "@", "X Foo", "(close)", "close\xa0", "closed", "X-Foo;X-Bar"} {
		add(raw(fmt.Sprintf("no token %q", v), get("/x", "Connection: "+v), refuse(400), forward(x)))
	}
	add(good("a hundred options", get("/x", "Connection: "+strings.TrimSuffix(strings.Repeat("X-Foo, ", 100), ", "), "X-Foo: 1"), x).checking(without("X-Foo")))
	var many []string
	for i := range 100 {
		many = append(many, fmt.Sprintf("X-Foo-%d", i))
	}
	add(raw("a hundred names", get("/x", "Connection: "+strings.Join(many, ","), "X-Foo-99: 1"), forward(x), refuse(400, 431)).checking(without("X-Foo-99")))

	// Naming what must stay. Refusing is as good as keeping.
	kept := func(name string, c testCase) {
		c.want = append(c.want, refuse(400))
		c.name = "naming " + name
		add(c)
	}
	for _, n := range []string{"Host", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Request-Id", "x-request-id, host, x-forwarded-for", "X-Edge-Replay", "Transfer-Encoding", "Content-Length"} {
		kept(n, good("", get("/x", "Connection: "+n), x))
		kept(n+" and close", raw("", get("/x", "Connection: close, "+n), forward(x).closing()))
	}
	for _, n := range []string{"X-Forwarded-For", "X-Request-Id", "X-Forwarded-Host", "X-Forwarded-Proto"} {
		kept(n+", forged too", good("", get("/x", "Connection: "+n, n+": 192.0.2.1"), x))
	}
	kept("Content-Length of a body", good("", post(prey, "Connection: Content-Length", length(len(prey))), posted(prey)))
	kept("content-length of a body, behind it", good("", post(prey, length(len(prey)), "Connection: close, content-length"), posted(prey)))
	kept("Transfer-Encoding of a body", good("", post(hello, "Connection: Transfer-Encoding", chunked), posted("hello")))
	kept("transfer-encoding of a body, behind it", good("", post(hello, chunked, "Connection: transfer-encoding"), posted("hello")))
	kept("Content-Type", good("", post("a=b", "Connection: Content-Type", length(3), "Content-Type: text/plain"), posted("a=b")))
	kept("Cookie and Authorization", good("", get("/x", "Connection: Cookie, Authorization", "Cookie: a=b", "Authorization: Basic eDp5"), x))
	kept("Expect", good("", post("hello", "Connection: Expect", "Expect: 100-continue", length(5)), posted("hello")))
	kept("Trailer", good("", post("5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n", chunked, "Connection: Trailer", "Trailer: X-T"), posted("hello")))
	kept("Cache-Control", good("", get("/x", "Connection: Cache-Control", "Cache-Control: no-cache"), x))
	// beta wants an Idempotency-Key on everything but GET and HEAD, whatever the client names.
	kept("Idempotency-Key", raw("", head("POST /x HTTP/1.1", "Host: "+hostB, caseLine, "Connection: Idempotency-Key", "Idempotency-Key: k", length(0)), forward(toB("POST", "/x", ""))).
		checking(func(rs []*seen) error {
			if len(rs[0].values("Idempotency-Key")) != 1 {
				return fmt.Errorf("Idempotency-Key %q", rs[0].values("Idempotency-Key"))
			}
			return nil
		}))
	return t
}

// upgrades: RFC 9110 §7.8 (a server MAY ignore Upgrade, and MUST in HTTP/1.0), RFC 9113 §3.1 (h2c by
// Upgrade is gone), RFC 6455. "h2c smuggling" (Jake Miller, 2020) and WebSocket smuggling (0ang3el,
// 2019): a proxy that opens a tunnel the app never agreed to lets anything through. The apps here
// always answer 200, so nothing ever may become a tunnel, and what follows is a request.
func upgrades() table {
	t := table{name: "upgrades"}
	x := toA("GET", "/x", "")
	next := toB("GET", "/tail/"+placeholder, "")
	ws := []string{"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"}
	try := func(name, data string, f forwarded) {
		t.cases = append(t.cases, raw(name, data+tail, forward(f, next), forward(f).closing(), refuse(400), refuse(426, 501)))
	}
	for _, u := range []string{"websocket", "WebSocket", "h2c", "H2C", "h2", "HTTP/2.0", "HTTP/3", "TLS/1.0", "IRC/6.9", "foo", "websocket, h2c", "h2c, websocket", "websocket/13", "", ",", "websocket websocket", "h2c;x", "\"h2c\"", "connect-udp", "PTTH/1.0"} {
		try(fmt.Sprintf("to %q", u), get("/x", append([]string{"Connection: Upgrade", "Upgrade: " + u}, ws...)...), x)
		try(fmt.Sprintf("to %q, not named in Connection", u), get("/x", append([]string{"Upgrade: " + u}, ws...)...), x)
	}
	for _, c := range []struct {
		name   string
		fields []string
	}{
		{"h2c with settings", []string{"Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"}},
		{"h2c, settings not named", []string{"Connection: Upgrade", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"}},
		{"settings alone", []string{"Connection: HTTP2-Settings", "HTTP2-Settings: AAMAAABkAAQAAP__"}},
		{"h2c and close", []string{"Connection: close, Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"}},
		{"Upgrade twice", []string{"Connection: Upgrade", "Upgrade: websocket", "Upgrade: h2c"}},
		{"Connection: Upgrade alone", []string{"Connection: Upgrade"}},
		{"upgrade in small letters", []string{"connection: upgrade", "upgrade: websocket"}},
		{"keep-alive, Upgrade", []string{"Connection: keep-alive, Upgrade", "Upgrade: websocket"}},
		{"WebSocket of a version there is not", []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 777", "Sec-WebSocket-Key: x"}},
		{"WebSocket without a key", []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"}},
		{"Upgrade-Insecure-Requests", []string{"Connection: Upgrade-Insecure-Requests", "Upgrade-Insecure-Requests: 1"}},
	} {
		try(c.name, get("/x", c.fields...), x)
	}
	up := []string{"Connection: Upgrade", "Upgrade: websocket"}
	try("with a body", post(prey, append(append(up, ws...), length(len(prey)))...), posted(prey))
	try("with chunks", post(hello, append(append(up, ws...), chunked)...), posted("hello"))
	try("h2c with a body", post(prey, "Connection: Upgrade", "Upgrade: h2c", length(len(prey))), posted(prey))
	try("with length 0", post("", append(append(up, ws...), length(0))...), posted(""))
	t.cases = append(t.cases,
		bad("with both framings", post(hello, append(up, chunked, length(5))...)),
		raw("HTTP/1.0", head("GET /x HTTP/1.0", append(append(up, ws...), hostLine)...)+tail, forward(x).closing(), refuse(400)),
		raw("for no host", head("GET /x HTTP/1.1", append(append(up, ws...), "Host: nobody.test")...)+tail, answered(421).closing(), answered(421).then(forward(next))),
		raw("h2c and the preface", get("/x", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")+"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"+tail,
			forward(x).then(refuse(400, 505)), forward(x).closing(), refuse(400)),
	)
	return t
}

// expects: RFC 9110 §10.1.1. "0.CL" and double desync by Expect (Kettle, "HTTP/1.1 must
// die", 2025: Expect, also disguised, makes front and back disagree about whether a body follows).
// The edge answers 100 itself; whatever the client does then, its body is a body.
func expects() table {
	t := table{name: "expect"}
	add := func(cs ...testCase) { t.cases = append(t.cases, cs...) }
	next := toB("GET", "/tail/"+placeholder, "")
	for _, v := range []string{"100-continue", "100-Continue", "100-CONTINUE"} {
		add(
			goods("body at once, "+v, post(prey, "Expect: "+v, length(len(prey)))+tail, posted(prey), next),
			goods("chunks at once, "+v, post(hello, "Expect: "+v, chunked)+tail, posted("hello"), next),
		)
	}
	for _, v := range []string{"", "100", "100-continu", "100-continue;q=1", "100-continue, foo", "foo, 100-continue", "foo", "foo=bar", "200-ok", "y 100-continue", "100-continue y", "100-continue,", ",100-continue", "100-continue, 100-continue", "\"100-continue\"", "1 00-continue", "101-switching", "100 Continue", "102-processing"} {
		add(raw(fmt.Sprintf("value %q", v), post(prey, "Expect: "+v, length(len(prey)))+tail, forward(posted(prey), next), refuse(400, 417),
			answered(417).then(forward(next))))
	}
	for _, s := range illegalSpellings {
		switch s.name {
		case "NUL before colon", "fold before colon", "leading space", "folded into another", "value on a folded line", "value after LF and space", "junk word before colon", "behind CR":
			add(bad("spelled "+s.name, post(prey, s.write("Expect", "100-continue"), length(len(prey)))))
		}
	}
	add(
		goods("on a GET", get("/x", "Expect: 100-continue")+tail, toA("GET", "/x", ""), next),
		goods("length 0", post("", "Expect: 100-continue", length(0))+tail, posted(""), next),
		goods("on a GET with a body", request("GET", "/x", []string{"Expect: 100-continue", length(len(prey))}, prey)+tail, toA("GET", "/x", prey), next),
		raw("twice", post("hello", "Expect: 100-continue", "Expect: 100-continue", length(5))+tail, forward(posted("hello"), next), refuse(400, 417)),
		raw("two that differ", post("hello", "Expect: 100-continue", "Expect: foo", length(5))+tail, forward(posted("hello"), next), refuse(400, 417), answered(417).then(forward(next))),
		goods("app answers early", request("POST", "/early/"+placeholder, []string{"Expect: 100-continue", length(len(prey))}, prey)+tail, toA("POST", "/early/"+placeholder, prey), next),
		raw("HTTP/1.0", head("POST /p/"+placeholder+" HTTP/1.0", hostLine, "Expect: 100-continue", length(5))+"hello", forward(posted("hello")).closing()),
		bad("both framings", post(hello, "Expect: 100-continue", length(len(hello)), chunked)),
		bad("two lengths", post("hello", "Expect: 100-continue", length(5), length(6))),
		badBody("malformed chunks", post("zz\r\n", "Expect: 100-continue", chunked)),
		raw("for no host", head("POST /x HTTP/1.1", "Host: nobody.test", caseLine, "Expect: 100-continue", length(5))+"hello"+tail, answered(421).closing(), answered(421).then(forward(next))),
		raw("length over the limit", post("", "Expect: 100-continue", length(100*maxBody)), refuse(413, 417)).allowingPartial(),
		raw("body never comes", post("", "Expect: 100-continue", length(5)), refuse(408), closed()).allowingPartial(),
	)
	for _, pause := range []time.Duration{50 * time.Millisecond, 500 * time.Millisecond} {
		add(testCase{name: fmt.Sprintf("body %v later", pause), want: oneOf(forward(posted(prey), next)),
			writes: []write{{data: post("", "Expect: 100-continue", length(len(prey)))}, {after: pause, data: prey + tail}}})
		add(testCase{name: fmt.Sprintf("chunks %v later", pause), want: oneOf(forward(posted("hello"), next)),
			writes: []write{{data: post("", "Expect: 100-continue", chunked)}, {after: pause, data: hello + tail}}})
	}
	// A client that gives up on the body and sends its next request: the edge has to take it
	// for the body it was promised.
	add(testCase{name: "a request in place of the body", want: oneOf(forward(posted(tail))),
		writes: []write{{data: post("", "Expect: 100-continue", length(len(tail)))}, {after: 50 * time.Millisecond, data: tail}}})
	return t
}
