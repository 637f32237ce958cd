package routing

import (
	"bytes"
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Host is a host name or an IP address in its one canonical form: lower case,
// A-labels, no root dot, no port; IPv6 in brackets as RFC 5952 writes it. Only
// [ParseHost] makes one, so two hosts are the same exactly if they are equal.
// The zero value is no host, and no table serves it.
type Host struct{ name string }

// String is the canonical form; "" for the zero value.
func (h Host) String() string { return h.name }

// HostError is why an authority is not a host. Its text is short, fixed and
// free of the input, so it may be logged; making one costs no allocation.
type HostError uint8

// The zero HostError is no error and never returned as one.
const (
	errHostEmpty HostError = iota + 1
	errHostLong
	errHostChar
	errHostLabel
	errHostLabel63
	errHostHyphen
	errHostNothing
	errHostPort
	errHostIPv4
	errHostIPv6
	errHostBare6
	errHostUTF8
	errHostIDNA
)

// Error is the reason.
func (e HostError) Error() string {
	switch e {
	case errHostEmpty:
		return "the host is empty"
	case errHostLong:
		return "the host is longer than 253 characters"
	case errHostChar:
		return "the host has a character that no host name has"
	case errHostLabel:
		return "a label of the host is empty"
	case errHostLabel63:
		return "a label of the host is longer than 63 characters"
	case errHostHyphen:
		return "a label of the host begins or ends with a hyphen"
	case errHostNothing:
		return "a label of the host has neither a letter nor a digit"
	case errHostPort:
		return "the port is not a number from 1 to 65535 without leading zeros"
	case errHostIPv4:
		return "the host ends in a number but is not an IPv4 address of four plain decimal numbers"
	case errHostIPv6:
		return "the host is not an IPv6 address without zone in brackets"
	case errHostBare6:
		return "an IPv6 address needs brackets"
	case errHostUTF8:
		return "the host is not valid UTF-8"
	case errHostIDNA:
		return "the host is not a valid internationalised name"
	}
	return "the host is malformed"
}

const (
	maxName  = 253 // RFC 1035 section 2.3.4: 255 octets on the wire, without the root dot
	maxLabel = 63
	// maxAuthority bounds the work on input that cannot become a host: a
	// U-label in UTF-8 is longer than its A-label, but at most four bytes for
	// each of the name's characters.
	maxAuthority = 4*maxName + len(".:65535")
)

// ParseHost reads the value of a Host field or the authority of a target:
// "host" or "host:port" (RFC 9110 section 7.2, RFC 3986 section 3.2.2). The
// port is checked and dropped. Errors are of type [HostError].
//
// It is stricter than RFC 3986 where two readers could disagree: there is no
// user information, no percent-encoding, no empty port, no port with leading
// zeros, and what ends in a number is an IPv4 address in its canonical form or
// nothing ("127.1" and "0x7f.1" are addresses to some and names to others).
// It is wider than RFC 1035 in two ways that are common in the wild and harm
// nobody: labels may hold underscores, and hyphens as third and fourth
// character. Names with characters beyond ASCII or with A-labels follow IDNA
// (RFC 5890, 5891; the lookup profile of UTS #46) as a whole; no underscores there.
func ParseHost(authority []byte) (Host, error) {
	var buf [maxName]byte
	name, reason := appendHost(buf[:0], authority)
	if reason != 0 {
		return Host{}, reason
	}
	return Host{string(name)}, nil
}

// appendHost appends the canonical form of authority to dst, which must be
// empty. Nothing is allocated if dst has room for maxName bytes, unless the
// host is an IPv6 address or an internationalised name. reason is 0 on success.
func appendHost(dst, authority []byte) (name []byte, reason HostError) {
	if len(authority) > maxAuthority {
		return nil, errHostLong
	}
	if len(authority) > 0 && authority[0] == '[' {
		return appendIPv6(dst, authority)
	}
	host := authority
	if i := bytes.IndexByte(authority, ':'); i >= 0 {
		host = authority[:i]
		port := authority[i+1:]
		if bytes.IndexByte(port, ':') >= 0 {
			return nil, errHostBare6
		}
		if !validPort(port) {
			return nil, errHostPort
		}
	}
	rooted := false
	if n := len(host); n > 0 && host[n-1] == '.' {
		host, rooted = host[:n-1], true
	}
	if len(host) == 0 {
		return nil, errHostEmpty
	}
	name, shape, reason := appendName(dst, host)
	if reason != 0 {
		return nil, reason
	}
	switch shape {
	case shapeIPv4:
		if rooted { // an address is no domain name and has no root
			return nil, errHostIPv4
		}
	case shapeIDN:
		return appendIDN(dst, host)
	}
	return name, 0
}

// validPort tells whether b is a port as a number, 1 to 65535. Leading zeros
// are refused: no client writes them, and "080" is a different number to those
// who read it as octal.
func validPort(b []byte) bool {
	if len(b) == 0 || len(b) > 5 || b[0] == '0' {
		return false
	}
	n := 0
	for _, c := range b {
		if !isDigit(c) {
			return false
		}
		n = n*10 + int(c-'0')
	}
	return n <= 65535
}

// appendIPv6 reads an IP-literal (RFC 3986 section 3.2.2) with optional port.
// IPvFuture and zones (RFC 6874) are refused. An IPv4-mapped address stays
// one: it is not the same name as the IPv4 address in it.
func appendIPv6(dst, authority []byte) ([]byte, HostError) {
	end := bytes.IndexByte(authority, ']')
	if end < 0 {
		return nil, errHostIPv6
	}
	if rest := authority[end+1:]; len(rest) > 0 && (rest[0] != ':' || !validPort(rest[1:])) {
		return nil, errHostPort
	}
	addr, err := netip.ParseAddr(string(authority[1:end]))
	if err != nil || !addr.Is6() || addr.Zone() != "" {
		return nil, errHostIPv6
	}
	dst = append(dst, '[')
	dst = addr.AppendTo(dst)
	return append(dst, ']'), 0
}

// shape is what appendName found besides plain labels.
type shape uint8

const (
	shapeName shape = iota
	shapeIPv4
	shapeIDN // has a byte beyond ASCII or an A-label: IDNA decides
)

// appendName appends host in lower case after checking every label. With
// shapeIDN because of a byte beyond ASCII it stops there, and what it appended
// means nothing.
func appendName(dst, host []byte) (name []byte, s shape, reason HostError) {
	start := len(dst) // of the current label
	alnum, digits, idn := false, true, false
	for i := 0; i <= len(host); i++ {
		if i < len(host) && host[i] != '.' {
			c := host[i]
			class := hostClass(c)
			switch class {
			case classUpper:
				c += 'a' - 'A'
				fallthrough
			case classLower:
				alnum, digits = true, false
			case classDigit:
				alnum = true
			case classOther:
				digits = false
			case classHigh:
				return dst, shapeIDN, 0
			default:
				return nil, 0, errHostChar
			}
			if len(dst) >= maxName {
				return nil, 0, errHostLong
			}
			dst = append(dst, c)
			continue
		}
		label := dst[start:]
		switch {
		case len(label) == 0:
			return nil, 0, errHostLabel
		case len(label) > maxLabel:
			return nil, 0, errHostLabel63
		case label[0] == '-' || label[len(label)-1] == '-':
			return nil, 0, errHostHyphen
		case !alnum:
			return nil, 0, errHostNothing
		case len(label) >= 4 && string(label[:4]) == "xn--":
			idn = true
		}
		if i == len(host) {
			if digits || isHexNumber(label) {
				if !isIPv4(dst) {
					return nil, 0, errHostIPv4
				}
				return dst, shapeIPv4, 0
			}
			break
		}
		if len(dst) >= maxName {
			return nil, 0, errHostLong
		}
		dst = append(dst, '.')
		start = len(dst)
		alnum, digits = false, true
	}
	if idn {
		return dst, shapeIDN, 0
	}
	return dst, shapeName, 0
}

// appendIDN converts a name with characters beyond ASCII or with A-labels.
// The result is a name, never an address, whatever the mapping made of it, and
// converts to itself.
func appendIDN(dst, host []byte) ([]byte, HostError) {
	if !utf8.Valid(host) {
		return nil, errHostUTF8
	}
	for label, rest := host, host; len(rest) > 0; {
		label, rest, _ = bytes.Cut(rest, []byte("."))
		// Neither an A-label nor a U-label; the idna package decodes some.
		if len(label) >= 4 && bytes.EqualFold(label[:4], []byte("xn--")) && !isASCII(label) {
			return nil, errHostIDNA
		}
	}
	ascii, err := idna.Lookup.ToASCII(string(host))
	if err != nil {
		return nil, errHostIDNA
	}
	name, s, reason := appendName(dst[:0], []byte(ascii))
	if reason != 0 {
		return nil, reason
	}
	if s == shapeIPv4 {
		return nil, errHostIDNA
	}
	unicode, err := idna.Lookup.ToUnicode(ascii)
	if err != nil {
		return nil, errHostIDNA
	}
	if again, err := idna.Lookup.ToASCII(unicode); err != nil || again != string(name) {
		return nil, errHostIDNA
	}
	if !unmapped(host, unicode) {
		return nil, errHostIDNA
	}
	return name, 0
}

// unmapped tells whether a host as it was received is the name it was converted to
// but for case. The mappings of UTS #46 (full-width letters, other full stops, soft
// hyphens, "ſ" for "s") are for what people type: on the wire RFC 5891, section 5,
// has none, and an app that gets the raw bytes may read another name in them.
func unmapped(host []byte, unicode string) bool {
	labels := strings.Split(string(host), ".")
	converted := strings.Split(unicode, ".")
	if len(labels) != len(converted) {
		return false
	}
	for i, label := range labels {
		if !isASCII([]byte(label)) && strings.ToLower(label) != converted[i] {
			return false
		}
	}
	return true
}

func isASCII(b []byte) bool {
	return !bytes.ContainsFunc(b, func(r rune) bool { return r >= utf8.RuneSelf })
}

// isIPv4 tells whether b is four decimal numbers of at most 255 without
// leading zeros, joined by dots: IPv4address in RFC 3986 section 3.2.2.
func isIPv4(b []byte) bool {
	parts, value, length := 1, 0, 0
	for _, c := range b {
		switch {
		case c == '.':
			if length == 0 {
				return false
			}
			parts, value, length = parts+1, 0, 0
		case isDigit(c):
			if length > 0 && value == 0 {
				return false
			}
			value, length = value*10+int(c-'0'), length+1
			if value > 255 {
				return false
			}
		default:
			return false
		}
	}
	return parts == 4 && length > 0
}

// isHexNumber tells whether an IPv4 parser in the C tradition takes the label
// for a number: "0x" and any hexadecimal digits, also none.
func isHexNumber(label []byte) bool {
	if len(label) < 2 || label[0] != '0' || label[1] != 'x' {
		return false
	}
	for _, c := range label[2:] {
		if _, ok := unhex(c); !ok {
			return false
		}
	}
	return true
}

type class uint8

const (
	classBad class = iota
	classUpper
	classLower
	classDigit
	classOther // hyphen, underscore
	classHigh  // beyond ASCII
)

func hostClass(c byte) class {
	switch {
	case 'a' <= c && c <= 'z':
		return classLower
	case isDigit(c):
		return classDigit
	case c == '-' || c == '_':
		return classOther
	case 'A' <= c && c <= 'Z':
		return classUpper
	case c >= utf8.RuneSelf:
		return classHigh
	}
	return classBad
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// unhex is the value of a hexadecimal digit of either case.
func unhex(c byte) (byte, bool) {
	switch {
	case isDigit(c):
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
