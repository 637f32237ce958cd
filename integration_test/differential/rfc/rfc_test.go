package rfc

import "testing"

// The examples of the RFCs themselves, and what they call invalid.

func TestRequests(t *testing.T) {
	for _, tt := range []struct {
		in   string
		fate Fate
		why  string
		want string // method, target, authority, body
	}{
		// 3.2.1, 3.2.2, 3.2.3, 3.2.4
		{"GET /where?q=now HTTP/1.1\r\nHost: www.example.org\r\n\r\n", Read, "", "GET /where?q=now www.example.org "},
		{"GET http://www.example.org/pub/WWW/TheProject.html HTTP/1.1\r\nHost: www.example.org\r\n\r\n", Read, "", "GET /pub/WWW/TheProject.html www.example.org "},
		{"CONNECT www.example.com:80 HTTP/1.1\r\nHost: www.example.com\r\n\r\n", Read, "", "CONNECT www.example.com:80 www.example.com:80 "},
		{"OPTIONS * HTTP/1.1\r\nHost: www.example.org\r\n\r\n", Read, "", "OPTIONS * www.example.org "},
		{"OPTIONS http://www.example.org:8001 HTTP/1.1\r\nHost: x\r\n\r\n", Read, "", "OPTIONS * www.example.org:8001 "},
		// 6.2, 7.1
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello!", Read, "", "POST / a hello"},
		{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n2;a=\"b\"\r\nhe\r\n03\r\nllo\r\n0\r\nX: y\r\n\r\n!", Read, "", "POST / a hello"},
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 42, 42\r\n\r\n", Incomplete, "", ""},
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Read, "", "POST / a "},
		{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", Refused, "different values of Content-Length (6.3)", ""},
		{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", Refused, "a request whose final transfer coding is not chunked (6.3)", ""},
		// 2.2, 3.2, 5.1, 5.2
		{"GET / HTTP/1.1\nHost: a\n\n", Refused, "a line that ends with LF alone (2.2)", ""},
		{"GET / HTTP/1.1\r\n\r\n", Refused, "no Host field in HTTP/1.1 (3.2)", ""},
		{"GET / HTTP/1.0\r\n\r\n", Read, "", "GET /  "},
		{"GET / HTTP/1.1\r\nHost : a\r\n\r\n", Refused, "white space between name and colon (5.1)", ""},
		{"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n", Refused, "a line that continues the one before (5.2)", ""},
		{"GET / HTTP/1.1\r\nHost: a\r\n", Incomplete, "", ""},
	} {
		m := ReadRequest(tt.in)
		if m.Fate != tt.fate || m.Why != tt.why {
			t.Errorf("%q is %v: %s", tt.in, m.Fate, m.Why)
		}
		if got := m.Method + " " + m.Target + " " + m.Authority + " " + string(m.Body); m.Fate == Read && got != tt.want {
			t.Errorf("%q is read as %q", tt.in, got)
		}
	}
}

func TestResponses(t *testing.T) {
	for _, tt := range []struct {
		in, method string
		fate       Fate
		framing    Framing
		body       string
	}{
		{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhix", "GET", Read, Length, "hi"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "HEAD", Read, NoBody, ""},
		{"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n", "GET", Read, NoBody, ""},
		{"HTTP/1.1 204 \r\nTransfer-Encoding: chunked\r\n\r\n", "GET", Read, NoBody, ""},
		{"HTTP/1.1 200 \r\n\r\nall of it", "GET", Read, UntilClose, "all of it"},
		{"HTTP/1.1 200 \r\nTransfer-Encoding: gzip\r\n\r\nall of it", "GET", Read, UntilClose, "all of it"},
		{"HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "GET", Read, Chunked, "abc"},
		{"HTTP/1.1 200 \r\nContent-Length: x\r\n\r\n", "GET", Refused, 0, ""},
		{"HTTP/1.1 2000 \r\n\r\n", "GET", Refused, 0, ""},
		{"\r\nHTTP/1.1 200 \r\n\r\n", "GET", Refused, 0, ""},
	} {
		m := ReadResponse(tt.in, tt.method)
		if m.Fate != tt.fate || m.Fate == Read && (m.Framing != tt.framing || string(m.Body) != tt.body) {
			t.Errorf("%q is %v: %s; %v %q", tt.in, m.Fate, m.Why, m.Framing, m.Body)
		}
	}
}

func TestAuthorities(t *testing.T) {
	for in, want := range map[string]string{
		"Example.COM.:80": "example.com", "[2001:DB8::0:1]": "[2001:db8::1]", "[2001:db8:0:0:1:0:0:1]": "[2001:db8::1:0:0:1]", // RFC 5952, 4.2.3
		"[2001:0db8:0:1:1:1:1:1]": "[2001:db8:0:1:1:1:1:1]", "[::ffff:192.0.2.1]": "[::ffff:192.0.2.1]", "192.0.2.1": "192.0.2.1", "[v1.A:b]": "[v1.a:b]",
	} {
		if a := ParseAuthority(in); a.Kind == NoHost || a.Canonical() != want {
			t.Errorf("%q: %v %q, want %q", in, a.Kind, a.Canonical(), want)
		}
	}
	for _, in := range []string{"a b", "u@h", "[::1", "[::1]x", "[1:2:3:4:5:6:7:8:9]", "[::1::]", "[1:2]", "a:b", "a/b", "%zz", "[fe80::1%25a]", "[01234::]"} {
		if a := ParseAuthority(in); a.Kind != NoHost {
			t.Errorf("%q: %v", in, a)
		}
	}
}

// The samples of RFC 3492, 7.1, (A), (D) and (L).
func TestPunycode(t *testing.T) {
	for in, want := range map[string]string{
		"egbpdaj6bu4bxfgehfvwxn": "ليهمابتكلموشعربي؟", "Proprostnemluvesky-uyb24dma41a": "Pročprostěnemluvíčesky", "3B-ww4c5e180e575a65lsy2b": "3年B組金八先生",
		"bcher-kva": "bücher",
	} {
		if got, ok := Punycode(in); !ok || got != want {
			t.Errorf("%q: %q %v", in, got, ok)
		}
	}
	for _, in := range []string{"a-!", "99999999", "-"} {
		if got, ok := Punycode(in); ok && in != "-" {
			t.Errorf("%q: %q", in, got)
		}
	}
}
