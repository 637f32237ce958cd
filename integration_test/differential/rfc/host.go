package rfc

import (
	"fmt"
	"strconv"
	"strings"
)

// HostKind is what a host is (RFC 3986, 3.2.2).
type HostKind uint8

// The kinds of hosts.
const (
	NoHost    HostKind = iota // no host by the grammar
	EmptyHost                 // a reg-name of no characters
	Name
	IPv4
	IPv6
	IPvFuture
	NotASCII // a host but for bytes from 0x80 on, which a URI must percent-encode
)

// Authority is the reading of uri-host [ ":" port ] (RFC 9110, 7.2).
type Authority struct {
	Kind HostKind
	Host string // as received, without the brackets of an IP literal
	Port string // as received
	Has  bool   // there is a colon with a port, which may be empty
	Addr [16]byte
}

// ParseAuthority reads a host with optional port, and no user information.
func ParseAuthority(s string) (a Authority) {
	rest := ""
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return a
		}
		a.Host, rest = s[1:end], s[end+1:]
		if addr, ok := ipv6(a.Host); ok {
			a.Kind, a.Addr = IPv6, addr
		} else if ipvFuture(a.Host) {
			a.Kind = IPvFuture
		} else {
			return a
		}
		if rest != "" && rest[0] != ':' {
			return Authority{}
		}
	} else {
		a.Host, rest = s, ""
		if i := strings.IndexByte(s, ':'); i >= 0 {
			a.Host, rest = s[:i], s[i:]
		}
		high := func(c byte) bool { return c >= 0x80 }
		regName := func(c byte) bool { return unreserved(c) || subDelim(c) || c == '%' }
		switch {
		case a.Host == "":
			a.Kind = EmptyHost
		case ipv4(a.Host):
			a.Kind = IPv4
		case every(a.Host, regName) && pctEncoded(a.Host):
			a.Kind = Name
		case every(a.Host, func(c byte) bool { return regName(c) || high(c) }) && pctEncoded(a.Host):
			a.Kind = NotASCII
		default:
			return Authority{}
		}
	}
	if rest != "" {
		a.Has, a.Port = true, rest[1:]
		if !every(a.Port, digit) {
			return Authority{}
		}
	}
	return a
}

// PlainPort tells whether the port is a number from 1 to 65535 without leading zeros, or
// not there at all, not even its colon.
func (a Authority) PlainPort() bool {
	if !a.Has {
		return true
	}
	n, err := strconv.Atoi(a.Port)
	return err == nil && n > 0 && n < 1<<16 && a.Port[0] != '0'
}

// Canonical is the one way to write the host, for comparison: lower case (RFC 3986,
// 6.2.2.1), without the dot that names the root, addresses as RFC 5952, 4 has them. It
// leaves names that are not ASCII as they are.
func (a Authority) Canonical() string {
	switch a.Kind {
	case IPv6:
		return "[" + formatIPv6(a.Addr) + "]"
	case IPvFuture:
		return "[" + lower(a.Host) + "]"
	}
	return strings.TrimSuffix(lower(a.Host), ".")
}

// InDNS tells whether a reg-name can be a host's name in the DNS: labels of up to 63 letters,
// digits, hyphens (not at the ends) and, as is common, underscores; up to 253 characters;
// the last label not a number, which would make it an address (RFC 1123, 2.1).
func (a Authority) InDNS() bool {
	name := strings.TrimSuffix(a.Host, ".")
	labels := strings.Split(lower(name), ".")
	for _, l := range labels {
		letter := func(c byte) bool { return alpha(c) || digit(c) || c == '-' || c == '_' }
		if l == "" || len(l) > 63 || !every(l, letter) || l[0] == '-' || l[len(l)-1] == '-' || strings.Trim(l, "-_") == "" {
			return false
		}
	}
	last := labels[len(labels)-1]
	number := every(last, digit) || strings.HasPrefix(last, "0x") && every(last[2:], hexdig)
	return len(name) <= 253 && !number
}

// decOctet: RFC 3986, 3.2.2; no leading zeros.
func decOctet(s string) (byte, bool) {
	if s == "" || len(s) > 3 || !every(s, digit) || len(s) > 1 && s[0] == '0' {
		return 0, false
	}
	n, _ := strconv.Atoi(s)
	return byte(n), n <= 255
}

func ipv4(s string) bool {
	_, ok := ipv4Bytes(s)
	return ok
}

func ipv4Bytes(s string) (b [4]byte, ok bool) {
	parts := strings.Split(s, ".")
	if len(parts) != 4 {
		return b, false
	}
	for i, p := range parts {
		if b[i], ok = decOctet(p); !ok {
			return b, false
		}
	}
	return b, true
}

// ipv6 reads an IPv6address (RFC 3986, 3.2.2; RFC 4291, 2.2): eight groups of up to four
// hexadecimal digits, the last two perhaps as an IPv4 address, and once "::" for one or
// more groups of zero.
func ipv6(s string) (addr [16]byte, ok bool) {
	front, back, short := strings.Cut(s, "::")
	if strings.Contains(back, "::") {
		return addr, false
	}
	groups := func(s string, last bool) (b []byte, ok bool) {
		if s == "" {
			return nil, true
		}
		parts := strings.Split(s, ":")
		for i, p := range parts {
			if v4, ok := ipv4Bytes(p); ok && last && i == len(parts)-1 {
				return append(b, v4[:]...), true
			}
			if p == "" || len(p) > 4 || !every(p, hexdig) {
				return nil, false
			}
			n, _ := strconv.ParseUint(p, 16, 16)
			b = append(b, byte(n>>8), byte(n))
		}
		return b, true
	}
	f, ok1 := groups(front, !short)
	b, ok2 := groups(back, true)
	switch n := len(f) + len(b); {
	case !ok1 || !ok2, !short && n != 16, short && n > 14:
		return addr, false
	}
	copy(addr[:], f)
	copy(addr[16-len(b):], b)
	return addr, true
}

// formatIPv6 writes an address as RFC 5952, 4 has it: lower case, no leading zeros, "::"
// for the longest run of at least two groups of zero, the first if there are two; and 5:
// IPv4-mapped addresses with the IPv4 address in its own notation.
func formatIPv6(a [16]byte) string {
	var g [8]int
	for i := range g {
		g[i] = int(a[2*i])<<8 | int(a[2*i+1])
	}
	if g[0]|g[1]|g[2]|g[3]|g[4] == 0 && g[5] == 0xffff {
		return fmt.Sprintf("::ffff:%d.%d.%d.%d", a[12], a[13], a[14], a[15])
	}
	best, length := -1, 1
	for i := range g {
		n := 0
		for i+n < 8 && g[i+n] == 0 {
			n++
		}
		if n > length {
			best, length = i, n
		}
	}
	text := func(g []int) string {
		parts := make([]string, len(g))
		for i, v := range g {
			parts[i] = strconv.FormatInt(int64(v), 16)
		}
		return strings.Join(parts, ":")
	}
	if best < 0 {
		return text(g[:])
	}
	return text(g[:best]) + "::" + text(g[best+length:])
}

// ipvFuture: "v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" ).
func ipvFuture(s string) bool {
	if s == "" || s[0]|0x20 != 'v' {
		return false
	}
	version, rest, ok := strings.Cut(s[1:], ".")
	return ok && version != "" && every(version, hexdig) && rest != "" &&
		every(rest, func(c byte) bool { return unreserved(c) || subDelim(c) || c == ':' })
}
