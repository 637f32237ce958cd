package configs

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// checkApps reads the apps.
func (b *builder) checkApps() {
	b.appAt = make(map[string]spot)
	for i := range b.apps {
		e := &b.apps[i]
		if !isName(e.Key) {
			b.ps.errorAt(e.at, "a name has letters, digits, `-`, `_` and `.`, 64 at most, and starts with a letter or digit; variables are not read in keys", "%s is not a name for an app", strconv.Quote(clip(e.Key)))
		}
		if at, twice := b.appAt[e.Key]; twice {
			b.ps.errorAt(e.at, "rename one, or remove it", "app %q is declared twice: also at %s", e.Key, at.origin())
			continue
		}
		b.appAt[e.Key] = e.at
		b.appNames = append(b.appNames, e.Key)
		b.cfg.Apps = append(b.cfg.Apps, b.app(e))
	}
}

func (b *builder) app(e *entry[shortOr[appFile]]) App {
	f := &e.Value
	a := App{
		Name:       e.Key,
		Connect:    b.timeout(&f.Long.Timeouts.Connect, defaultConnect),
		Response:   b.timeout(&f.Long.Timeouts.Response, defaultResponse),
		Idempotent: f.Long.Idempotent.ok && f.Long.Idempotent.Value,
		Origin:     e.at.origin(),
	}
	upstreams := f.Long.Upstreams.Items
	switch {
	case !f.long:
		f.Short.what = "app " + strconv.Quote(e.Key)
		upstreams = []text{f.Short}
	case f.Long.ok && !f.Long.odd && !f.Long.Upstreams.set || f.Long.Upstreams.empty():
		at := e.at
		if f.Long.Upstreams.set {
			at = f.Long.Upstreams.at
		}
		b.ps.errorAt(at, "add upstreams: [http://127.0.0.1:3000]", "app %q has no upstreams", e.Key)
	}
	first := make(map[string]*text)
	for i := range upstreams {
		t := &upstreams[i]
		if !t.ok {
			continue
		}
		address, err := parseUpstream(t.Value)
		if err != nil {
			t.rejectErr(b.ps, err)
			continue
		}
		if other := first[address]; other != nil {
			t.reject(b.ps, "keep one of them", "app %q has the upstream %s twice: also at %s", e.Key, t.shown(), other.at.origin())
			continue
		}
		first[address] = t
		if b.listensOn(address) {
			t.reject(b.ps, "name the app's own address and port", "%s: %s is the address the edge itself listens on: requests would go round in a circle", t.what, t.shown())
		}
		a.Upstreams = append(a.Upstreams, Upstream{
			Address: address,
			URL:     "http://" + strings.TrimSuffix(address, ":80"),
			Origin:  t.at.origin(),
		})
	}
	return a
}

// listensOn reports whether an upstream address is one that the edge serves.
func (b *builder) listensOn(address string) bool {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	addr, err := netip.ParseAddr(host)
	if err != nil && host != "localhost" {
		return false
	}
	loopback := err != nil || addr.IsLoopback() || addr.IsUnspecified()
	for _, listen := range slices.Concat(b.cfg.Listen.HTTP, b.cfg.Listen.HTTPS) {
		lhost, lport, err := net.SplitHostPort(listen)
		if err != nil || lport != port {
			continue
		}
		laddr, err := netip.ParseAddr(lhost)
		everywhere := err != nil || laddr.IsUnspecified()
		if laddr == addr && addr.IsValid() || loopback && everywhere || host == "localhost" && laddr.IsLoopback() {
			return true
		}
	}
	return false
}

// isName reports whether s can name an app or a site.
func isName(s string) bool {
	for i, c := range []byte(s) {
		alnum := isDigit(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !alnum && (i == 0 || c != '-' && c != '_' && c != '.') {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// parseUpstream reads http://host[:port] and returns host:port, lower-case and
// with the default port 80, to dial.
func parseUpstream(s string) (address string, err error) {
	scheme, rest, found := strings.Cut(s, "://")
	switch {
	case strings.HasPrefix(s, "unix:"):
		return "", &hinted{"is a unix socket, which this version cannot use yet", "let the app listen on a port: http://127.0.0.1:3000"}
	case !found:
		return "", &hinted{"has no scheme", "did you mean http://" + strings.TrimLeft(s, "/") + "?"}
	}
	switch strings.ToLower(scheme) {
	case "http":
	case "https", "h2c":
		return "", &hinted{"has a scheme that this version cannot use yet", "only http:// upstreams are built so far"}
	default:
		return "", &hinted{"has an unknown scheme", "write http://host:port"}
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		part := map[byte]string{'/': "a path", '?': "a query", '#': "a fragment"}[rest[i]]
		return "", &hinted{"has " + part, "write http://" + rest[:i] + ": an upstream is an address, the path is the request's"}
	}
	if strings.Contains(rest, "@") {
		return "", &hinted{"has a user name or password", "write http://" + rest[strings.LastIndex(rest, "@")+1:]}
	}
	host, port := rest, "80"
	if strings.HasPrefix(rest, "[") {
		end := strings.IndexByte(rest, ']')
		if end < 0 {
			return "", &hinted{"has a bracket that is not closed", "write http://[::1]:3000"}
		}
		addr, err := netip.ParseAddr(rest[1:end])
		if err != nil || addr.Is4() {
			return "", &hinted{"has no IPv6 address between its brackets", "write http://[::1]:3000"}
		}
		host, rest = addr.String(), rest[end+1:]
		if rest != "" {
			if rest[0] != ':' {
				return "", &hinted{"has something after its address", "write http://[::1]:3000"}
			}
			port = rest[1:]
		}
	} else {
		if i := strings.IndexByte(rest, ':'); i >= 0 {
			host, port = rest[:i], rest[i+1:]
			if strings.Contains(port, ":") {
				return "", &hinted{"has an IPv6 address without brackets", "write http://[::1]:3000"}
			}
		}
		if host, err = parseUpstreamHost(host); err != nil {
			return "", err
		}
	}
	if _, err := parsePort(port, 1); err != nil {
		return "", err
	}
	return net.JoinHostPort(host, port), nil
}

// parseUpstreamHost checks an IPv4 address or a name for the resolver. Labels
// may have underscores, as the names of containers do.
func parseUpstreamHost(host string) (string, error) {
	if host == "" {
		return "", &hinted{"has no host", "write http://127.0.0.1:3000"}
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.String(), nil
	}
	host = strings.ToLower(host)
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || len(host) > 253 {
			return "", &hinted{"has a host name with an empty or too long part", "write http://host:port"}
		}
		for _, c := range []byte(label) {
			if !isDigit(c) && (c < 'a' || c > 'z') && c != '-' && c != '_' {
				return "", &hinted{"has a character that no host name has", "a name has letters, digits, `-`, `_` and dots; write others as xn--…"}
			}
		}
	}
	// "127.1" and "0x7f.1" are addresses to some resolvers and names to others.
	if last := labels[len(labels)-1]; isDigit(last[0]) {
		return "", &hinted{"has a host that ends like an IP address but is none", "write all four numbers, in decimal"}
	}
	return host, nil
}
