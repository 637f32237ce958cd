package generate

import "strings"

// Host is the value of a Host field, or what somebody might take for one.
func (g *gen) Host() string {
	h := g.pick("example.com", "a.test", "EXAMPLE.com", "xn--bcher-kva.example", "XN--BCHER-KVA.example", "b\u00fccher.example", "B\u00dcCHER.example", "\u4f8b\u3048.\u30c6\u30b9\u30c8", "192.0.2.7", "127.1", "0x7f.1", "0177.0.0.1",
		"192.0.2.256", "1.2.3", "2130706433", "[2001:db8::1]", "[::]", "[::ffff:192.0.2.1]", "[2001:DB8:0:0::1]", "[v1.fe80::a+en1]", "[fe80::1%25eth0]", "[fe80::1%eth0]", "[::1", "::1", "[]", "[1:2:3:4:5:6:7:8:9]", "[1::2::3]",
		"[12345::]", "a_b.example", "-a.example", "a-.example", "a..b", ".a", "a.", "a..", ".", "", "*", "*.example.com", "a b", "a\tb", "a,b", "a, b", "a;b", "u@example.com", "u:p@example.com", "http://example.com",
		"example.com/", "example.com/x", "example.com?x", "example.com#x", "example.com\\", "ex%61mple.com", "ex%zzample.com", "%65xample.com", "localhost", "xn--", "xn--a", "xn--\u00fc", "\u00ad.example", "example\u3002com",
		"\uff11\uff12\uff17.0.0.1", "e\u0301.example", "\u00df.example", "\xff.example", "\x00", "a\x00b", "a\x7fb", "(", "a'b", "a!b", "a$b&c", "a=b", "a+b", "~a", "example.com:80, other.test",
		strings.Repeat("a", g.pickInt(63, 64))+".example", strings.Repeat("a.", g.pickInt(120, 126, 127, 200))+"b", "g\u00fcn.xn--bcher-kva")
	if g.chance(40) {
		h += g.pick(":80", ":8080", ":0", ":", ":080", ":65535", ":65536", ":99999999999999999999", ":80 ", ":+80", ":-1", ":a", ":80:80", ": 80", ":8o", ":80/", ":80@b", ":\u0661", "::80", ":443")
	}
	if g.chance(10) {
		h += g.pick(".", "..", " ", "\t")
	}
	if g.chance(5) {
		h = g.bytewise(h)
	}
	return h
}

// Host makes a host for a test of hosts alone.
func Host(seed, n uint64) string { return newGen(seed, n).Host() }

// Path makes the path of a target, often one that apps read in different ways.
func Path(seed, n uint64) string {
	g := newGen(seed, n)
	var b strings.Builder
	b.WriteString(g.pick("/", "/", "/", "/", "", "//"))
	for range g.IntN(8) {
		b.WriteString(g.pick("api", "admin", "a", "b", "x", "API", "/", "/", "/", "/", ".", "..", "%2e", "%2E%2e", "%2F", "%2f", "%61pi", "%252e", "%252F", ";", ";x=1", "\\", "%5c", "//", "\u00e9", "%C3%A9", "?", "%3f", "%23", "#",
			"%20", " ", "%", "%zz", "%00", "\x00", "*", "...", ".api", "api.", "%2561", "%25%32%65"))
	}
	return b.String()
}
