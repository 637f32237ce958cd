package tlsgate

import (
	"net/netip"
	"strings"
	"time"
)

// Covers reports whether the certificate is good for a host of a site: a name in lower
// case, a wildcard ("*.example.com", which only the same wildcard covers), or an IP
// address, IPv6 in brackets. Common names do not count (RFC 9525, section 2), and a
// wildcard of a certificate is one label (section 6.3).
func (p *Pair) Covers(host string) bool {
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		for _, ip := range p.Leaf.IPAddresses {
			if b, ok := netip.AddrFromSlice(ip); ok && b.Unmap() == a.Unmap() {
				return true
			}
		}
		return false
	}
	parent := ""
	if first, rest, ok := strings.Cut(host, "."); ok && first != "*" {
		parent = "*." + rest
	}
	for _, name := range p.Leaf.DNSNames {
		name = strings.TrimSuffix(name, ".")
		if strings.EqualFold(name, host) || parent != "" && strings.EqualFold(name, parent) {
			return true
		}
	}
	return false
}

// Names are what the certificate is for, for a person.
func (p *Pair) Names() []string {
	names := append([]string(nil), p.Leaf.DNSNames...)
	for _, ip := range p.Leaf.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}

// Soon is how long before its end a certificate is worth a warning.
const Soon = 14 * 24 * time.Hour

// Validity is where a moment lies in the life of a certificate.
type Validity uint8

// The moments of a certificate's life.
const (
	Valid Validity = iota
	Ending
	Expired
	NotYet
)

// At says how the certificate stands at a moment.
func (p *Pair) At(now time.Time) Validity {
	switch {
	case now.After(p.Leaf.NotAfter):
		return Expired
	case now.Before(p.Leaf.NotBefore):
		return NotYet
	case p.Leaf.NotAfter.Sub(now) < Soon:
		return Ending
	}
	return Valid
}
