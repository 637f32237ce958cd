package configs

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// checkListen reads the addresses to serve on and the trusted proxies.
func (b *builder) checkListen(f *mainFile) {
	b.http, b.https = f.Listen.HTTP.set, f.Listen.HTTPS.set
	b.oddListen = f.Listen.odd || f.odd && !f.Listen.set || f.Listen.set && !f.Listen.ok
	if !f.Listen.set && !f.odd || f.Listen.ok && !b.http && !b.https && !f.Listen.odd {
		at := b.src.start()
		if f.Listen.set {
			at = f.Listen.at
		}
		b.ps.errorAt(at, `add listen: {http: ":8080"}`, "no address to listen on")
	}
	if f.Listen.HTTP.empty() {
		b.ps.errorAt(f.Listen.HTTP.at, `write http: ":8080"`, "`http` names no address to listen on")
	}
	if f.Listen.HTTPS.empty() {
		b.ps.errorAt(f.Listen.HTTPS.at, `write https: ":443"`, "`https` names no address to listen on")
	}
	var seen []listenAddress
	b.cfg.Listen.HTTP = b.addresses(f.Listen.HTTP.Items, &seen)
	b.cfg.Listen.HTTPS = b.addresses(f.Listen.HTTPS.Items, &seen)

	for i := range f.TrustedProxies.Items {
		t := &f.TrustedProxies.Items[i]
		if !t.ok {
			continue
		}
		prefix, err := parsePrefix(t.Value)
		if err != nil {
			t.rejectErr(b.ps, err)
			continue
		}
		if prefix.Bits() == 0 {
			b.ps.warnAt(t.at, "name the addresses of your own proxies", "%s believes every client what it says about itself", t.shown())
		}
		b.cfg.TrustedProxies = append(b.cfg.TrustedProxies, prefix)
	}
}

// addresses reads a list of addresses to listen on. seen has those that are taken.
func (b *builder) addresses(items []text, seen *[]listenAddress) []string {
	var addrs []string
	for i := range items {
		t := &items[i]
		if !t.ok {
			continue
		}
		a, err := parseListen(t.Value)
		if err != nil {
			t.rejectErr(b.ps, err)
			continue
		}
		a.text = t
		for _, other := range *seen {
			if a.overlaps(other) {
				t.reject(b.ps, "keep one of them", "%s: %s is taken already by %s at %s", t.what, t.shown(), other.text.shown(), other.text.at.origin())
				break
			}
		}
		*seen = append(*seen, a)
		addrs = append(addrs, a.String())
	}
	return addrs
}

// listenAddress is an address to listen on; the zero Addr is every address.
type listenAddress struct {
	addr netip.Addr
	port uint16
	text *text
}

func (a listenAddress) String() string {
	host := ""
	if a.addr.IsValid() {
		host = a.addr.String()
	}
	return net.JoinHostPort(host, strconv.Itoa(int(a.port)))
}

// overlaps reports whether both cannot be bound at the same time.
func (a listenAddress) overlaps(o listenAddress) bool {
	if a.port != o.port || a.port == 0 {
		return false
	}
	return a.addr == o.addr || a.covers(o.addr) || o.covers(a.addr)
}

// covers reports whether a takes packets for addr. The zero Addr and :: are
// both families (Linux, net.ipv6.bindv6only = 0), 0.0.0.0 is IPv4.
func (a listenAddress) covers(addr netip.Addr) bool {
	switch {
	case !a.addr.IsValid(), a.addr == netip.IPv6Unspecified():
		return true
	case a.addr == netip.IPv4Unspecified():
		return !addr.IsValid() || addr.Is4() || addr == netip.IPv6Unspecified()
	}
	return a.addr == addr
}

// parseListen reads ":80", "127.0.0.1:80" or "[::1]:80".
func parseListen(s string) (listenAddress, error) {
	if strings.Contains(s, "://") {
		return listenAddress{}, &hinted{"is a URL, not an address to listen on", `write ":8080" or "127.0.0.1:8080"`}
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		hint := `write ":8080" or "127.0.0.1:8080"`
		if _, err := strconv.ParseUint(s, 10, 16); err == nil {
			hint = `did you mean ":` + s + `"?`
		} else if strings.Count(s, ":") > 1 && !strings.HasPrefix(s, "[") {
			hint = `an IPv6 address needs brackets: "[::1]:8080"`
		}
		return listenAddress{}, &hinted{"is not an address to listen on", hint}
	}
	var a listenAddress
	if host != "" {
		if a.addr, err = netip.ParseAddr(host); err != nil {
			hint := "write the IP address of an interface, or nothing before the colon for all of them"
			if host == "localhost" {
				hint = "write 127.0.0.1:" + port + " or [::1]:" + port
			} else if host == "*" {
				hint = `did you mean ":` + port + `"?`
			}
			return listenAddress{}, &hinted{"does not start with an IP address", hint}
		}
		if a.addr.Is4() == strings.HasPrefix(s, "[") {
			return listenAddress{}, &hinted{"is not an address to listen on", `write "127.0.0.1:8080" or "[::1]:8080"`}
		}
	}
	if a.port, err = parsePort(port, 0); err != nil {
		return listenAddress{}, err
	}
	return a, nil
}

// parsePort reads a decimal port of at least least, without sign and leading
// zeros.
func parsePort(s string, least uint64) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || strconv.FormatUint(n, 10) != s || n < least {
		return 0, &hinted{"has a bad port", "a port is a number from 1 to 65535"}
	}
	return uint16(n), nil
}

// parsePrefix reads a CIDR.
func parsePrefix(s string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(s)
	if err != nil {
		if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
			return netip.Prefix{}, &hinted{"is an address, not a network", "write " + netip.PrefixFrom(addr, addr.BitLen()).String()}
		}
		return netip.Prefix{}, &hinted{"is not a network", "write an address and its prefix length, such as 10.0.0.0/8 or fd00::/8"}
	}
	if prefix.Addr().Is4In6() {
		return netip.Prefix{}, &hinted{"is an IPv4 network written as IPv6", "write it as IPv4, such as 10.0.0.0/8"}
	}
	if prefix.Masked() != prefix {
		return netip.Prefix{}, &hinted{"has bits set beyond its prefix length", "did you mean " + prefix.Masked().String() + "?"}
	}
	return prefix, nil
}
