package generate

import (
	"fmt"
	"strings"
)

// Hidden is in the target of every request that stands where only a misreading finds one.
const Hidden = "/hidden"

// Request makes the stream of one connection: a request, and often another behind it.
func Request(seed, n uint64) Case {
	g := newGen(seed, n)
	m := g.request(n)
	how := g.mutate(m, requestMutations)
	if g.chance(50) {
		m.rest += g.follower(n)
	}
	stream := m.String()
	if g.chance(8) {
		stream = g.bytewise(stream)
		how = append(how, "changed bytes")
	}
	if g.chance(2) {
		stream = stream[:g.IntN(len(stream)+1)]
		how = append(how, "cut off")
	}
	return Case{Stream: stream, Method: m.first, How: how}
}

// request makes a well-formed request.
func (g *gen) request(n uint64) *message {
	m := &message{sp1: " ", sp2: " ", third: "HTTP/1.1", lineEnd: "\r\n", headEnd: "\r\n", bodyEnd: "\r\n"}
	m.first = g.pick("GET", "GET", "GET", "POST", "POST", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "PROPFIND", "QUERY")
	m.second = g.target()
	m.host = g.pick("example.com", "example.com", "a.test", "www.example.com:8080", "192.0.2.7", "[2001:db8::1]:80", "Example.COM")
	m.add("Host", m.host)
	m.add("X-Case", fmt.Sprint(n))
	for range g.IntN(5) {
		switch g.IntN(8) {
		case 0:
			m.add("User-Agent", "curl/8.5.0")
		case 1:
			m.add("Accept", "text/html, */*;q=0.8")
		case 2:
			m.add("Cookie", g.letters(1, 8)+"="+g.letters(0, 20))
		case 3:
			m.add("Content-Type", "application/json; charset=\"utf-8\"")
		case 4:
			m.add("X-"+g.letters(1, 10), g.letters(0, 30))
		case 5:
			m.add("X-Empty", "")
		case 6:
			m.add("Connection", g.pick("keep-alive", "Keep-Alive, TE", "keep-alive"))
		case 7:
			m.add("X-Forwarded-For", "203.0.113.9")
		}
		m.shuffle(g)
	}
	if !strings.Contains("GET HEAD DELETE OPTIONS TRACE", m.first) || g.chance(15) {
		g.giveBody(m)
	}
	m.shuffle(g)
	return m
}

func (g *gen) target() string {
	t := g.pick("/", "/a", "/a/b", "/index.html", "/"+g.letters(1, 12), "/a%20b", "/caf%C3%A9", "/~u/;p=1/@x:y", "/a//b", "/a/../b", "/%2e%2e/x", "/a%2fb")
	if g.chance(30) {
		t += g.pick("?", "?q=1", "?a=b&c=d", "?x=/?y", "?"+g.letters(0, 20)+"%00")
	}
	return t
}

// content is a body: often one that reads as a request where framing goes wrong.
func (g *gen) content() string {
	switch g.IntN(6) {
	case 0:
		return ""
	case 1:
		return "0\r\n\r\nGET " + Hidden + " HTTP/1.1\r\nHost: example.com\r\n\r\n"
	case 2:
		return "GET " + Hidden + " HTTP/1.1\r\nHost: example.com\r\nX-Y: "
	case 3:
		return g.letters(1, 5) + "\r\n"
	case 4:
		return g.letters(1, 300)
	}
	b := make([]byte, 1+g.IntN(60))
	for i := range b {
		b[i] = byte(g.IntN(256))
	}
	return string(b)
}

func (g *gen) giveBody(m *message) {
	body := g.content()
	if g.chance(50) {
		m.body, m.chunks = body, nil
		m.add("Content-Length", fmt.Sprint(len(body)))
		return
	}
	g.chunk(m, body)
	m.add("Transfer-Encoding", "chunked")
	if g.chance(15) {
		m.trailers = []field{line("X-Checksum", g.letters(4, 10))}
		m.add("Trailer", "X-Checksum")
	}
}

// chunk cuts a body into chunks.
func (g *gen) chunk(m *message, body string) {
	m.body = body
	m.chunks = []chunk{}
	for body != "" {
		n := 1 + g.IntN(len(body))
		size := fmt.Sprintf(g.pick("%x", "%X", "%x", "%04x"), n)
		m.chunks = append(m.chunks, chunk{size, "", "\r\n", body[:n], "\r\n"})
		body = body[n:]
	}
	m.chunks = append(m.chunks, chunk{size: "0", end: "\r\n"})
}

// follower is a second request on the connection.
func (g *gen) follower(n uint64) string {
	m := g.request(n)
	m.second = "/after"
	return m.String()
}

// Chunked makes the bytes of a chunked body, with something behind it.
func Chunked(seed, n uint64) string {
	g := newGen(seed, n)
	m := &message{bodyEnd: "\r\n"}
	g.chunk(m, g.content())
	g.mutate(m, framings)
	if m.chunks == nil {
		g.chunk(m, m.body)
	}
	m.fields, m.headEnd = nil, ""
	s := m.String() + g.pick("", "GET / HTTP/1.1\r\n", "\r\n", "x")
	if g.chance(15) {
		s = g.bytewise(s)
	}
	return s
}
