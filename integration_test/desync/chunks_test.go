package desync

import (
	"fmt"
	"strings"
	"time"
)

// chunkedPost is a chunked POST with these bytes for a body.
func chunkedPost(body string) string { return post(body, chunked) }

// chunkSizes: RFC 9112 §7.1 (chunk-size = 1*HEXDIG; recipients MUST anticipate large ones and
// prevent overflow). HTTP Garden: sizes read as their longest valid prefix (ATS 5, H2O 3) or
// through a language's own number syntax (aiohttp 1, Gunicorn 4, libevent 2, OpenLiteSpeed 8,
// relayd 3 and 9, Pound 2 and 3, Tornado), empty ones (Go 2, hyper 1, Mongoose 6), Falcon
// CVE-2023-38697; llhttp's "Invalid character in chunk size".
func chunkSizes() table {
	t := table{name: "chunk sizes"}
	add := func(cs ...testCase) { t.cases = append(t.cases, cs...) }
	for _, size := range []string{
		"", " ", "\t", "0x5", "0X5", "x5", "5h", "5x", "5g", "g", "Z", "+5", "-5", "-0", "0_5", "5_", "_5", "5.0", "5.", "5e", "5 ", " 5", "\t5", "5\t", "  5", "5 5", "5,5", "5,", "\"5\"", "'5'", "(5)", "5\\", "5:", "5=", "%35", "\uff15", "5\u00a0", "\xa05", "5\x85", "NaN", "five", "5#",
		"ffffffffffffffff", "fffffffffffffffe", "7fffffffffffffff", "8000000000000000", "8000000000000005", "10000000000000000", "10000000000000005", "100000005", "fffffffffffffffff5", "ffffffff", strings.Repeat("f", 1000), strings.Repeat("f", 17), "-ffffffffffffffff", "-5;x",
	} {
		data := size + "\r\nhello\r\n0\r\n\r\n"
		if size == "5e" { // a number indeed: 94 bytes that do not end where they should
			data = "5e\r\n" + strings.Repeat("x", 90) + "\r\n0\r\n\r\n"
		}
		name := fmt.Sprintf("size %+q", size)
		if len(size) > 40 {
			name = fmt.Sprintf("size %q… of %d digits", size[:4], len(size))
		}
		c := badBody(name, chunkedPost(data))
		if strings.Trim(size, "0123456789abcdef") == "" && len(size) >= 8 {
			// Too large, at once or when the time for the rest is up.
			c.want = oneOf(refuse(400, 408, 413))
		}
		if size == "g" || size == "Z" {
			c.name += " first"
		}
		add(c)
		// The same in the place of the last chunk.
		if len(size) < 8 && size != "5e" {
			last := strings.ReplaceAll(size, "5", "0")
			if c := badBody(fmt.Sprintf("last size %+q", last), chunkedPost("5\r\nhello\r\n"+last+"\r\n\r\n")); !named(t.cases, c.name) {
				add(c)
			}
		}
	}
	for _, b := range []byte{0x00, 0x01, 0x08, 0x0a, 0x0b, 0x0c, 0x0d, 0x1f, 0x7f, 0xff} {
		s := string([]byte{b})
		add(
			badBody(fmt.Sprintf("byte %02x before size", b), chunkedPost(s+hello)),
			badBody(fmt.Sprintf("byte %02x after size", b), chunkedPost("5"+s+"\r\nhello\r\n0\r\n\r\n")),
			badBody(fmt.Sprintf("byte %02x after last size", b), chunkedPost("5\r\nhello\r\n0"+s+"\r\n\r\n")),
		)
	}
	for _, size := range []string{"5", "05", "005", "0000005"} {
		if size != "5" {
			add(good("size "+size, chunkedPost(size+"\r\nhello\r\n0\r\n\r\n"), posted("hello")))
		}
	}
	add(
		either("size of 300 zeros and 5", chunkedPost(strings.Repeat("0", 300)+"5\r\nhello\r\n0\r\n\r\n"), posted("hello")).allowingPartial(),
		good("last size 00", chunkedPost("5\r\nhello\r\n00\r\n\r\n"), posted("hello")),
		good("last size 0000", chunkedPost("5\r\nhello\r\n0000\r\n\r\n"), posted("hello")),
		good("upper case size", chunkedPost("A\r\n0123456789\r\n0\r\n\r\n"), posted("0123456789")),
		good("lower case size", chunkedPost("a\r\n0123456789\r\n0\r\n\r\n"), posted("0123456789")),
		good("zeros then hex", chunkedPost("00aF\r\n"+strings.Repeat("y", 175)+"\r\n0\r\n\r\n"), posted(strings.Repeat("y", 175))),
		raw("more than the limit in one chunk", chunkedPost(fmt.Sprintf("%x\r\n", maxBody+1)+strings.Repeat("z", maxBody+1)+"\r\n0\r\n\r\n")+tail, refuse(413)).allowingPartial(),
		raw("more than the limit announced", chunkedPost(fmt.Sprintf("%x\r\n", 100*maxBody)+"hello"), refuse(413), refuse(408)).allowingPartial(),
		raw("more than the limit in many chunks", chunkedPost(strings.Repeat("8000\r\n"+strings.Repeat("z", 0x8000)+"\r\n", 40)+"0\r\n\r\n")+tail, refuse(413)).allowingPartial(),
	)
	return t
}

func named(cs []testCase, name string) bool {
	for _, c := range cs {
		if c.name == name {
			return true
		}
	}
	return false
}

// chunkExtensions: RFC 9112 §7.1.1 (a recipient MUST ignore unrecognised ones, and ought to
// limit them). Parsers disagree about where one ends: Jeppe Bonde Weikop's "Funky chunks"
// (2025: TERM.EXT, EXT.TERM, TERM.SPILL, SPILL.TERM, ONE.TWO, TWO.ONE), CR before the semicolon
// (Akamai 3, ATS 4, Google 2, Node.js 2 in the HTTP Garden), llhttp's tests of quoting.
func chunkExtensions() table {
	t := table{name: "chunk extensions"}
	add := func(cs ...testCase) { t.cases = append(t.cases, cs...) }
	// Well-formed: ignored, never forwarded. An edge may also refuse what nobody uses.
	for _, ext := range []string{";a", ";a=b", ";a=\"b\"", ";a=\"b;c\"", ";a=\"\\\"\"", ";a;b;c", ";a=b;c=\"d e\"", "; a", ";a ", " ;a", "\t;\ta", ";a = b", ";a=\"\"", ";!#$%&'*+-.^_`|~=0", ";a=\"\t\"", ";a=\"\x80\xff\""} {
		add(either(fmt.Sprintf("%q", ext), chunkedPost("5"+ext+"\r\nhello\r\n0"+ext+"\r\n\r\n"), posted("hello")).allowingPartial())
	}
	add(either("100 bytes", chunkedPost("5;"+strings.Repeat("a", 100)+"\r\nhello\r\n0\r\n\r\n"), posted("hello")).allowingPartial())
	add(raw("100000 bytes", chunkedPost("5;"+strings.Repeat("a", 100000)+"\r\nhello\r\n0\r\n\r\n"), refuse(400, 413, 431)).allowingPartial())
	add(raw("extensions of 2 KiB on each of 200 chunks", chunkedPost(strings.Repeat("1;"+strings.Repeat("a", 2048)+"\r\nx\r\n", 200)+"0\r\n\r\n"),
		refuse(400, 413, 431), forward(posted(strings.Repeat("x", 200)))).allowingPartial())
	// Ill-formed. Sloppy but harmless ones may be ignored like the others.
	for _, ext := range []string{";", ";;", ";=", ";=b", ";a=", ";a=;b", ";a==b", ";a=b c", "; ;a", ";a=\"b", ";a=b\"", ";a=\"b\"c", ";a@b", ";a=(b)", ";(a)", ";\xff", ";\u00e9", "; chunk-size=6", ";a,b"} {
		add(either(fmt.Sprintf("ill-formed %q", ext), chunkedPost("5"+ext+"\r\nhello\r\n0\r\n\r\n"), posted("hello")).allowingPartial())
	}
	// No semicolon.
	for _, ext := range []string{"a=b", " a", " x", ",a", "=a", "\"a\"", "&a", "#a", "/a", ":a", "@", "\ta", "-a", "?a"} {
		if strings.HasPrefix(ext, "a") {
			continue // "5a=b" is a bad size, and among them
		}
		add(badBody(fmt.Sprintf("no semicolon %q", ext), chunkedPost("5"+ext+"\r\nhello\r\n0\r\n\r\n")))
	}
	// Bytes that some take for the end of the line.
	for _, s := range []string{"\n", "\r", "\x00", "\v", "\f", "\r\r", "\n\n", "\n\r", "\x1f", "\x7f", "\b"} {
		for _, p := range []struct{ place, line string }{
			{"before semicolon", "5" + s + ";a\r\n"},
			{"after semicolon", "5;" + s + "a\r\n"},
			{"inside", "5;a" + s + "b\r\n"},
			{"after", "5;a" + s + "\r\n"},
			{"inside quotes", "5;a=\"b" + s + "c\"\r\n"},
		} {
			add(badBody(fmt.Sprintf("%q %s", s, p.place), chunkedPost(p.line+"hello\r\n0\r\n\r\n")))
		}
	}
	// The published shapes, with a request where one of the two readers would find it.
	hidden := fmt.Sprintf("%x", len("0\r\n\r\n")+len(prey))
	for _, c := range []struct{ name, body string }{
		{"TERM.EXT", "2;\nxx\r\n" + hidden + "\r\n0\r\n\r\n" + prey + "\r\n0\r\n\r\n"},
		{"EXT.TERM", "2;\nxx\r\n0\r\n\r\n" + prey},
		{"TERM.EXT with CR", "2;\rxx\r\n" + hidden + "\r\n0\r\n\r\n" + prey + "\r\n0\r\n\r\n"},
		{"TERM.SPILL", "5\r\nhelloX\n" + "0\r\n\r\n" + prey},
		{"SPILL.TERM", "5\r\nhello\n2\r\n0\r\n\r\n" + prey},
		{"ONE.TWO", "5\r\nhello\r0\r\n\r\n" + prey},
		{"TWO.ONE", "5\r\nhello\n0\n\n" + prey},
		{"two ignored bytes", "5\r\nhelloXX0\r\n\r\n" + prey},
		{"CR before semicolon", "2\r;a\r\n02\r\n41\r\n0\r\n\r\n" + prey},
		{"CR CR semicolon", "5\r\r;ABCD\r\n34\r\nE\r\n0\r\n\r\n" + prey},
	} {
		add(badBody("funky: "+c.name, chunkedPost(c.body)))
	}
	return t
}

// chunkEnds: RFC 9112 §7.1 (chunk = chunk-size CRLF chunk-data CRLF; last-chunk, trailers,
// CRLF). HTTP Garden: HAProxy 3 (LF after data), Puma 2 (any two bytes end the body),
// OpenLiteSpeed 15 (a spare CRLF), Mongoose 6, nginx's LF in chunk lines.
func chunkEnds() table {
	t := table{name: "chunk ends"}
	add := func(cs ...testCase) { t.cases = append(t.cases, cs...) }
	for _, end := range []string{"\n", "\r", "", "\n\r", "\r\r", "\r\r\n", "\n\n", "XX", "\x00\x00", "\r\x00", "\rX", "X\n", "\r\n\r\n", "\r\n\n", "\r\n\r", " \r\n", "\t\r\n", "\x85", "\v\f"} {
		add(badBody(fmt.Sprintf("%q after data", end), chunkedPost("5\r\nhello"+end+"0\r\n\r\n")))
		if strings.Trim(end, "\r\n") == "" && end != "" && end != "\r\r\n" {
			add(badBody(fmt.Sprintf("%q after size", end), chunkedPost("5"+end+"hello\r\n0\r\n\r\n")))
			if end != "\r\n\r\n" { // which is right there
				add(badBody(fmt.Sprintf("%q after last size", end), chunkedPost("5\r\nhello\r\n0"+end+"X")))
			}
		}
	}
	add(
		badBody("one byte more than the size", chunkedPost("5\r\nhello!\r\n0\r\n\r\n")),
		badBody("one byte less than the size", chunkedPost("5\r\nhell\r\n0\r\n\r\n")),
		badBody("two bytes less than the size", chunkedPost("5\r\nhel\r\n0\r\n\r\n")),
		badBody("size without data", chunkedPost("5\r\n0\r\n\r\n")),
		badBody("empty line before the first chunk", chunkedPost("\r\n"+hello)),
		badBody("empty line for the last chunk", chunkedPost("5\r\nhello\r\n\r\n")),
		badBody("no last chunk, a request instead", chunkedPost("5\r\nhello\r\n"+prey)),
		badBody("last chunk ends in LF LF", chunkedPost("5\r\nhello\r\n0\n\n")),
		badBody("last chunk ends in CRLF LF", chunkedPost("5\r\nhello\r\n0\r\n\n")),
		badBody("last chunk ends in LF CRLF", chunkedPost("5\r\nhello\r\n0\n\r\n")),
		badBody("everything in LF", chunkedPost("5\nhello\n0\n\n")),
		badBody("body that is not chunked at all", chunkedPost("hello world, this has no chunks\r\n\r\n")),
		badBody("body is a request", chunkedPost(prey)),
		badBody("body is JSON", chunkedPost("{\"a\":1}\r\n")),
		badBody("last chunk with data", chunkedPost("0\r\nhello\r\n0\r\n\r\n")),
	)
	// Two last chunks: the second is the beginning of the next request.
	add(
		raw("a second body behind the first", chunkedPost(hello+hello)+tail, forward(posted("hello")).then(refuse(400))),
		raw("a second last chunk", chunkedPost(hello+"0\r\n\r\n")+tail, forward(posted("hello")).then(refuse(400))),
		// Spare CRLFs behind a body are the empty line that is ignored before a request.
		raw("CRLF behind the last chunk", chunkedPost(hello+"\r\n")+tail,
			forward(posted("hello"), toB("GET", "/tail/"+placeholder, "")), forward(posted("hello")).then(refuse(400))),
	)

	// Cut short, by silence and by FIN.
	full := chunkedPost("5\r\nhello\r\n5\r\nworld\r\n0\r\nT: x\r\n\r\n")
	start := strings.Index(full, "\r\n\r\n") + 4
	for _, n := range []int{0, 1, 2, 3, 6, 8, 10, 13, 18, 20, 21, 22, 23, 25, 30} {
		if start+n >= len(full) {
			continue
		}
		c := raw(fmt.Sprintf("client leaves %d bytes into the body", n), full[:start+n], closed(), refuse(400, 408))
		c.halfClose, c.partial = true, true
		add(c)
	}
	for _, n := range []int{0, 1, 8, 20, 23} {
		add(raw(fmt.Sprintf("client stops %d bytes into the body", n), full[:start+n], refuse(408), refuse(400), closed()).allowingPartial())
	}
	// Pause-based (Kettle 2022): after its time is up, what arrives late is no request.
	add(testCase{name: "body arrives after its time", partial: true,
		writes: []write{{data: post("", length(len(prey)))}, {after: 4500 * time.Millisecond, data: prey + tail}},
		want:   oneOf(refuse(408), closed())})
	add(testCase{name: "chunks arrive after their time", partial: true,
		writes: []write{{data: chunkedPost("5\r\nhello\r\n")}, {after: 4500 * time.Millisecond, data: "0\r\n\r\n" + tail}},
		want:   oneOf(refuse(408), closed())})
	add(testCase{name: "rest of the head arrives after its time",
		writes: []write{{data: "POST /p HTTP/1.1\r\n" + hostLine + "\r\nContent-Le"}, {after: 4500 * time.Millisecond, data: "ngth: 0\r\n\r\n" + tail}},
		want:   oneOf(refuse(408), closed())})
	// Split anywhere, it is the same request.
	for _, n := range []int{1, 3, 6, start - 3, start - 2, start - 1, start, start + 1, start + 2, start + 7, start + 9, start + 20, start + 22, len(full) - 2, len(full) - 1} {
		add(testCase{name: fmt.Sprintf("split at byte %d", n), want: oneOf(forward(posted("helloworld"))),
			writes: []write{{data: full[:n]}, {after: 30 * time.Millisecond, data: full[n:]}}})
	}
	var bytewise []write
	for _, b := range []byte(full + tail) {
		bytewise = append(bytewise, write{after: 200 * time.Microsecond, data: string([]byte{b})})
	}
	add(testCase{name: "byte by byte", writes: bytewise, want: oneOf(forward(posted("helloworld"), toB("GET", "/tail/"+placeholder, "")))})
	return t
}

// trailers: RFC 9110 §6.5.1 (no fields for framing, routing, modification of requests,
// authentication or content may be trailers), RFC 9112 §7.1.2 (a recipient keeps them apart
// from the header section). Merging them in is smuggling by header ("TrailerSmuggling"; Grenfeldt
// and others on trailer merging, 2025; Puma 2 in the HTTP Garden).
func trailers() table {
	t := table{name: "trailers"}
	add := func(cs ...testCase) { t.cases = append(t.cases, cs...) }
	with1 := func(lines string) string { return chunkedPost("5\r\nhello\r\n0\r\n" + lines + "\r\n") }
	for _, f := range []string{
		"Content-Length: 40", "Content-Length: 0", "Transfer-Encoding: chunked", "Transfer-Encoding: gzip", "Host: c.test", "Connection: close", "Connection: X-Request-Id", "Upgrade: websocket", "TE: trailers", "Trailer: Host", "Expect: 100-continue", "Keep-Alive: timeout=5",
		"X-Forwarded-For: 192.0.2.1", "X-Forwarded-Host: c.test", "X-Forwarded-Proto: https", "X-Request-Id: forged", "X-Edge-Replay: id=1", "X-Edge-Anything: 1",
		"Authorization: Basic eDp5", "Cookie: a=b", "Content-Type: text/html", "Content-Encoding: gzip", "Content-Range: bytes 0-1/2", "Range: bytes=0-1", "If-Match: *", "Max-Forwards: 0", "Cache-Control: no-store", "Proxy-Authorization: Basic eDp5", "Idempotency-Key: forged",
	} {
		// Refused, or dropped; the app's reader objects to those that frame or route.
		add(either("forbidden "+f, with1(f+"\r\n"), posted("hello")).allowingPartial().checking(func(rs []*seen) error {
			name, value, _ := strings.Cut(f, ": ")
			for _, v := range rs[0].values(name) {
				if v == value && !strings.HasPrefix(name, "Content-") && name != "Host" {
					return fmt.Errorf("trailer %s became a header", name)
				}
			}
			return nil
		}))
	}
	for _, c := range []struct{ name, lines string }{
		{"space before colon", "X-T : 1\r\n"},
		{"no colon", "X-T\r\n"},
		{"empty name", ": 1\r\n"},
		{"fold", "X-T: 1\r\n 2\r\n"},
		{"first line folded", " X-T: 1\r\n"},
		{"LF end", "X-T: 1\n"},
		{"CR end", "X-T: 1\r"},
		{"CR inside", "X-T: 1\r2\r\n"},
		{"LF inside", "X-T: 1\n2\r\n"},
		{"NUL inside", "X-T: 1\x002\r\n"},
		{"NUL in name", "X\x00T: 1\r\n"},
		{"01 inside", "X-T: 1\x012\r\n"},
		{"DEL inside", "X-T: 1\x7f2\r\n"},
		{"name with space", "X T: 1\r\n"},
		{"name with high byte", "X\xffT: 1\r\n"},
		{"name with parenthesis", "X(T): 1\r\n"},
		{"request line", "GET /prey HTTP/1.1\r\n"},
		{"request line for a field", "X:GET /prey HTTP/1.1\r\n\n"},
		{"chunk", "5\r\nhello\r\n"},
	} {
		add(badBody("malformed: "+c.name, with1(c.lines)))
	}
	add(
		good("one", with1("X-T: 1\r\n"), posted("hello")).checking(without("X-T")),
		good("announced", post("5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n", chunked, "Trailer: X-T"), posted("hello")).checking(without("X-T")),
		good("two of a name", with1("X-T: 1\r\nX-T: 2\r\n"), posted("hello")),
		good("announced framing fields that never come", post(hello, chunked, "Trailer: Content-Length, Host, Transfer-Encoding"), posted("hello")),
		goods("a request behind them", with1("X-T: 1\r\n")+tail, posted("hello"), toB("GET", "/tail/"+placeholder, "")),
		goods("a value like a request line", with1("X-T: GET /prey HTTP/1.1\r\n")+tail, posted("hello"), toB("GET", "/tail/"+placeholder, "")),
		// No space after the colon: what Puma took for the end of the body.
		goods("no space after the colon", with1("X:POST /prey HTTP/1.1\r\n")+tail, posted("hello"), toB("GET", "/tail/"+placeholder, "")),
		raw("more than max_header", with1(strings.Repeat("X-T: "+strings.Repeat("a", 1000)+"\r\n", 40))+tail, refuse(400, 413, 431)).allowingPartial(),
		raw("ten thousand of them", with1(strings.Repeat("X: 1\r\n", 10000))+tail, refuse(400, 413, 431)).allowingPartial(),
		raw("never ending", chunkedPost("0\r\n"+strings.Repeat("X: "+strings.Repeat("a", 90)+"\r\n", 20000)), refuse(400, 413, 431)).allowingPartial(),
	)
	return t
}
