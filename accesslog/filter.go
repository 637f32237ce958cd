package accesslog

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ErrBadFilter is returned for filter texts that have no meaning.
var ErrBadFilter = errors.New("bad filter")

// Filter selects records. Every field that is set must match; a list matches if
// one of its members does. The zero Filter selects everything.
type Filter struct {
	Since, Until time.Time // arrival: not before Since, before Until
	Failed       bool      // only failures

	IDs         []string // whole ids or their beginnings
	Hosts       []string // "*." at the start stands for any labels; case, port and last dot do not matter
	Sites       []string
	Apps        []string
	Paths       []string // beginnings of the path, without the query
	Methods     []string // case does not matter
	Status      StatusSet
	Outcomes    []Outcome
	Upstreams   []string
	Clients     []string // an address, a CIDR, or the beginning of an address; see Matches
	Match       []string // exact, wildcard, custom_domain, none
	Generations []string // beginnings

	// Last, if above 0, selects only the last Last of the records (in order
	// of id) that all else selects.
	Last int
}

// StatusSet is a set of statuses. The zero StatusSet is "any".
type StatusSet struct{ ranges []statusRange }

type statusRange struct{ from, to int }

// ParseStatus reads a list such as "5xx,404,500-503". The empty list is the zero
// StatusSet.
func ParseStatus(s string) (StatusSet, error) {
	var set StatusSet
	if strings.TrimSpace(s) == "" {
		return set, nil
	}
	for part := range strings.SplitSeq(s, ",") {
		part = strings.ToLower(strings.TrimSpace(part))
		r, ok := parseStatusRange(part)
		if !ok {
			return StatusSet{}, fmt.Errorf("%w: status %q (write 404, 5xx or 500-503)", ErrBadFilter, clip(part, 32))
		}
		set.ranges = append(set.ranges, r)
	}
	return set, nil
}

func parseStatusRange(s string) (statusRange, bool) {
	if len(s) == 3 && s[1:] == "xx" && s[0] >= '0' && s[0] <= '9' {
		from := int(s[0]-'0') * 100
		return statusRange{from, from + 99}, true
	}
	left, right, isRange := strings.Cut(s, "-")
	if !isRange {
		right = left
	}
	from, ok1 := parseStatusCode(left)
	to, ok2 := parseStatusCode(right)
	return statusRange{from, to}, ok1 && ok2 && from <= to
}

func parseStatusCode(s string) (int, bool) {
	n, err := strconv.ParseUint(s, 10, 16)
	return int(n), err == nil && n <= 999
}

// Any reports whether the set holds every status.
func (s StatusSet) Any() bool { return len(s.ranges) == 0 }

// Has reports whether the set holds status.
func (s StatusSet) Has(status int) bool {
	for _, r := range s.ranges {
		if status >= r.from && status <= r.to {
			return true
		}
	}
	return s.Any()
}

// Check reports a text in the filter that has no meaning, as an error that wraps
// ErrBadFilter.
func (f *Filter) Check() error {
	_, err := f.compile()
	return err
}

// Matches reports whether the filter selects e; a filter that Check objects to
// selects nothing. Last plays no part.
//
// Clients are compared with what stands in clear, which is a network (/24 or
// /48): an address or a CIDR matches if the client may have been it, that is, if
// the networks overlap.
func (f *Filter) Matches(e *Entry) bool {
	m, err := f.compile()
	if err != nil {
		return false
	}
	v := view{
		time: e.Time, id: e.ID, generation: e.Generation, site: e.Site, app: e.App, upstream: e.Upstream,
		match: e.Match, clientIP: e.Request.ClientIP, method: e.Request.Method, host: e.Request.Host,
		uri: e.Request.URI,
	}
	return m.lasting(&v) && m.final(e.Outcome, e.Status)
}

// matcher is a filter made ready for many records.
type matcher struct {
	f        Filter
	ids      []string
	hosts    []string
	networks []netip.Prefix
	prefixes []string
}

func (f *Filter) compile() (*matcher, error) {
	m := &matcher{f: *f}
	for _, id := range f.IDs {
		canonical, err := idPrefix(id)
		if err != nil {
			return nil, err
		}
		m.ids = append(m.ids, canonical)
	}
	for _, h := range f.Hosts {
		m.hosts = append(m.hosts, bareHost(h))
	}
	for _, c := range f.Clients {
		if p, err := netip.ParsePrefix(c); err == nil {
			m.networks = append(m.networks, p.Masked())
		} else if a, err := netip.ParseAddr(c); err == nil {
			a = a.Unmap().WithZone("")
			m.networks = append(m.networks, netip.PrefixFrom(a, a.BitLen()))
		} else if c != "" && strings.Trim(c, "0123456789abcdefABCDEF.:") == "" {
			m.prefixes = append(m.prefixes, strings.ToLower(c))
		} else {
			return nil, fmt.Errorf("%w: client %q (write an address, 203.0.113.0/24, or a beginning such as 203.0.)",
				ErrBadFilter, clip(c, 64))
		}
	}
	return m, nil
}

// idPrefix puts the beginning of an id into the form that ids have.
func idPrefix(s string) (string, error) {
	b := []byte(s)
	for i, c := range b {
		v := crockfordValue(c)
		if v > 31 {
			return "", fmt.Errorf("%w: %w: %q has %q in it", ErrBadFilter, ErrBadID, clip(s, 64), c)
		}
		b[i] = crockford[v]
	}
	if len(b) == 0 || len(b) > IDLength {
		return "", fmt.Errorf("%w: %w: %q", ErrBadFilter, ErrBadID, clip(s, 64))
	}
	return string(b), nil
}

// lasting decides by what is the same in both parts of a record.
func (m *matcher) lasting(v *view) bool {
	f := &m.f
	switch {
	case !f.Since.IsZero() && v.time.Before(f.Since),
		!f.Until.IsZero() && !v.time.Before(f.Until),
		!anyOf(m.ids, func(id string) bool { return strings.HasPrefix(unsafeString(v.id[:]), id) }),
		!has(f.Sites, v.site), !has(f.Apps, v.app), !has(f.Upstreams, v.upstream), !has(f.Match, v.match),
		!anyOf(f.Methods, func(s string) bool { return strings.EqualFold(s, v.method) }),
		!anyOf(f.Generations, func(s string) bool { return strings.HasPrefix(v.generation, s) }),
		!anyOf(m.hosts, func(h string) bool { return hostMatches(h, v.host) }),
		!anyOf(f.Paths, func(p string) bool { return strings.HasPrefix(pathOf(v.uri), p) }):
		return false
	}
	return m.client(v.clientIP)
}

// final decides by what the access line may say differently than the captured
// part.
func (m *matcher) final(o Outcome, status int) bool {
	return (len(m.f.Outcomes) == 0 || slices.Contains(m.f.Outcomes, o)) &&
		m.f.Status.Has(status) && (!m.f.Failed || Failed(o, status))
}

func (m *matcher) client(ip string) bool {
	if len(m.networks)+len(m.prefixes) == 0 {
		return true
	}
	for _, p := range m.prefixes {
		if strings.HasPrefix(ip, p) {
			return true
		}
	}
	if len(m.networks) == 0 {
		return false
	}
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return false
	}
	network := netip.PrefixFrom(a, clearBits(a))
	for _, p := range m.networks {
		if p.Overlaps(network) {
			return true
		}
	}
	return false
}

func anyOf(list []string, matches func(string) bool) bool {
	return len(list) == 0 || slices.ContainsFunc(list, matches)
}

func has(list []string, s string) bool { return len(list) == 0 || slices.Contains(list, s) }

// bareHost is a host in lower case, without port and last dot.
func bareHost(h string) string {
	h = strings.ToLower(h)
	if strings.HasPrefix(h, "[") {
		if end := strings.IndexByte(h, ']'); end >= 0 {
			return h[:end+1]
		}
		return h
	}
	if i := strings.IndexByte(h, ':'); i >= 0 && i == strings.LastIndexByte(h, ':') {
		h = h[:i]
	}
	return strings.TrimSuffix(h, ".")
}

func hostMatches(pattern, host string) bool {
	host = bareHost(host)
	if suffix, wild := strings.CutPrefix(pattern, "*"); wild && strings.HasPrefix(suffix, ".") {
		return len(host) > len(suffix) && strings.HasSuffix(host, suffix)
	}
	return host == pattern
}

// pathOf is the path of a request target: of "/a?b", and of "http://host/a?b".
func pathOf(uri string) string {
	if i := strings.IndexAny(uri, "?#"); i >= 0 {
		uri = uri[:i]
	}
	if !strings.HasPrefix(uri, "/") {
		if _, rest, ok := strings.Cut(uri, "://"); ok {
			if i := strings.IndexByte(rest, '/'); i >= 0 {
				return rest[i:]
			}
			return "/"
		}
	}
	return uri
}
