package routing

import (
	"errors"
	"strconv"
	"strings"
	"testing"
)

func TestParsePattern(t *testing.T) {
	const list = "list each host; what no site names is refused (see unmatched)"
	tests := []struct {
		in   string
		want string
		hint string // of the error, where want is ""
	}{
		{in: "example.com", want: "example.com"},
		{in: "Example.COM.", want: "example.com"},
		{in: "*.example.com", want: "*.example.com"},
		{in: "*.Example.com.", want: "*.example.com"},
		{in: "*.bücher.example", want: "*.xn--bcher-kva.example"},
		{in: "*.localhost", want: "*.localhost"},
		{in: "localhost", want: "localhost"},
		{in: "127.0.0.1", want: "127.0.0.1"},
		{in: "[::1]", want: "[::1]"},
		{in: "[2001:DB8::0]", want: "[2001:db8::]"},
		{in: "a_b.example.com", want: "a_b.example.com"},

		{in: "", hint: "write a name such as app.example.com"},
		{in: "*", hint: list},
		{in: "*.", hint: list},
		{in: "**", hint: list},
		{in: "*.*", hint: list},
		{in: "_", hint: list},
		{in: "__", hint: list},
		{in: "_default_", hint: list},
		{in: "~^.*$", hint: list},
		{in: "^a", hint: list},
		{in: "*.*.example.com", hint: `write "*." before a host, such as "*.example.com"; it matches one label`},
		{in: "a.*.example.com", hint: `write "*." before a host, such as "*.example.com"; it matches one label`},
		{in: "a*.example.com", hint: `write "*." before a host, such as "*.example.com"; it matches one label`},
		{in: "*example.com", hint: `write "*." before a host, such as "*.example.com"; it matches one label`},
		{in: "example.*", hint: `write "*." before a host, such as "*.example.com"; it matches one label`},
		{in: ".example.com", hint: `write "example.com" or "*.example.com"`},
		{in: "http://example.com", hint: `write "example.com"`},
		{in: "https://example.com/a?b", hint: `write "example.com"`},
		{in: "https://example.com:8443/", hint: `write "example.com"`},
		{in: "https://", hint: "write a name such as app.example.com"},
		{in: "example.com:8443/api", hint: `write "example.com", and the path under routes`},
		{in: "example.com/api", hint: `write "example.com", and the path under routes`},
		{in: "example.com:8080", hint: `write "example.com"`},
		{in: "example.com:http", hint: `write "example.com"`},
		{in: "*.example.com:8080", hint: `write "*.example.com"`},
		{in: "127.0.0.1:8080", hint: `write "127.0.0.1"`},
		{in: "[::1]:8080", hint: `write "[::1]"`},
		{in: "::1", hint: `write "[::1]"`},
		{in: "fe80::1%eth0", hint: `write "[fe80::1]"`},
		{in: "[fe80::1%eth0]", hint: `write "[fe80::1]"`},
		{in: "user@example.com", hint: `write "example.com"`},
		{in: " example.com ", hint: `write "example.com"`},
		{in: "example.com\n", hint: `write "example.com"`},
		{in: "*.127.0.0.1", hint: "list the addresses one by one"},
		{in: "*.[::1]", hint: "list the addresses one by one"},
		{in: "*.::1", hint: "list the addresses one by one"},
		{in: "*.0.0.1"},
		{in: "127.1"},
		{in: "0x7f.0.0.1"},
		{in: "exa mple.com"},
		{in: "a..b"},
		{in: "*." + strings.Repeat("a.", 125) + "aa"},
		{in: strings.Repeat("a", 2000)},
		{in: strings.Repeat(".", 1000), hint: "write a name such as app.example.com"},
	}
	for _, tt := range tests {
		t.Run(strconv.QuoteToASCII(tt.in), func(t *testing.T) {
			p, err := ParsePattern(tt.in)
			if p.String() != tt.want || (err == nil) != (tt.want != "") {
				t.Fatalf("ParsePattern = %q, %v; want %q", p, err, tt.want)
			}
			if p.Wildcard() != strings.HasPrefix(tt.want, "*.") {
				t.Errorf("Wildcard = %v", p.Wildcard())
			}
			if err == nil {
				return
			}
			var why *PatternError
			if !errors.As(err, &why) || p != (Pattern{}) {
				t.Fatalf("pattern %#v, error %#v", p, err)
			}
			if why.Hint != tt.hint {
				t.Errorf("%v\nhint %q\nwant %q", err, why.Hint, tt.hint)
			}
			if strings.ContainsAny(err.Error(), "\x00\n\r\x1b") || len(err.Error()) > 400 {
				t.Errorf("the error cannot be shown as it is: %q", err)
			}
		})
	}
}

func TestPatternErrorIsASentence(t *testing.T) {
	_, err := ParsePattern("*")
	const want = `"*" would match every host, and there is no such default; ` +
		`list each host; what no site names is refused (see unmatched)`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %v", err, want)
	}
}

func FuzzParsePattern(f *testing.F) {
	for _, s := range []string{
		"", "*", "_", "*.example.com", "example.com", "*.*.x", "a.*.b", "http://x/y", "[::1]:80", "*.1.2.3.4", ".a", "~^x$",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		p, err := ParsePattern(in)
		if err != nil {
			var why *PatternError
			if !errors.As(err, &why) || p != (Pattern{}) || why.Reason == "" {
				t.Fatalf("ParsePattern(%q) = %#v, %#v", in, p, err)
			}
			return
		}
		if again, err := ParsePattern(p.String()); err != nil || again != p {
			t.Fatalf("ParsePattern(%q) = %q, but that is %q, %v", in, p, again, err)
		}
		// A pattern is a host, or one label and a host; never more, never an address.
		name := strings.TrimPrefix(p.String(), "*.")
		h, err := ParseHost([]byte(name))
		if err != nil || h.String() != name {
			t.Fatalf("ParsePattern(%q) = %q, which is not of a host: %v", in, p, err)
		}
		if p.Wildcard() {
			if below, err := ParseHost([]byte("a." + name)); err != nil || below.String() != "a."+name {
				t.Fatalf("ParsePattern(%q) = %q, which no host can match: %v", in, p, err)
			}
		}
	})
}
