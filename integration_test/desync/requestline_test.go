package desync

import (
	"fmt"
	"strings"
)

const (
	hostLine = "Host: " + hostA
	caseLine = "X-Case: " + placeholder
)

// simple is a head with this request line and hostA.
func simple(requestLine string) string { return head(requestLine, hostLine, caseLine) }

// requestLines: RFC 9112 §3 (request-line = method SP request-target SP HTTP-version), §2.2
// (at least one empty line before it is to be ignored; bare CR is never a line end), RFC 9110
// §5.6.2 (method is a token), §9. A recipient MAY split the line on other white space, which is
// what makes proxies disagree: Amit Klein, "HTTP Request Smuggling in 2020"; the HTTP Garden's
// findings on methods and versions read as their longest valid prefix (aiohttp 5, 6, 9;
// libevent 1); llhttp's test/request/invalid.md. Holdfast takes the grammar literally.
func requestLines() table {
	t := table{name: "request line"}
	add := func(cs ...testCase) { t.cases = append(t.cases, cs...) }

	// A control or foreign byte in each place of an otherwise good line.
	for _, b := range []byte{0x00, 0x01, 0x08, 0x0b, 0x0c, 0x0d, 0x0a, 0x1b, 0x7f, 0x85, 0xa0, 0xff} {
		s := string([]byte{b})
		for _, p := range []struct{ place, line string }{
			{"before method", s + "GET /x HTTP/1.1"},
			{"inside method", "G" + s + "ET /x HTTP/1.1"},
			{"after method", "GET" + s + " /x HTTP/1.1"},
			{"for the first space", "GET" + s + "/x HTTP/1.1"},
			{"before target", "GET " + s + "/x HTTP/1.1"},
			{"for the second space", "GET /x" + s + "HTTP/1.1"},
			{"before version", "GET /x " + s + "HTTP/1.1"},
			{"inside version", "GET /x HTTP/" + s + "1.1"},
			{"after version", "GET /x HTTP/1.1" + s},
		} {
			add(bad(fmt.Sprintf("byte %02x %s", b, p.place), simple(p.line)))
		}
		if b < 0x80 {
			add(bad(fmt.Sprintf("byte %02x inside target", b), simple("GET /x"+s+"y HTTP/1.1")))
		} else {
			// Outside ASCII is no URI, but clients send it and nothing splits on it.
			add(either(fmt.Sprintf("byte %02x inside target", b), simple("GET /x"+s+"y HTTP/1.1"), toA("GET", "/x"+s+"y", "")))
		}
	}

	// White space.
	for _, c := range []struct{ name, line string }{
		{"two spaces before target", "GET  /x HTTP/1.1"},
		{"two spaces before version", "GET /x  HTTP/1.1"},
		{"tab before target", "GET\t/x HTTP/1.1"},
		{"tab before version", "GET /x\tHTTP/1.1"},
		{"tab after space before target", "GET \t/x HTTP/1.1"},
		{"leading space", " GET /x HTTP/1.1"},
		{"leading tab", "\tGET /x HTTP/1.1"},
		{"trailing space", "GET /x HTTP/1.1 "},
		{"trailing tab", "GET /x HTTP/1.1\t"},
		{"trailing word", "GET /x HTTP/1.1 x"},
		{"space inside target", "GET /x y HTTP/1.1"},
		{"version inside target", "GET /x HTTP/1.1 HTTP/1.1"},
		{"second request inside target", "GET /x HTTP/1.1 GET /y HTTP/1.1"},
		{"no space before target", "GET/x HTTP/1.1"},
		{"no space before version", "GET /xHTTP/1.1"},
		{"method alone", "GET"},
		{"method and space", "GET "},
		{"method and two spaces", "GET  "},
		{"no target", "GET HTTP/1.1"},
		{"empty target", "GET  HTTP/1.1"},
		{"no method", " /x HTTP/1.1"},
		{"target alone", "/x"},
		{"version alone", "HTTP/1.1"},
		{"HTTP/0.9", "GET /x"},
		{"HTTP/0.9 with trailing space", "GET /x "},
		{"a status line", "HTTP/1.1 200 OK"},
		{"a header line", "X-First: 1"},
		{"a colon", ":"},
	} {
		add(bad("space: "+c.name, simple(c.line)))
	}

	// Methods. Separators are no token characters.
	for _, r := range "\"(),/:;<=>?@[\\]{}" {
		add(bad(fmt.Sprintf("method with %c", r), simple("GE"+string(r)+"T /x HTTP/1.1")))
	}
	for _, m := range []string{"get", "Get", "FOO", "PROPFIND", "M-SEARCH", "QUERY", "PURGE", "G!#$%&'*+-.^_`|~ET", "123", "GETT", "GPOST", "PRI"} {
		add(good("method "+m, simple(m+" /x HTTP/1.1"), toA(m, "/x", "")))
	}
	add(
		raw("method TRACE", simple("TRACE /x HTTP/1.1"), refuse(400, 405, 501), answered(405, 501), forward(toA("TRACE", "/x", ""))),
		raw("method of 100 letters", simple(strings.Repeat("M", 100)+" /x HTTP/1.1"), refuse(400, 414, 431, 501), forward(toA(strings.Repeat("M", 100), "/x", ""))),
		raw("method of 8000 letters", simple(strings.Repeat("M", 8000)+" /x HTTP/1.1"), refuse(400, 414, 431, 501), forward(toA(strings.Repeat("M", 8000), "/x", ""))),
		raw("method of 100000 letters", simple(strings.Repeat("M", 100000)+" /x HTTP/1.1")+tail, refuse(400, 414, 431, 501)),
	)

	// Versions (RFC 9112 §2.3: two single digits; RFC 9110 §15.6.6 for those not spoken).
	for _, v := range []string{"HTTP/0.9", "HTTP/1.2", "HTTP/1.9", "HTTP/2.0", "HTTP/2", "HTTP/3", "HTTP/3.0", "HTTP/0.0", "HTTP/9.9"} {
		add(raw("version "+v, simple("GET /x "+v)+tail, refuse(400, 505)))
	}
	for _, v := range []string{
		"HTTP/1", "HTTP/1.", "HTTP/.1", "HTTP/", "HTTP", "HTTP/1.1.1", "HTTP/1.10", "HTTP/1.01", "HTTP/01.1", "HTTP/11.1",
		"HTTP/1,1", "HTTP/1_1", "HTTP/1.1a", "HTTP/a.1", "HTTP/1.a", "HTTP/+1.1", "HTTP/-1.1", "HTTP/1.-1", "HTTP/4294967297.1",
		"HTTP/1.4294967297", "HTTP/1. 1", "HTTP/ 1.1", "HTTP /1.1", "HTTP/\x31\xc2\xb71", "http/1.1", "Http/1.1", "hTTP/1.1", "HTTPS/1.1", "HTTP\\1.1",
		"HTTP//1.1", "HTTP1.1", "XHTTP/1.1", "RTSP/1.0", "ICE/1.0", "SIP/2.0", "FTP/1.1", "/1.1", "1.1", "HTTP/1.1,HTTP/1.1", "HTTP/1.1;q=1", "HTTP/%31.1", "\"HTTP/1.1\"",
	} {
		add(bad(fmt.Sprintf("version %q", v), simple("GET /x "+v)))
	}
	return t
}

// requestLineEnds: line ends of request lines, and what may stand before one. RFC 9112 §2.2: a
// server SHOULD ignore at least one empty line (CRLF) before the request line; a recipient MAY
// take a bare LF for a line end, which Holdfast does not (OpenLiteSpeed 14 in the HTTP Garden
// shows what comes of it).
func requestLineEnds() table {
	t := table{name: "request line ends"}
	add := func(cs ...testCase) { t.cases = append(t.cases, cs...) }
	rest := hostLine + "\r\n" + caseLine + "\r\n\r\n"
	for _, end := range []string{"\n", "\r", "\n\r", "\r\n\r", "\r\r", "\n\n", "\r\x00\n", "\xc2\x85\r\n", "\xe2\x80\xa8", "\r \n", "\r\t\n", "\\r\\n", "%0d%0a"} {
		add(bad(fmt.Sprintf("request line ends in %q", end), "GET /x HTTP/1.1"+end+rest))
	}
	add(
		bad("everything ends in LF", strings.ReplaceAll(simple("GET /x HTTP/1.1"), "\r\n", "\n")),
		bad("everything ends in CR", strings.ReplaceAll(simple("GET /x HTTP/1.1"), "\r\n", "\r")),
		bad("LF lines around a smuggled request", "GET /x HTTP/1.1\n"+hostLine+"\n\n"+prey),
		bad("empty line ends in LF", "GET /x HTTP/1.1\r\n"+hostLine+"\r\n\n"),
		bad("head ends CRLF CR x", "GET /x HTTP/1.1\r\n"+hostLine+"\r\n\rZ"), // Node.js 1 in the HTTP Garden
		bad("head ends CR CR", "GET /x HTTP/1.1\r\n"+hostLine+"\r\r"),
		bad("head ends LF CRLF", "GET /x HTTP/1.1\r\n"+hostLine+"\n\r\n"),
	)

	x := toA("GET", "/x", "")
	add(good("one empty line before", "\r\n"+simple("GET /x HTTP/1.1"), x))
	for _, n := range []int{2, 3, 10, 100} {
		add(either(fmt.Sprintf("%d empty lines before", n), strings.Repeat("\r\n", n)+simple("GET /x HTTP/1.1"), x))
	}
	add(raw("20000 empty lines before", strings.Repeat("\r\n", 20000)+simple("GET /x HTTP/1.1"), refuse(400, 408, 414, 431), closed(), forward(x)))
	for _, s := range []string{"\n\n", "\r\r\n", "\n\r\n", "\r\n\n", "\r\n\r", " \r\n", "\t\r\n", "\r\n ", "\x00\r\n", "\r\n\x00", "\xef\xbb\xbf", "\xff\xfe", "\r\n:", "x\r\n", "0\r\n\r\n"} {
		add(bad(fmt.Sprintf("%q before", s), s+simple("GET /x HTTP/1.1")))
	}

	// Between two requests on one connection: a body one byte longer than declared, an empty
	// line too many, and other leftovers.
	first := post("abc", length(3))
	two := forward(posted("abc"), x)
	add(raw("empty line between two", first+"\r\n"+simple("GET /x HTTP/1.1"), two, forward(posted("abc")).then(refuse(400))))
	for _, s := range []string{"\n", "\r", " ", "\x00", "\r\n\r\n\x00", "0\r\n\r\n", "\r\n0\r\n\r\n"} {
		add(raw(fmt.Sprintf("%q between two", s), first+s+simple("GET /x HTTP/1.1"), forward(posted("abc")).then(refuse(400))))
	}
	// The letter in front makes another method of the next request, and that is what it is.
	add(goods("letter between two", first+"d"+simple("GET /x HTTP/1.1"), posted("abc"), toA("dGET", "/x", "")))

	// Other protocols.
	for _, p := range []struct{ name, data string }{
		{"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
		{"HTTP/2 preface and settings", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"},
		{"HTTP/2 preface as a request", "PRI * HTTP/2.0\r\n" + hostLine + "\r\n\r\n"},
	} {
		add(raw(p.name, p.data+tail, refuse(400, 505)))
	}
	for _, p := range []struct{ name, data string }{
		{"TLS ClientHello", "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + strings.Repeat("\x5a", 160)},
		{"SSLv2 hello", "\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10"},
		{"SSH", "SSH-2.0-OpenSSH_9.6\r\n"},
		{"SMTP", "EHLO a.test\r\nMAIL FROM:<x@a.test>\r\n"},
		{"Redis", "*1\r\n$4\r\nPING\r\n"},
		{"FastCGI", "\x01\x01\x00\x01\x00\x08\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00"},
		{"AJP", "\x12\x34\x00\x20\x02\x02\x00\x08HTTP/1.1"},
		{"PROXY v1", "PROXY TCP4 192.0.2.1 192.0.2.2 1 80\r\n" + simple("GET /x HTTP/1.1")},
		{"PROXY v2", "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\x00\x01\x00\x50" + simple("GET /x HTTP/1.1")},
		{"WebSocket frame", "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"},
		{"JSON", "{\"jsonrpc\":\"2.0\"}\r\n"},
		{"zeros", strings.Repeat("\x00", 64)},
	} {
		add(raw("other protocol: "+p.name, p.data+tail, refuse(400), closed()))
	}
	return t
}

// goods is a case of pipelined requests that apps must see exactly so.
func goods(name, data string, fs ...forwarded) testCase { return raw(name, data, forward(fs...)) }

// targets: RFC 9112 §3.2 (the four forms), RFC 3986 (no fragment is ever sent). HAProxy
// CVE-2023-45539 (a "#" in the path and rules that match the end of it), aiohttp 7 in the
// HTTP Garden (targets not validated). The absolute form's own cases are among the hosts.
func targets() table {
	t := table{name: "targets"}
	add := func(cs ...testCase) { t.cases = append(t.cases, cs...) }
	for _, target := range []string{"x", "!", "?", "?q=1", "#", "%2f", "..", "./x", "\\", "\\x", "*", "**", "*/", "*?x", "a.test", "a.test:80", "a.test/x", ":80", "@a.test/x", "http", "http:", "http:/x", "http:x", "http:///x", "http://", "://a.test/x", "&", "'", ";", "$", "-"} {
		add(bad("GET "+target, simple("GET "+target+" HTTP/1.1")))
	}
	for _, target := range []string{"/#", "/x#y", "/x#", "/#/../y", "/x?y#z", "/x%23#y", "http://a.test/x#y"} {
		add(bad("fragment "+target, simple("GET "+target+" HTTP/1.1")))
	}
	for _, target := range []string{"/", "//", "///x", "//b.test/x", "/x?", "/??", "/x?y?z", "/?/../..", "/x;y", "/x;y=z?;", "/.", "/..", "/../..", "/./x/", "/x//y", "/*", "/@", "/:80", "/x:y@z", "/a,b", "/!$&'()*+,;=:@-._~", "/%00", "/%0d%0aHost:%20c.test", "/%20HTTP/1.1%0d%0a", "/%2e%2e%2f", "/http://c.test/", "/x?http://c.test/", "/%C3%BC"} {
		add(good("GET "+target, simple("GET "+target+" HTTP/1.1"), toA("GET", target, "")))
	}
	// No URI characters, but browsers send them in queries unescaped.
	for _, r := range "\"<>\\^`{|}[]" {
		for _, target := range []string{"/x?y=" + string(r), "/x" + string(r)} {
			add(either("GET "+target, simple("GET "+target+" HTTP/1.1"), toA("GET", target, "")))
		}
	}
	for _, target := range []string{"/%", "/%1", "/%zz", "/%%30", "/x?%", "/%u0041", "/\xc3\xbc", "/x?\xff"} {
		add(either(fmt.Sprintf("GET %+q", target), simple("GET "+target+" HTTP/1.1"), toA("GET", target, "")))
	}

	// CONNECT and OPTIONS *.
	for _, target := range []string{"a.test:80", "a.test:443", "a.test", "c.test:80", "127.0.0.1:80", "/x", "*", "http://a.test/", "[::1]:80", ":80", "a.test:"} {
		add(raw("CONNECT "+target, simple("CONNECT "+target+" HTTP/1.1")+tail, refuse(400, 405, 421, 501)))
	}
	add(
		raw("CONNECT to an unknown host", head("CONNECT nobody.test:80 HTTP/1.1", "Host: nobody.test:80")+tail, refuse(400, 405, 421, 501)),
		raw("CONNECT with a body", head("CONNECT a.test:80 HTTP/1.1", "Host: a.test:80", length(len(tail)))+tail, refuse(400, 405, 421, 501)),
		good("OPTIONS *", simple("OPTIONS * HTTP/1.1"), toA("OPTIONS", "*", "")),
		good("OPTIONS /", simple("OPTIONS / HTTP/1.1"), toA("OPTIONS", "/", "")),
		raw("OPTIONS * for a host with routes", head("OPTIONS * HTTP/1.1", "Host: "+hostTwo),
			forward(forwarded{"alpha", "OPTIONS", "*", hostTwo, ""}), answered(400, 404, 421)),
		raw("OPTIONS * for no host", head("OPTIONS * HTTP/1.1", "Host: nobody.test"), answered(421)),
		// RFC 9112 §3.2.4: the absolute form without a path means "*" to the last hop.
		raw("OPTIONS http://a.test", simple("OPTIONS http://a.test HTTP/1.1"),
			forward(toA("OPTIONS", "*", "")), forward(toA("OPTIONS", "/", "")), refuse(400)),
	)
	for _, m := range []string{"POST", "HEAD", "PUT", "options", "FOO"} {
		c := bad(m+" *", simple(m+" * HTTP/1.1"))
		c.head = m == "HEAD"
		add(c)
	}
	return t
}
