package generate

import (
	"fmt"
	"slices"
)

// Response makes the stream of a connection to an app: an answer to a request with the
// method, and often another behind it, which nobody asked for.
func Response(seed, n uint64) Case {
	g := newGen(seed, n)
	method := g.pick("GET", "GET", "GET", "POST", "HEAD", "OPTIONS")
	m := g.response(n)
	how := g.mutate(m, responseMutations)
	if g.chance(40) {
		m.rest += g.pick("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhidden", "HTTP/1.1 200 OK\r\n\r\nhidden", "x", "\r\n")
	}
	stream := m.String()
	if g.chance(8) {
		stream = g.bytewise(stream)
		how = append(how, "changed bytes")
	}
	if g.chance(3) {
		stream = stream[:g.IntN(len(stream)+1)]
		how = append(how, "cut off")
	}
	return Case{Stream: stream, Method: method, How: how}
}

// response makes a well-formed answer.
func (g *gen) response(n uint64) *message {
	m := &message{first: "HTTP/1.1", sp1: " ", second: "200", sp2: " ", third: "OK", lineEnd: "\r\n", headEnd: "\r\n", bodyEnd: "\r\n"}
	if g.chance(40) {
		m.second = g.pick("100", "101", "103", "201", "204", "206", "301", "304", "400", "404", "418", "500", "502", "599", "999")
		m.third = g.pick("Status", "", "A long reason, with (signs) \xe9")
	}
	m.add("X-Case", fmt.Sprint(n))
	for range g.IntN(4) {
		switch g.IntN(5) {
		case 0:
			m.add("Date", "Sun, 06 Nov 1994 08:49:37 GMT")
		case 1:
			m.add("Content-Type", "text/html; charset=utf-8")
		case 2:
			m.add("Set-Cookie", g.letters(1, 9)+"="+g.letters(0, 9))
		case 3:
			m.add("Connection", g.pick("keep-alive", "close"))
		case 4:
			m.add("X-"+g.letters(1, 9), g.letters(0, 30))
		}
	}
	switch g.IntN(5) {
	case 0, 1, 2:
		g.giveBody(m)
	case 3:
		m.body = g.content() // to the end of the connection
	}
	m.shuffle(g)
	return m
}

var responseMutations = slices.Concat(framings, fieldLines, []mutation{
	{"the status code", func(g *gen, m *message) {
		m.second = g.pick("000", "099", "100", "199", "600", "700", "999", "20", "2000", "2 00", "+20", "-20", "2OO", "", "0x8", "20\x00", "\uff12\uff10\uff10", "200.1", "2e2", " 200", "204", "304", "101", "1xx")
	}},
	{"the reason phrase", func(g *gen, m *message) {
		m.third = g.pick("", "OK\x00", "O\x01K", "O\tK", "\xff", "OK\rX: y", "OK\nX: y", "200", "OK ", " OK", "O\x7fK")
		if m.third == "" && g.chance(70) {
			m.sp2 = ""
		}
	}},
	{"the spaces of the status line", func(g *gen, m *message) {
		sp := g.pick("  ", "\t", "", "\v", "\u00a0", "\x00", "\r\n ", "-")
		if g.chance(50) {
			m.sp1 = sp
		} else {
			m.sp2 = sp
		}
	}},
	{"something before the status line", func(g *gen, m *message) {
		m.lead = g.pick("\r\n", "\n", " ", "\x00", "X", "HTTP/1.1 100 Continue\r\n\r\n", "ICY 200 OK\r\n\r\n", "\xef\xbb\xbf")
	}},
	{"an answer that has no body", func(g *gen, m *message) { m.second = g.pick("204", "304", "100", "103", "101", "205") }},
	{"HTTP/1.0", func(g *gen, m *message) {
		m.first = "HTTP/1.0"
		if g.chance(40) {
			m.add("Connection", "keep-alive")
		}
	}},
	{"HTTP/0.9", func(g *gen, m *message) { *m = message{body: g.content()} }},
})
