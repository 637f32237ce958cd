package generate

import (
	"fmt"
	"strings"
)

// framings are the mutations of framing: lengths, codings, chunks, trailers. They fit
// requests and answers.
var framings = []mutation{
	{"a second Content-Length", func(g *gen, m *message) {
		n := len(m.body)
		m.set("Content-Length", fmt.Sprint(n))
		m.add(g.pick("Content-Length", "content-length", "CONTENT-LENGTH"), g.pick(fmt.Sprint(n), fmt.Sprint(n), "0", "00", fmt.Sprint(n+1), "0"+fmt.Sprint(n), ""))
		m.shuffle(g)
	}},
	{"a Content-Length in another way", func(g *gen, m *message) {
		n := len(m.body)
		m.set("Content-Length", fmt.Sprintf(g.pick("+%d", "0%d", "000%d", "%d, %[1]d", "%d,%[1]d", "%d, 0", "0, %d", "-%d", "0x%x", "%x", "%d.0", "%d ", " %d",
			"%d;", "%d,", ",%d", "\"%d\"", "%de0", "%d\x00", "%d\v", "1_%d", "%d 0", "%d\t", "0000000000000000000%d", "%d\u00a0", "\uff10%d"), n))
	}},
	{"a Content-Length out of range", func(g *gen, m *message) {
		m.set("Content-Length", g.pick("9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616", "18446744073709551621",
			"999999999999999999", "1000000000000000000", "4294967296", "4294967301", "99999999999999999999999999", "-1", "2147483648", "", "١"))
	}},
	{"a Content-Length that is off", func(g *gen, m *message) {
		m.set("Content-Length", fmt.Sprint(max(0, len(m.body)+g.IntN(9)-4)))
	}},
	{"Transfer-Encoding in another way", func(g *gen, m *message) {
		m.set("Transfer-Encoding", g.pick("chunked", "Chunked", "CHUNKED", g.anyCase("chunked"), "\tchunked", "chunked\t", " chunked ", "chunked,", ",chunked", ", chunked",
			"chunked, chunked", "chunked,chunked", "identity", "identity, chunked", "chunked, identity", "gzip, chunked", "chunked, gzip", "gzip", "x-chunked", "chunkedx",
			"chunked;a=b", "chunked; q=1", "xchunked", "\"chunked\"", "chunked\x00", "\vchunked", "chunked\v", "\x0cchunked", "chun ked", "", "cow", "chunked foo", "chunked\u00a0",
			"chunk", "deflate;x=\"a,chunked\"", "foo;a=\"b, chunked", "br, chunked", "Identity"))
		if m.chunks == nil && g.chance(70) {
			g.chunk(m, m.body)
			if g.chance(60) {
				m.drop("Content-Length")
			}
		}
	}},
	{"two Transfer-Encodings", func(g *gen, m *message) {
		m.set("Transfer-Encoding", g.pick("chunked", "gzip", "identity", ""))
		m.add("Transfer-Encoding", g.pick("chunked", "chunked", "identity", "gzip", "cow"))
		if m.chunks == nil {
			g.chunk(m, m.body)
			m.drop("Content-Length")
		}
		m.shuffle(g)
	}},
	{"both framings", func(g *gen, m *message) {
		if m.chunks == nil {
			g.chunk(m, m.body)
		}
		m.set("Transfer-Encoding", g.pick("chunked", "chunked", "chunked", "Chunked", "gzip, chunked", "identity"))
		m.set("Content-Length", g.pick("0", fmt.Sprint(len(m.body)), "4", "x", "1000"))
		m.shuffle(g)
	}},
	{"a lookalike of a framing field", func(g *gen, m *message) {
		m.add(g.pick("Content_Length", "Transfer_Encoding", "Content-Length\u00a0", "Content Length", "Transfer-Encodin\u017f", "XTransfer-Encoding", "Content-Length-", "content.length"),
			g.pick("chunked", "0", "5"))
		m.shuffle(g)
	}},
	{"a chunk size in another way", func(g *gen, m *message) {
		g.needChunks(m)
		c := &m.chunks[g.IntN(len(m.chunks))]
		c.size = fmt.Sprintf(g.pick("0%s", "0000000%s", "00000000000000%s", "000000000000000%s", "0000000000000000%s", "0x%s", "0X%s", "+%s", "-%s", " %s", "%s ", "\t%s", "%s\t",
			"%s\x00", "%sg", "%sh", "%s.0", "%s,", "_%s", "%s_0", "%s \t ", "1%s", "\u00a0%s", "", "%s\v", "%s\r", "%s%%", "\x00%s", "\n%s", "\r\n%s"), c.size)
		c.size = strings.SplitN(c.size, "%!(EXTRA", 2)[0]
	}},
	{"a chunk size out of range", func(g *gen, m *message) {
		g.needChunks(m)
		m.chunks[g.IntN(len(m.chunks))].size = g.pick("7fffffffffffffff", "8000000000000000", "ffffffffffffffff", "10000000000000000", "10000000000000005", "fffffffffffffff",
			"100000005", "ffffffff", "80000000", "-1", "1ffffffffffffffff", strings.Repeat("f", 40), strings.Repeat("0", 300)+"5")
	}},
	{"a chunk size that is off", func(g *gen, m *message) {
		g.needChunks(m)
		c := &m.chunks[g.IntN(len(m.chunks))]
		c.size = fmt.Sprintf("%x", max(0, len(c.data)+g.IntN(5)-2))
	}},
	{"a chunk extension", func(g *gen, m *message) {
		g.needChunks(m)
		m.chunks[g.IntN(len(m.chunks))].ext = g.pick(";a", ";a=b", ";a=\"b\"", ";a=\"b;c\"", ";a=\"\\\"\"", "; a = b", " ;a", "\t;a=b", ";", ";;", ";=", ";a=", ";=b", ";a=\"b", ";a b", ";a\x00", ";a\x01",
			";\"a\"", ";a=b;c=d", ";a\r", ";a\n", ";a\nGET "+Hidden+" HTTP/1.1\nHost: x\n\n", ";a=\"\r\n0\r\n\r\n\"", ";a=\"\n\"", ";"+strings.Repeat("a", g.pickInt(100, 254, 256, 300)), " a", "a", ";\xff", ";a=\u2028", ",a", "\\;a")
	}},
	{"the end of a chunk line", func(g *gen, m *message) {
		g.needChunks(m)
		m.chunks[g.IntN(len(m.chunks))].end = g.pick("\n", "\r", "\r\r\n", "\n\r\n", "\r\n\r\n", "", " \r\n", "\r \n", "\x00\r\n", "\u2028")
	}},
	{"the end of chunk data", func(g *gen, m *message) {
		g.needChunks(m)
		m.chunks[g.IntN(len(m.chunks))].dataEnd = g.pick("\n", "\r", "", "\r\r\n", "\n\n", "\r\n\r\n", "x\r\n", " \r\n", "\n\r", "\r\nx", "\r\x00", "XX")
	}},
	{"the end of the trailers", func(g *gen, m *message) {
		g.needChunks(m)
		m.bodyEnd = g.pick("\n", "", "\r", "\r\n\r\n", " \r\n", "\r\r\n", "\n\n")
	}},
	{"a last chunk in another way", func(g *gen, m *message) {
		g.needChunks(m)
		m.chunks[len(m.chunks)-1].size = g.pick("00", "0000000000000000", "000", "", "-0", "+0", "0x0", "0 ", "O", "0;a", "0\x00", strings.Repeat("0", 15), strings.Repeat("0", 250))
	}},
	{"no last chunk", func(g *gen, m *message) {
		g.needChunks(m)
		m.chunks[len(m.chunks)-1] = chunk{}
		m.bodyEnd = ""
	}},
	{"trailers", func(g *gen, m *message) {
		g.needChunks(m)
		m.trailers = append(m.trailers, g.trailer())
		if g.chance(30) {
			m.trailers = append(m.trailers, line("X-End", "1"))
		}
	}},
	{"many trailers", func(g *gen, m *message) {
		g.needChunks(m)
		for i := range g.pickInt(10, 80, 255, 256, 257, 300) {
			m.trailers = append(m.trailers, line("T", strings.Repeat("y", i%30)))
		}
	}},
	{"a chunked body without the field", func(g *gen, m *message) {
		g.needChunks(m)
		m.drop("Transfer-Encoding")
	}},
	{"a body without the field", func(g *gen, m *message) {
		m.drop("Content-Length")
		if m.body == "" {
			m.body = g.content()
		}
	}},
}

func (g *gen) pickInt(of ...int) int { return of[g.IntN(len(of))] }

// needChunks makes the message chunked if it is not.
func (g *gen) needChunks(m *message) {
	if m.chunks != nil {
		return
	}
	if m.body == "" {
		m.body = g.content()
	}
	g.chunk(m, m.body)
	m.drop("Content-Length")
	m.set("Transfer-Encoding", "chunked")
}

func (g *gen) trailer() field {
	switch g.IntN(4) {
	case 0:
		return line(g.pick("Content-Length", "Transfer-Encoding", "Host", "Connection", "Trailer", "TE", "Upgrade", "Expect", "Content_Length", "Keep-Alive"), g.pick("5", "chunked", "x"))
	case 1:
		return line(g.pick("X-Forwarded-For", "X-Request-Id", "X-Edge-Replay", "Authorization", "Cookie", "Content-Type", "Forwarded"), "1")
	case 2:
		return field{g.pick("X", "X ", " X", "", "X\x00", "X Y"), g.pick(":", ": ", "", " : "), g.pick("", "v", "v\x00", "v\x01", "v\rw"), g.pick("\r\n", "\n", "\r\n ", "\r")}
	}
	return line("X-"+g.letters(1, 6), g.letters(0, 9))
}
