package generate

import (
	"fmt"
	"slices"
	"strings"
)

// fieldLines are the mutations of lines and fields. They fit requests and answers.
var fieldLines = []mutation{
	{"a line ends otherwise", func(g *gen, m *message) {
		end := g.pick("\n", "\r", "\r\r\n", "\n\r", "", " \r\n", "\r\n\r\n", "\r\n ", "\r\n\t", "\x00\r\n", "\r \n", "\v\r\n", "\u0085")
		switch i := g.IntN(len(m.fields) + 2); i {
		case len(m.fields):
			m.lineEnd = end
		case len(m.fields) + 1:
			m.headEnd = end
		default:
			m.fields[i].end = end
		}
	}},
	{"all lines end with LF", func(_ *gen, m *message) {
		m.lineEnd, m.headEnd = "\n", "\n"
		for i := range m.fields {
			m.fields[i].end = "\n"
		}
	}},
	{"a folded line", func(g *gen, m *message) {
		f := g.field(m)
		f.value += g.pick("\r\n ", "\r\n\t", "\n ", "\r ", "\r\n  ") + g.pick("", "x", "chunked", "5", f.value, "X: y", "Host: b.test")
	}},
	{"white space before a field", func(g *gen, m *message) {
		f := g.field(m)
		f.name = g.pick(" ", "\t", "  ", "\v", "\x00", "\u00a0", "\r") + f.name
	}},
	{"something before the colon", func(g *gen, m *message) {
		f := g.field(m)
		f.sep = g.pick(" : ", "\t:", " :", "  :", "\x00:", "\r:", "\v: ", "\u00a0:", "\n: ", ";: ")
	}},
	{"something else behind the colon", func(g *gen, m *message) {
		f := g.field(m)
		f.sep = g.pick(":", ":\t", ":  \t ", ": \v", ":\x00", ":\r", ":\n ", ":\r\n ", ":\x0c", ":\u00a0", "", " ", "=", "::", ": :", ":\x01", ":\x7f")
		if g.chance(30) {
			f.value += g.pick(" ", "\t", " \t ", "\v", "\x0c", "\u00a0")
		}
	}},
	{"a byte in a name", func(g *gen, m *message) {
		if g.chance(50) {
			m.add("X-"+g.letters(1, 4), "1")
			m.shuffle(g)
		}
		f := g.field(m)
		cut := g.IntN(len(f.name) + 1)
		f.name = f.name[:cut] + string([]byte{byte(g.IntN(256))}) + f.name[cut:]
	}},
	{"a byte in a value", func(g *gen, m *message) {
		f := g.field(m)
		cut := g.IntN(len(f.value) + 1)
		f.value = f.value[:cut] + string([]byte{byte(g.IntN(256))}) + f.value[cut:]
	}},
	{"no name", func(g *gen, m *message) {
		m.fields = append(m.fields, field{"", g.pick(":", ": ", ""), g.letters(0, 5), "\r\n"})
		m.shuffle(g)
	}},
	{"names in another case", func(g *gen, m *message) {
		for i := range m.fields {
			m.fields[i].name = g.anyCase(m.fields[i].name)
		}
	}},
	{"a long field", func(g *gen, m *message) {
		// At the limits of a buffer, a head, and the edge's own.
		n := g.pickInt(100, 1000, 4080, 8180, 8192)
		if g.chance(10) {
			n = g.pickInt(16384, 32000, 32768-len(m.String())-11, 32768, 33000, 70000)
		}
		if g.chance(70) {
			m.add("X-Long", strings.Repeat("v", max(0, n)))
		} else {
			m.add(strings.Repeat("n", max(1, n)), "v")
		}
	}},
	{"many fields", func(g *gen, m *message) {
		for range g.pickInt(20, 50, 99, 101, 200, 250, 256, 300) {
			m.add("X", "y")
		}
	}},
	{"Connection", func(g *gen, m *message) {
		m.drop("Connection")
		m.add("Connection", g.pick("close", "Close", "keep-alive", "close, keep-alive", "closed", "x-close", "keep-alive, close", "", ",", ", close", "close,", "clo se", "\"close\"",
			"Host", "Content-Length", "Transfer-Encoding", "X-Case", "x-case, Host", "Cookie", "Content-Type, close", "Connection", "close;q=1", "close\v", "close x", "keep-alive;x", "TE, close",
			"X-Forwarded-For", "Authorization", strings.Repeat(",", g.pickInt(100, 126, 127, 128, 129, 200)), "upgrade", "Transfer-Encoding, close", "x,\tclose\t,y", "close\x00"))
		if g.chance(20) {
			m.add("Connection", g.pick("close", "keep-alive", "X-Case"))
		}
		m.shuffle(g)
	}},
	{"a field of the edge", func(g *gen, m *message) {
		m.add(g.pick("X-Forwarded-For", "X_Forwarded_For", "X-Request-Id", "X-Edge-Replay", "Forwarded", "X-Forwarded-Host", "Proxy-Connection", "Keep-Alive", "TE", "Trailer", "Proxy-Authorization", "HTTP2-Settings"),
			g.pick("127.0.0.1", "close", "timeout=5", "trailers", "x", "host=a"))
	}},
	{"lines in another order", func(g *gen, m *message) {
		g.Shuffle(len(m.fields), func(i, k int) { m.fields[i], m.fields[k] = m.fields[k], m.fields[i] })
	}},
	{"the version", func(g *gen, m *message) {
		v := g.pick("HTTP/1.0", "HTTP/1.0", "HTTP/1.0", "HTTP/1.2", "HTTP/1.9", "HTTP/2.0", "HTTP/0.9", "HTTP/3.0", "http/1.1", "Http/1.1", "HTTP/1", "HTTP/11", "HTTP/1.10", "HTTP/01.1",
			"HTTP/1.01", "HTTP/1,1", "HTTP/1.1.1", "HTTP /1.1", "HTTP/ 1.1", "HTTP/1. 1", "HTTP/+1.1", "HTTP/-1.1", "HTTPS/1.1", "HTCPCP/1.0", "XHTTP/1.1", "", "HTTP/1.1\x00", "HTTP/1.1 ", "HTTP/1.1\t",
			"HTTP/\uff11.1", "HTTP/1.:", "HTTP/:.1", "HTTP/1.1x", "HTTP/9.9", "HTTP/1.1 HTTP/1.0")
		if m.third == "HTTP/1.1" {
			m.third = v
		} else {
			m.first = v
		}
	}},
}

// requestMutations are those of requests.
var requestMutations = slices.Concat(framings, framings, fieldLines, fieldLines, []mutation{
	{"empty lines before the request line", func(g *gen, m *message) {
		m.lead = g.pick("\r\n", "\r\n", "\n", "\r", "\r\n\r\n", "\n\n", " \r\n", "\r\n\n", "\x00", "\r\n ", "\t", " ", "\xef\xbb\xbf", "\r\n\r\n\r\n")
	}},
	{"the method", func(g *gen, m *message) {
		m.first = g.pick("get", "Get", "pOST", "PURGE", "G", strings.Repeat("M", g.pickInt(18, 23, 24, 25, 32, 300)), "M-SEARCH", "VERSION_CONTROL", "!#$%&'*+-.^_`|~09", "GE(T", "G,T", "G/T", "G:T",
			"", "G\x00T", "G\tT", "\"GET\"", "G\u00c9T", "GET\u00a0", "PRI", "CONNECT", "HTTP/1.1", "G=T", "[GET]", "G@T", "{GET}")
	}},
	{"the spaces of the request line", func(g *gen, m *message) {
		sp := g.pick("  ", "\t", " \t", "", "\v", "\x0c", "\u00a0", "\x00", "\r", "\n", "\r\n", "   ", "%20", "\u2003")
		if g.chance(50) {
			m.sp1 = sp
		} else {
			m.sp2 = sp
		}
	}},
	{"the absolute form", func(g *gen, m *message) {
		host := g.pick(m.host, m.host, m.host, strings.ToUpper(m.host), m.host+":80", "other.test", "", "u@"+m.host, "u:p@"+m.host, m.host+":", "@", ":80", m.host+".", "[::1", m.host+"\\", m.host+"@other.test")
		m.second = g.pick("http://", "http://", "http://", "HTTP://", "https://", "Http://", "ftp://", "http:/", "http:", "http:///", "//", "ws://", "xhttp://", "http:\\\\", "://", "http://http://") + host +
			g.pick(m.second, m.second, "", "?q", "/", "/?", "/x://y", "\\x", "#f", "/#f", "?x#y", ";p")
	}},
	{"absolute form of OPTIONS", func(g *gen, m *message) {
		m.first, m.second = "OPTIONS", "http://"+m.host+g.pick("", "", "/", "?", "*", "/*")
	}},
	{"another form of the target", func(g *gen, m *message) {
		m.second = g.pick("*", "*", "", "example.com:80", "example.com", "a", "?q", "./a", "../a", "*a", "/*", "\\", "%2f", "@", "://", "a://b", ":", "http", "%")
		if g.chance(40) {
			m.first = g.pick("CONNECT", "OPTIONS", "OPTIONS", "connect")
		}
	}},
	{"a character in the target", func(g *gen, m *message) {
		cut := 1 + g.IntN(len(m.second)+1)
		cut = min(cut, len(m.second))
		b := string([]byte{byte(g.IntN(256))})
		m.second = m.second[:cut] + g.pick(b, b, "%zz", "%", "%2", "%00", "%u0041", "{}", "|", "\"", "<>", "^", "`", "[]", "\\", "#", "\u00e9", "%0d%0a", " HTTP/1.0", "\t", "%C0%AF") + m.second[cut:]
	}},
	{"a long target", func(g *gen, m *message) {
		n := g.pickInt(500, 4000, 8100, 8192)
		if g.chance(10) {
			n = g.pickInt(16300, 32000, 32750, 32768, 33000, 70000)
		}
		m.second = "/" + strings.Repeat("t", n)
	}},
	{"no Host", func(_ *gen, m *message) { m.drop("Host") }},
	{"two Hosts", func(g *gen, m *message) {
		m.add(g.pick("Host", "host", "HOST"), g.pick(m.host, "other.test", ""))
		m.shuffle(g)
	}},
	{"Host in another way", func(g *gen, m *message) { m.host = g.Host(); m.set("Host", m.host) }},
	{"Host in another way", func(g *gen, m *message) { m.host = g.Host(); m.set("Host", m.host) }},
	{"HTTP/1.0", func(g *gen, m *message) {
		m.third = "HTTP/1.0"
		if g.chance(50) {
			m.add("Connection", g.pick("keep-alive", "Keep-Alive", "close"))
		}
		if g.chance(20) {
			m.drop("Host")
		}
	}},
	{"Expect", func(g *gen, m *message) {
		m.add("Expect", g.pick("100-continue", "100-Continue", "100-CONTINUE", "100-continue, x", "100-continue,", "x", "", "100", "100-continue;q=1", "\"100-continue\"", "200-ok", "100-continue\x00", "100-continue 100-continue"))
		if g.chance(15) {
			m.add("Expect", g.pick("100-continue", "x"))
		}
	}},
	{"Upgrade", func(g *gen, m *message) {
		m.drop("Connection")
		m.add("Connection", g.pick("Upgrade", "upgrade", "keep-alive, Upgrade", "Upgrade, HTTP2-Settings", "close, upgrade", "x"))
		m.add("Upgrade", g.pick("websocket", "WebSocket", "h2c", "h2", "H2C", "foo/2", "websocket, h2c", "", "TLS/1.0", "HTTP/2.0", "h2c\t", "websocket\x00", "\"h2c\""))
		if g.chance(20) {
			m.add("Upgrade", g.pick("h2c", "websocket"))
		}
		if g.chance(30) {
			m.add("HTTP2-Settings", "AAMAAABkAAQCAAAAAAIAAAAA")
		}
	}},
	{"a request where the body would end", func(g *gen, m *message) {
		hidden := "GET " + Hidden + " HTTP/1.1\r\nHost: example.com\r\n\r\n"
		m.rest = g.pick("", "\r\n", "0\r\n\r\n", "\n", "x", "\r\n\r\n") + hidden + m.rest
	}},
	{"GET with a body", func(g *gen, m *message) {
		m.first = g.pick("GET", "HEAD", "DELETE", "TRACE")
		if m.chunks == nil && m.body == "" {
			m.body = g.content()
			m.set("Content-Length", fmt.Sprint(len(m.body)))
		}
	}},
	{"HTTP/0.9", func(g *gen, m *message) {
		m.sp2, m.third = "", ""
		if g.chance(50) {
			m.fields, m.headEnd = nil, g.pick("", "\r\n")
			m.fields = []field{}
		}
	}},
	{"TLS", func(g *gen, m *message) {
		m.lead = g.pick("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "\x80\x2e\x01\x03\x00")
	}},
	{"the preface of HTTP/2", func(g *gen, m *message) {
		m.lead = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	}},
	{"a PROXY header", func(g *gen, m *message) { m.lead = "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" }},
	{"a header in the target", func(g *gen, m *message) {
		m.second += g.pick("\r\nX: y", "\nX: y", "\rX: y", "%0aX:y", " HTTP/1.1\r\nX: y\r\n\r\nGET "+Hidden)
	}},
})
