package routing

import (
	"net/netip"
	"strings"
)

// Pattern is what a site may name as a host: one host, or with a wildcard all
// names that have exactly one label more ("*.example.com" is a.example.com, but
// neither example.com nor a.b.example.com, and never an IP address). Only
// [ParsePattern] makes one. The zero value names nothing.
type Pattern struct {
	host     Host // for a wildcard: what follows "*."
	wildcard bool
}

// Wildcard tells whether the pattern begins with "*.".
func (p Pattern) Wildcard() bool { return p.wildcard }

// IP tells whether the pattern is an IP address.
func (p Pattern) IP() bool {
	return strings.HasPrefix(p.host.name, "[") || isIPv4([]byte(p.host.name))
}

// String is the pattern in canonical form; "" for the zero value.
func (p Pattern) String() string {
	if p.wildcard {
		return "*." + p.host.name
	}
	return p.host.name
}

// PatternError is why a configured host is not a pattern.
type PatternError struct {
	Reason string // what is wrong, beginning with the host in quotes
	Hint   string // what to write instead; may be ""
}

// Error is the reason and, after a semicolon, the hint.
func (e *PatternError) Error() string {
	if e.Hint == "" {
		return e.Reason
	}
	return e.Reason + "; " + e.Hint
}

// ParsePattern reads a host as a person writes it in a configuration. Errors
// are of type *[PatternError]. No pattern names every host: "*", "_" and the
// like are errors, there is nothing to write a default with.
func ParsePattern(s string) (Pattern, error) {
	if len(s) > maxAuthority {
		return Pattern{}, &PatternError{quote(s) + " is too long for a host: at most 253 characters", ""}
	}
	name, wildcard := strings.CutPrefix(s, "*.")
	if why := mistake(s, name); why != nil {
		return Pattern{}, why
	}
	h, err := ParseHost([]byte(name))
	if err != nil {
		return Pattern{}, &PatternError{quote(s) + " is not a host: " + err.Error(), ""}
	}
	if wildcard {
		switch {
		case isIPv4([]byte(h.name)):
			return Pattern{}, &PatternError{
				quote(s) + " puts a wildcard before an IP address",
				"list the addresses one by one",
			}
		case len(h.name) > maxName-len("a."):
			return Pattern{}, &PatternError{
				quote(s) + " leaves no room for a label: a host has at most 253 characters",
				"",
			}
		}
	}
	return Pattern{h, wildcard}, nil
}

// mistake recognises what people write where a host is wanted, to say what to
// write instead. name is s without a leading "*.".
func mistake(s, name string) *PatternError {
	const refused = "list each host; what no site names is refused (see unmatched)"
	switch {
	case s == "":
		return &PatternError{"a host is empty", "write a name such as app.example.com"}
	case s == "*" || s == "*." || s == "*.*" || s == "**":
		return &PatternError{quote(s) + " would match every host, and there is no such default", refused}
	case strings.Trim(s, "_") == "" || strings.EqualFold(s, "_default_"):
		return &PatternError{quote(s) + " is no host: there is no catch-all and no default", refused}
	case strings.TrimSpace(s) != s:
		return &PatternError{quote(s) + " has a space at its end", suggest(strings.TrimSpace(s))}
	case strings.Contains(s, "://"):
		_, rest, _ := strings.Cut(s, "://")
		return &PatternError{quote(s) + " is a URL, not a host", suggest(authorityOnly(rest))}
	case strings.HasPrefix(s, "~") || strings.HasPrefix(s, "^"):
		return &PatternError{quote(s) + " is a regular expression, and hosts are not matched by one", refused}
	case strings.HasPrefix(s, "."):
		return &PatternError{quote(s) + " begins with a dot", suggest(s[1:], "*"+s)}
	case strings.ContainsAny(s, "/?#"):
		return &PatternError{
			quote(s) + " has a path: a host has none",
			suggest(authorityOnly(s)) + ", and the path under routes",
		}
	case strings.Contains(s, "@"):
		return &PatternError{quote(s) + " has user information: a host has none", suggest(s[strings.LastIndexByte(s, '@')+1:])}
	case strings.Contains(name, "*"):
		return &PatternError{
			quote(s) + " has a wildcard that is not one whole first label",
			`write "*." before a host, such as "*.example.com"; it matches one label`,
		}
	}
	if addr, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil && addr.Is6() {
		plain := "[" + addr.WithZone("").String() + "]"
		switch {
		case name != s:
			return &PatternError{quote(s) + " puts a wildcard before an IP address", "list the addresses one by one"}
		case addr.Zone() != "":
			return &PatternError{quote(s) + " has a zone, which no Host field can carry", suggest(plain)}
		case !strings.HasPrefix(s, "[") || !strings.HasSuffix(s, "]"):
			return &PatternError{quote(s) + " is an IPv6 address without brackets", suggest(plain)}
		}
		return nil
	}
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, ']') {
		return &PatternError{
			quote(s) + " has a port: a site answers on every port that listen names",
			suggest(strings.TrimSuffix(s, name[i:])),
		}
	}
	return nil
}

// authorityOnly is s up to its path, query or fragment.
func authorityOnly(s string) string {
	if i := strings.IndexAny(s, "/?#"); i >= 0 {
		return s[:i]
	}
	return s
}

// suggest is the hint to write one of the candidates, those that are patterns
// or would be without their port.
func suggest(candidates ...string) string {
	var good []string
	for _, c := range candidates {
		if p, err := ParsePattern(c); err == nil {
			good = append(good, quote(p.String()))
		} else if h, err := ParseHost([]byte(c)); err == nil {
			good = append(good, quote(h.String()))
		}
	}
	if len(good) == 0 {
		return "write a name such as app.example.com"
	}
	return "write " + strings.Join(good, " or ")
}
