package desync

import (
	"fmt"
	"strings"
)

// transferEncoding: RFC 9112 §6.1 and §6.3 (chunked is the last coding of a request or it is
// 400; both framings together "ought to be handled as an error"; an HTTP/1.0 message with
// Transfer-Encoding has faulty framing), §7 (chunked has no parameters). Holdfast accepts
// nothing but the single word chunked. The disguises are the classics: Kettle 2019 and
// http-request-smuggler's DesyncBox (vanilla, commaCow, cowComma, dualchunk, revdualchunk, quoted,
// aposed, lazygrep, nested, contentEnc, 0dsuffix, tabsuffix, spaceFF, accentCH, spacefix, prefix,
// suffix …), defparam/smuggler's exhaustive bytes, http-desync-guardian, llhttp's
// transfer-encoding.md, the HTTP Garden (",chunked": Azure 1, Gunicorn 6, Mongoose 4,
// nghttpx 1, OpenLiteSpeed 13, relayd 2, Passenger 1; twice: Pound 1; both: relayd 8).
func transferEncoding() table {
	t := table{name: "transfer-encoding"}
	add := func(cs ...testCase) { t.cases = append(t.cases, cs...) }

	for _, v := range []string{
		"", " ", "identity", "gzip", "deflate", "compress", "br", "x-gzip", "trailers", "cow", "pigeons", "0", "*", "null", "none",
		"gzip, chunked", "chunked, gzip", "chunked, identity", "identity, chunked", "cow, chunked", "chunked, cow", "chunked, chunked", "chunked,chunked", "chunked chunked", "gzip,chunked", "identity, chunked, identity", "cow chunked bar", "deflate, gzip, chunked",
		",chunked", "chunked,", ",chunked,", ", chunked", "chunked ,", ",,chunked", "chunked,,", ",", "chunked;", "chunked;q=1", "chunked; q=0", "chunked;a=b", "chunked ;a=\"b\"", ";chunked", "q=chunked",
		"\"chunked\"", "'chunked'", "`chunked`", "(chunked)", "<chunked>", "[chunked]", "\"chunked", "chunked\"", "chunked()", "chunked (comment)", "chunked\\", "\\chunked", "chunk\\ed",
		"xchunked", "chunkedx", "x chunked", "chunked x", "chunk", "chunke", "hunked", "chunks", "chunkedchunked", "chunked0", "chunked-", "-chunked", "_chunked", "chunked_", "chunk ed", "chunk\ted", "chun-ked", "chunked.", "chunked:", ":chunked", ": chunked", "chunked/1", "=chunked", "chunked=1", "chunked%20", "%63hunked", "chunked%0d%0a", "$chunked", "chunked HTTP/1.1", "Transfer-Encoding: chunked",
		"ch\x96nked", "chun\u212aed", "\uff43hunked", "chunke\u0501", "chunked\u200b", "\ufeffchunked", "chunked\u0085", "chunked\u2028",
	} {
		add(bad(fmt.Sprintf("value %+q", v), post(hello, "Transfer-Encoding: "+v)))
	}
	// A byte in each place around the value, with a length beside it: whoever does not see the
	// coding goes by the length.
	for _, b := range []byte{0x00, 0x01, 0x04, 0x08, 0x0a, 0x0b, 0x0c, 0x0d, 0x10, 0x1f, 0x7f, 0x85, 0xa0, 0xc2, 0xff} {
		s := string([]byte{b})
		for _, p := range []struct{ place, line string }{
			{"after colon", "Transfer-Encoding:" + s + "chunked"},
			{"before value", "Transfer-Encoding: " + s + "chunked"},
			{"inside value", "Transfer-Encoding: chu" + s + "nked"},
			{"after value", "Transfer-Encoding: chunked" + s},
			{"before colon", "Transfer-Encoding" + s + ": chunked"},
			{"before name", s + "Transfer-Encoding: chunked"},
		} {
			if p.place == "before colon" && (strings.ContainsAny(s, "\x00\v\r\n") || s == "\xa0" || s == "\x85") || p.place == "before name" && strings.ContainsAny(s, "\x01\r\n") {
				continue // among the spellings below
			}
			add(bad(fmt.Sprintf("byte %02x %s, with a length", b, p.place), post(hello, length(len(hello)), p.line)))
		}
	}
	for _, s := range illegalSpellings {
		add(bad("alone, "+s.name, post(hello, s.write("Transfer-Encoding", "chunked"))))
		add(bad("with a length, "+s.name, post(hello, length(len(hello)), s.write("Transfer-Encoding", "chunked"))))
		add(bad("beside another, "+s.name, post(hello, chunked, s.write("Transfer-Encoding", "identity"))))
	}
	for _, s := range foreignSpellings {
		add(raw("with a length, "+s.name, post(hello, length(len(hello)), s.write("Transfer-Encoding", "chunked")), forward(posted(hello)), refuse(400)))
		add(raw("beside another, "+s.name, post(hello, chunked, s.write("Transfer-Encoding", "cow")), forward(posted("hello")), refuse(400)))
	}
	for _, s := range ownSpellings {
		add(good("alone, "+s.name, post(hello, s.write("Transfer-Encoding", "chunked")), posted("hello")))
		add(bad("with a length, "+s.name, post(hello, length(len(hello)), s.write("Transfer-Encoding", "chunked"))))
		add(bad("beside another, "+s.name, post(hello, chunked, s.write("Transfer-Encoding", "chunked"))))
	}
	for _, v := range []string{"Chunked", "CHUNKED", "cHuNkEd", "chunkeD"} {
		add(good("value "+v, post(hello, "Transfer-Encoding: "+v), posted("hello")))
	}

	// Two fields.
	values := []string{"chunked", "identity", "gzip", "", "cow", "chunked, gzip"}
	for _, a := range values {
		for _, b := range values {
			if a != b || a == "chunked" {
				add(bad(fmt.Sprintf("twice, %q and %q", a, b), post(hello, "Transfer-Encoding: "+a, "Transfer-Encoding: "+b)))
			}
		}
	}
	add(
		bad("three times", post(hello, chunked, chunked, chunked)),
		bad("Content-Encoding chunked beside it twice", post(hello, chunked, "Content-Encoding: chunked", chunked)),
		good("Content-Encoding chunked, with a length", post(hello, length(len(hello)), "Content-Encoding: chunked"), posted(hello)),
		good("TE chunked, with a length", post(hello, length(len(hello)), "TE: chunked"), posted(hello)),
	)

	// Both framings: CL.TE, TE.CL, and the field a recipient must drop whatever it says.
	for _, v := range []string{"0", "3", "4", "5", "6", "10", "15", "100", "4294967295", "", "x", "+5", "5, 5", "-1"} {
		cl := "Content-Length: " + v
		add(
			bad(fmt.Sprintf("length %q, then chunked", v), post(hello, cl, chunked)),
			bad(fmt.Sprintf("chunked, then length %q", v), post(hello, chunked, cl)),
		)
	}
	add(
		bad("CL.TE with a prefix behind the last chunk", post("0\r\n\r\nG", length(6), chunked)),
		bad("CL.TE with a request behind the last chunk", post("0\r\n\r\n"+prey, length(5+len(prey)), chunked)),
		bad("TE.CL with a request in a chunk", post(fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(prey), prey), length(4), chunked)),
		bad("both, twice each", post(hello, length(5), chunked, length(5), chunked)),
		bad("identity with a length", post("hello", length(5), "Transfer-Encoding: identity")),
		bad("gzip with a length", post("hello", "Transfer-Encoding: gzip", length(5))),
		bad("empty with a length", post("hello", length(5), "Transfer-Encoding:")),
		bad("empty three times with a length", post("hello", length(5), "Transfer-Encoding:", "Transfer-Encoding:", "Transfer-Encoding:")),
		bad("both named in Connection", post(hello, "Connection: Transfer-Encoding, Content-Length", length(5), chunked)),
		bad("coding named in Connection, with a length", post(hello, "Connection: Transfer-Encoding", length(5), chunked)),
		bad("length named in Connection, with chunks", post(hello, "Connection: Content-Length", length(5), chunked)),
	)

	// HTTP/1.0 knows no Transfer-Encoding.
	for _, v := range []string{"chunked", "identity", "gzip, chunked", ""} {
		for _, more := range [][]string{nil, {length(len(hello))}, {"Connection: keep-alive"}} {
			add(bad(fmt.Sprintf("HTTP/1.0, %q with %q", v, more),
				head("POST /p HTTP/1.0", append([]string{hostLine, caseLine, "Transfer-Encoding: " + v}, more...)...)+hello))
		}
	}
	add(
		good("HTTP/1.0 with a length", head("POST /p/"+placeholder+" HTTP/1.0", hostLine, length(5))+"hello", posted("hello")),
		good("HTTP/1.0 without", head("POST /p/"+placeholder+" HTTP/1.0", hostLine), posted("")),
		raw("HTTP/1.0 ends the connection", head("GET /x HTTP/1.0", hostLine)+tail, forward(toA("GET", "/x", "")).closing()),
		raw("HTTP/1.0 with a body nobody announced", head("POST /p/"+placeholder+" HTTP/1.0", hostLine)+prey, forward(posted("")).closing()),
		raw("HTTP/1.0 keep-alive", head("GET /x HTTP/1.0", hostLine, "Connection: keep-alive")+tail,
			forward(toA("GET", "/x", "")).closing(), forward(toA("GET", "/x", ""), toB("GET", "/tail/"+placeholder, ""))),
		raw("HTTP/1.0 keep-alive in Proxy-Connection", head("GET /x HTTP/1.0", hostLine, "Proxy-Connection: keep-alive")+tail,
			forward(toA("GET", "/x", "")).closing()),
	)

	// Good ones.
	add(
		good("one chunk", post(hello, chunked), posted("hello")),
		good("no chunk", post("0\r\n\r\n", chunked), posted("")),
		good("chunk per byte", post(strings.Join([]string{"1", "a", "1", "b", "1", "c", "0", "", ""}, crlf), chunked), posted("abc")),
		goods("chunked, then a request", post(hello, chunked)+tail, posted("hello"), toB("GET", "/tail/"+placeholder, "")),
		good("a request in a chunk", post(fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(prey), prey), chunked), posted(prey)),
		good("chunks in a chunk", post(fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(hello), hello), chunked), posted(hello)),
	)
	return t
}
