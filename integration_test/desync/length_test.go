package desync

import (
	"fmt"
	"strings"
)

// contentLength: RFC 9110 §8.6 (Content-Length = 1*DIGIT; a list or several fields with the
// same value MAY be replaced by one, else the message is invalid), RFC 9112 §6.3. Holdfast
// refuses any repetition. Values after the HTTP Garden (aiohttp 1, Akamai 1, CPython 1,
// Gunicorn 1, Mongoose 1 and 5, OpenLiteSpeed 1-3 and 7, relayd 4 and 7, Puma 1, HAProxy
// CVE-2023-40225 for an empty one before a good one), http-desync-guardian's severe.yaml,
// Grenfeldt on Gunicorn 20.1, Klein 2020 (CR in the field, "Content-Length abcde"), llhttp's
// content-length.md.
func contentLength() table {
	t := table{name: "content-length"}
	add := func(cs ...testCase) { t.cases = append(t.cases, cs...) }

	for _, v := range []string{
		"", " ", "+5", "-5", "-0", "+0", "--5", "5-", "-1", "0x5", "0X5", "5h", "5d", "0b101", "0o5", "005_", "5_0", "_5", "5e0", "5E0", "1e1", "5.0", "5.", ".5",
		"5,", ",5", ",", "5,5", "5, 5", "5,6", "6,5", "5,0", "0,5", "5 5", "5 6", "5\t5", "5;", "5;q=1", "5 ;", "5 HTTP", "5a", "a5", "a", "five", "\"5\"", "'5'", "(5)", "[5]", "{5}", "5\\", "\\5", "5/5", "5%", "%35", "5:5", "5=5", "=5", "$5", "#5", "5#", "*", "NaN", "inf", "null", "chunked",
		"9223372036854775808", "9223372036854775807", "18446744073709551615", "18446744073709551616", "18446744073709551621", "4294967301", "99999999999999999999999999", "-18446744073709551611", strings.Repeat("9", 1000), strings.Repeat("0", 3000) + "5x",
		"\uff15", "\u0665", "\u00b2", "5\u00a0", "\xa05", "5\x85", "5\xff",
	} {
		name := fmt.Sprintf("value %+q", v)
		if len(v) > 40 {
			name = fmt.Sprintf("value %q… of %d bytes", v[:8], len(v))
		}
		c := bad(name, post("hello", "Content-Length: "+v))
		if len(v) >= 10 && strings.Trim(v, "0123456789") == "" {
			// A number, but larger than any limit: too large is as good an answer.
			c.want = oneOf(refuse(400, 413))
		}
		add(c)
	}
	for _, b := range []byte{0x00, 0x01, 0x08, 0x0a, 0x0b, 0x0c, 0x0d, 0x1f, 0x7f} {
		s := string([]byte{b})
		add(bad(fmt.Sprintf("byte %02x before value", b), post("hello", "Content-Length:"+s+"5")))
		add(bad(fmt.Sprintf("byte %02x after value", b), post("hello", "Content-Length: 5"+s)))
		add(bad(fmt.Sprintf("byte %02x inside value", b), post("hello67890", "Content-Length: 1"+s+"0")))
	}
	for _, s := range illegalSpellings {
		add(bad("alone, "+s.name, post("", s.write("Content-Length", fmt.Sprint(len(prey))))+prey))
		add(bad("beside another, "+s.name, post("hello", length(5), s.write("Content-Length", "40"))))
	}
	for _, s := range foreignSpellings {
		// The field means nothing, so there is no body and what follows is a request.
		add(raw("alone, "+s.name, post("", s.write("Content-Length", fmt.Sprint(len(tail))))+tail,
			forward(posted(""), toB("GET", "/tail/"+placeholder, "")), refuse(400)))
		add(raw("beside another, "+s.name, post("hello", length(5), s.write("Content-Length", "40")), forward(posted("hello")), refuse(400)))
	}
	for _, s := range ownSpellings {
		add(good("alone, "+s.name, post("hello", s.write("Content-Length", "5")), posted("hello")))
		add(bad("beside another, "+s.name, post("hello", length(5), s.write("Content-Length", "5"))))
	}

	// Twice, in both orders, and far apart.
	values := []string{"5", "6", "0", "", "05", "x", "+5", "5,5"}
	for _, a := range values {
		for _, b := range values {
			add(bad(fmt.Sprintf("twice, %q and %q", a, b), post("hello", "Content-Length: "+a, "Content-Length: "+b)))
		}
	}
	add(
		bad("three times the same", post("hello", length(5), length(5), length(5))),
		bad("twice, first and last line", head("POST /p HTTP/1.1", length(5), hostLine, caseLine, "A: 1", length(40))+"hello"),
		bad("twice, 30 fields apart", post("hello", append(append([]string{length(5)}, strings.Split(strings.Repeat("A: 1\n", 30), "\n")[:30]...), length(6))...)),
		bad("twice, a smuggled request in the difference", post("", length(0), length(len(prey)))+prey),
		bad("twice, the difference the other way", post("", length(len(prey)), length(0))+prey),
		bad("a hundred times", post("hello", strings.Split(strings.TrimSpace(strings.Repeat("Content-Length: 5\n", 100)), "\n")...)),
	)

	// Good ones; the upstream must see the canonical number.
	add(
		good("zero", post("", length(0)), posted("")),
		good("five", post("hello", length(5)), posted("hello")),
		good("all byte values", post(allBytes(), length(256)), posted(allBytes())),
		good("none on a POST", post(""), posted("")),
		goods("none on a POST, then a request", post("")+tail, posted(""), toB("GET", "/tail/"+placeholder, "")),
	)
	for _, v := range []string{"05", "0000000005", "00", strings.Repeat("0", 200) + "5"} {
		body := "hello"
		if v == "00" {
			body = ""
		}
		name := "leading zeros " + v
		if len(v) > 40 {
			name = "200 leading zeros"
		}
		// 1*DIGIT allows them; octal readers (OpenLiteSpeed 3) are why an edge may not.
		add(either(name, post(body, "Content-Length: "+v), posted(body)))
	}
	add(either("leading zero that octal reads otherwise", post("0123456789", "Content-Length: 010"), posted("0123456789")))

	// A body that looks like requests is a body.
	for _, s := range []struct{ name, body string }{
		{"a request", prey},
		{"two requests", prey + prey},
		{"half a request", prey[:20]},
		{"an empty line", "\r\n\r\n"},
		{"a last chunk and a request", "0\r\n\r\n" + prey},
		{"chunks", hello + prey},
		{"a head of its own", "POST /prey HTTP/1.1\r\nHost: c.test\r\nContent-Length: 100\r\n\r\n"},
	} {
		add(good("body is "+s.name, post(s.body, length(len(s.body))), posted(s.body)))
		add(goods("body is "+s.name+", then a request", post(s.body, length(len(s.body)))+tail, posted(s.body), toB("GET", "/tail/"+placeholder, "")))
		// The same where the app answers before it has read the body (CL.0, 0.CL).
		early := request("POST", "/early/"+placeholder, []string{length(len(s.body))}, s.body)
		add(goods("app answers early, body is "+s.name, early+tail, toA("POST", "/early/"+placeholder, s.body), toB("GET", "/tail/"+placeholder, "")))
	}
	return t
}

func allBytes() string {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return string(b)
}

// bodyless: requests whose methods have no use for a body, with one (RFC 9110 §9.3.1: a
// GET may have content). A proxy or server that forgets the body leaves it to be read as the
// next request: "CL.0" (Kettle, "Browser-Powered Desync Attacks", 2022), relayd 6 in the HTTP
// Garden, http-desync-guardian's UndefinedContentLengthSemantics.
func bodyless() table {
	t := table{name: "bodies where none is expected"}
	after := toB("GET", "/tail/"+placeholder, "")
	for _, m := range []string{"GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "PROPFIND"} {
		for _, b := range []struct{ name, fields, body, want string }{
			{"a length", length(len(prey)), prey, prey},
			{"chunks", chunked, fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(prey), prey), prey},
			{"length 0", length(0), "", ""},
			{"no chunk", chunked, "0\r\n\r\n", ""},
		} {
			c := raw(m+" with "+b.name, request(m, "/x/"+placeholder, []string{b.fields}, b.body)+tail,
				forward(toA(m, "/x/"+placeholder, b.want), after), refuse(400), refuse(405, 501), answered(405, 501).then(forward(after)))
			if m != "TRACE" {
				c.want = c.want[:2]
			}
			c.head = m == "HEAD"
			t.cases = append(t.cases, c)
		}
		c := bad(m+" with both", request(m, "/x/"+placeholder, []string{length(len(prey)), chunked}, prey))
		c.head = m == "HEAD"
		t.cases = append(t.cases, c)
	}
	// A body nobody announced is the next request.
	for _, m := range []string{"GET", "HEAD", "POST", "PUT", "DELETE"} {
		c := goods(m+" with an unannounced request behind it", request(m, "/x", nil, "")+tail, toA(m, "/x", ""), after)
		c.head = m == "HEAD"
		t.cases = append(t.cases, c)
		g := raw(m+" with unannounced garbage behind it", request(m, "/x", nil, "")+"\x00\x01garbage\r\n\r\n", forward(toA(m, "/x", "")).then(refuse(400)))
		g.head = m == "HEAD"
		t.cases = append(t.cases, g)
	}
	return t
}
