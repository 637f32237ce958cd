package routing

import (
	"errors"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"pgregory.net/rapid"
)

func TestParseHost(t *testing.T) {
	label63 := strings.Repeat("a", 63)
	name253 := strings.Join([]string{label63, label63, label63, label63[:61]}, ".")
	tests := []struct {
		in   string
		want string
		err  error
	}{
		// Names: RFC 1035 section 2.3.1, RFC 9110 section 4.2.3.
		{in: "example.com", want: "example.com"},
		{in: "EXAMPLE.Com", want: "example.com"},
		{in: "example.com.", want: "example.com"},
		{in: "Example.com.:443", want: "example.com"},
		{in: "localhost", want: "localhost"},
		{in: "a", want: "a"},
		{in: "3com.example", want: "3com.example"},
		{in: "1.2.3.example", want: "1.2.3.example"},
		{in: "0x7f.example", want: "0x7f.example"},
		{in: "a_b.example.com", want: "a_b.example.com"},
		{in: "_dmarc.example.com", want: "_dmarc.example.com"},
		{in: "r3---sn-apo3qvuoxuxbt-j5pe.example", want: "r3---sn-apo3qvuoxuxbt-j5pe.example"},
		{in: label63 + ".example", want: label63 + ".example"},
		{in: name253, want: name253},
		{in: name253 + ".:65535", want: name253},
		{in: "", err: errHostEmpty},
		{in: ".", err: errHostEmpty},
		{in: ":80", err: errHostEmpty},
		{in: ".:80", err: errHostEmpty},
		{in: "..", err: errHostLabel},
		{in: "example.com..", err: errHostLabel},
		{in: ".example.com", err: errHostLabel},
		{in: "a..b", err: errHostLabel},
		{in: label63 + "a.example", err: errHostLabel63},
		{in: name253 + "a", err: errHostLong},
		{in: strings.Repeat("a.", 127) + "b", err: errHostLong},
		{in: strings.Repeat("a", 5000), err: errHostLong},
		{in: "-a.example", err: errHostHyphen},
		{in: "a-.example", err: errHostHyphen},
		{in: "a.-", err: errHostHyphen},
		{in: "_", err: errHostNothing},
		{in: "__.example", err: errHostNothing},

		// Characters that other readers cut at, decode or skip.
		{in: "a b", err: errHostChar},
		{in: " example.com", err: errHostChar},
		{in: "example.com ", err: errHostChar},
		{in: "example.com\x00", err: errHostChar},
		{in: "example.com\r\n", err: errHostChar},
		{in: "example.com\t", err: errHostChar},
		{in: "example.com\x7f", err: errHostChar},
		{in: "ex%61mple.com", err: errHostChar},
		{in: "user@example.com", err: errHostChar},
		{in: "example.com/", err: errHostChar},
		{in: "example.com\\", err: errHostChar},
		{in: "example.com?", err: errHostChar},
		{in: "example.com#x", err: errHostChar},
		{in: "a,b", err: errHostChar},
		{in: "a.example, b.example", err: errHostChar},
		{in: "*.example.com", err: errHostChar},
		{in: "*", err: errHostChar},
		{in: "http://example.com", err: errHostPort},
		{in: "user:pass@example.com", err: errHostPort},

		// Ports: RFC 3986 section 3.2.3, without the empty one.
		{in: "example.com:80", want: "example.com"},
		{in: "example.com:1", want: "example.com"},
		{in: "example.com:65535", want: "example.com"},
		{in: "example.com:", err: errHostPort},
		{in: "example.com:0", err: errHostPort},
		{in: "example.com:080", err: errHostPort},
		{in: "example.com:65536", err: errHostPort},
		{in: "example.com:99999999999999999999", err: errHostPort},
		{in: "example.com:-1", err: errHostPort},
		{in: "example.com:+80", err: errHostPort},
		{in: "example.com:8o", err: errHostPort},
		{in: "example.com: 80", err: errHostPort},
		{in: "example.com:80 ", err: errHostPort},
		{in: "example.com:٨٠", err: errHostPort},
		{in: "example.com:80:80", err: errHostBare6},

		// IPv4: one spelling for each address.
		{in: "127.0.0.1", want: "127.0.0.1"},
		{in: "127.0.0.1:8080", want: "127.0.0.1"},
		{in: "255.255.255.255", want: "255.255.255.255"},
		{in: "0.0.0.0", want: "0.0.0.0"},
		{in: "127.0.0.1.", err: errHostIPv4},
		{in: "127.1", err: errHostIPv4},
		{in: "127.0.0.01", err: errHostIPv4},
		{in: "0127.0.0.1", err: errHostIPv4},
		{in: "127.0.0.00", err: errHostIPv4},
		{in: "0x7f.1", err: errHostIPv4},
		{in: "0x7f.0.0.0x1", err: errHostIPv4},
		{in: "127.0.0.0X1", err: errHostIPv4},
		{in: "2130706433", err: errHostIPv4},
		{in: "0x7f000001", err: errHostIPv4},
		{in: "0x", err: errHostIPv4},
		{in: "256.0.0.1", err: errHostIPv4},
		{in: "1.2.3.4.5", err: errHostIPv4},
		{in: "99999999999999999999.1.1.1", err: errHostIPv4},
		{in: "example.1", err: errHostIPv4},
		{in: "example.com.0x1f", err: errHostIPv4},

		// IPv6: RFC 5952.
		{in: "[::1]", want: "[::1]"},
		{in: "[::1]:443", want: "[::1]"},
		{in: "[2001:DB8:0:0::0001]", want: "[2001:db8::1]"},
		{in: "[0:0:0:0:0:ffff:1.2.3.4]", want: "[::ffff:1.2.3.4]"},
		{in: "[64:ff9b::1.2.3.4]", want: "[64:ff9b::102:304]"},
		{in: "::1", err: errHostBare6},
		{in: "2001:db8::1", err: errHostBare6},
		{in: "[::1", err: errHostIPv6},
		{in: "[]", err: errHostIPv6},
		{in: "[::1%eth0]", err: errHostIPv6},
		{in: "[fe80::1%25eth0]", err: errHostIPv6},
		{in: "[1.2.3.4]", err: errHostIPv6},
		{in: "[example.com]", err: errHostIPv6},
		{in: "[v1.fe80]", err: errHostIPv6},
		{in: "[:::1]", err: errHostIPv6},
		{in: "[::1]]", err: errHostPort},
		{in: "[::1].", err: errHostPort},
		{in: "[::1]80", err: errHostPort},
		{in: "[::1]:", err: errHostPort},
		{in: "[::1]:0", err: errHostPort},
		{in: "x[::1]", err: errHostBare6},

		// IDNA: RFC 5890, 5891, UTS #46.
		{in: "bücher.example", want: "xn--bcher-kva.example"},
		{in: "BÜCHER.Example.:80", want: "xn--bcher-kva.example"},
		{in: "xn--bcher-kva.example", want: "xn--bcher-kva.example"},
		{in: "XN--Bcher-KVA.example:80", want: "xn--bcher-kva.example"},
		{in: "faß.example", want: "xn--fa-hia.example"},
		{in: "例え.テスト", want: "xn--r8jz45g.xn--zckzah"},
		{in: "example。com", err: errHostIDNA},
		{in: "b\xfccher.example", err: errHostUTF8},
		{in: "b\xc0\xafcher.example", err: errHostUTF8},
		{in: "xn--.example", err: errHostHyphen},
		{in: "xn--a", err: errHostIDNA},
		{in: "xn--bcher-kva-.example", err: errHostHyphen},
		{in: "xn--example-.com", err: errHostHyphen},
		{in: "xn--0.example", err: errHostIDNA},
		{in: "xn--BÜCHER-kva.example", err: errHostIDNA},
		{in: "ａ.example", err: errHostIDNA},
		{in: "a。example", err: errHostIDNA},
		{in: "a\u00ad.example", err: errHostIDNA},
		{in: "bu\u0308cher.example", err: errHostIDNA},
		{in: "teſt.example", err: errHostIDNA},
		{in: "bücher.xn--bcher-kva.example", want: "xn--bcher-kva.xn--bcher-kva.example"},
		{in: "xn--bücher.example", err: errHostIDNA},
		{in: "xn--a-ecp.ru", err: errHostIDNA}, // "a" and a combining mark first in UTS #46's own tests
		{in: "１２７.0.0.1", err: errHostIDNA},    // maps to an address
		{in: "a／b.example", err: errHostIDNA},  // maps to a slash
		{in: "℀.example", err: errHostIDNA},    // maps to "a/c"
		{in: "ex\u200dample.com", err: errHostIDNA},
		{in: "bücher_x.example", err: errHostIDNA},
		{in: "bücher%2e.example", err: errHostIDNA},
		{in: strings.Repeat("ü", 63) + ".example", err: errHostLabel63},
		{in: strings.Repeat("ü.", 400) + "example", err: errHostLong},
		{in: "-ü.example", err: errHostIDNA},
		{in: "ü..example", err: errHostLabel},
	}
	for _, tt := range tests {
		t.Run(strconv.QuoteToASCII(tt.in), func(t *testing.T) {
			h, err := ParseHost([]byte(tt.in))
			if h.String() != tt.want || !errors.Is(err, tt.err) {
				t.Fatalf("ParseHost = %q, %v; want %q, %v", h, err, tt.want, tt.err)
			}
			checkHost(t, []byte(tt.in))
		})
	}
}

// checkHost holds ParseHost to its laws for one input.
func checkHost(t interface {
	Helper()
	Fatalf(string, ...any)
}, in []byte) {
	t.Helper()
	h, err := ParseHost(in)
	want, ok := slowHost(string(in))
	if (err == nil) != ok || h.String() != want {
		t.Fatalf("ParseHost(%q) = %q, %v; the reference says %q, %v", in, h, err, want, ok)
	}
	if err != nil {
		var reason HostError
		if !errors.As(err, &reason) || h != (Host{}) {
			t.Fatalf("ParseHost(%q) = %q with the error %#v", in, h, err)
		}
		return
	}
	if len(h.name) > maxName || h.name == "" {
		t.Fatalf("ParseHost(%q) = %q, of %d bytes", in, h, len(h.name))
	}
	for _, again := range []string{h.name, h.name + ":80", strings.ToUpper(h.name)} {
		if h2, err := ParseHost([]byte(again)); err != nil || h2 != h {
			t.Fatalf("ParseHost(%q) = %q, but ParseHost(%q) = %q, %v", in, h, again, h2, err)
		}
	}
}

var (
	slowLiteral = regexp.MustCompile(`^\[([0-9A-Fa-f:.]+)\](?::([1-9][0-9]{0,4}))?$`)
	slowName    = regexp.MustCompile(`^([^:\[\]]+?)(\.?)(?::([1-9][0-9]{0,4}))?$`)
	slowLabel   = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$`)
	slowMixed   = regexp.MustCompile(`(?i)(^|\.)xn--[^.]*[^\x00-\x7f]`)
	slowNumber  = regexp.MustCompile(`(^|\.)([0-9]+|0x[0-9a-f]*)$`)
)

// slowHost is the definition of a host once more, written for reading only.
func slowHost(s string) (string, bool) {
	if m := slowLiteral.FindStringSubmatch(s); m != nil {
		a, err := netip.ParseAddr(m[1])
		if err != nil || !a.Is6() || !slowPort(m[2]) {
			return "", false
		}
		return "[" + a.String() + "]", true
	}
	m := slowName.FindStringSubmatch(s)
	if m == nil || !slowPort(m[3]) || !utf8.ValidString(s) || len(s) > 4*253+7 {
		return "", false
	}
	name, root := m[1], m[2]
	lower := strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, name)
	idn := strings.ContainsFunc(lower, func(r rune) bool { return r >= 0x80 }) ||
		strings.HasPrefix(lower, "xn--") || strings.Contains(lower, ".xn--")
	if idn {
		if slowMixed.MatchString(name) {
			return "", false
		}
		ascii, err := idna.Lookup.ToASCII(name)
		if err != nil || slowNumber.MatchString(ascii) {
			return "", false
		}
		lower = ascii
		// No mapping but that of case: what may be registered is what may be sent.
		for _, label := range strings.Split(name, ".") {
			if _, err := idna.Registration.ToASCII(strings.ToLower(label)); err != nil && !isASCII([]byte(label)) {
				return "", false
			}
		}
	}
	for _, label := range strings.Split(lower, ".") {
		if !slowLabel.MatchString(label) || strings.Trim(label, "_-") == "" {
			return "", false
		}
	}
	if slowNumber.MatchString(lower) {
		a, err := netip.ParseAddr(lower)
		if err != nil || !a.Is4() || root != "" {
			return "", false
		}
	}
	if len(lower) > 253 {
		return "", false
	}
	return lower, true
}

func slowPort(s string) bool {
	n, err := strconv.Atoi(s)
	return s == "" || err == nil && n <= 65535
}

// authorities draws bytes that are a host, nearly one, or anything.
func authorities() *rapid.Generator[[]byte] {
	piece := rapid.SampledFrom([]string{
		"a", "b", "example", "com", "EXAMPLE", "www", "xn--bcher-kva", "XN--", "xn--", "ü", "例", "。", "١",
		".", ".", ".", ".", ":", ":80", ":443", ":0", "-", "_", "*", "1", "127", "0", "255", "0x", "0x1",
		"[", "]", "::1", "[::1]", "::ffff:1.2.3.4", "%", "%2e", "/", "\\", "@", " ", "\x00", "\xff", ",",
	})
	return rapid.OneOf(
		rapid.Custom(func(t *rapid.T) []byte {
			return []byte(strings.Join(rapid.SliceOfN(piece, 0, 9).Draw(t, "pieces"), ""))
		}),
		rapid.SliceOfN(rapid.Byte(), 0, 40),
	)
}

func TestHostLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { checkHost(t, authorities().Draw(t, "authority")) })
}

func FuzzParseHost(f *testing.F) {
	for _, s := range []string{
		"example.com", "EXAMPLE.com.:80", "127.0.0.1", "0x7f.1", "[::1]:80", "[fe80::1%25e]", "bücher.example",
		"xn--bcher-kva.example", "a_b.c", "user@h", "a..b", "１２７.0.0.1", "example。com", "h:080", "\x00",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) { checkHost(t, in) })
}
