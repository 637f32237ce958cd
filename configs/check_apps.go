package configs

import (
	"cmp"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
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
		Host:       b.appHost(&f.Long.Host),
		Connect:    b.timeout(&f.Long.Timeouts.Connect, defaultConnect),
		Response:   b.timeout(&f.Long.Timeouts.Response, defaultResponse),
		Health:     b.appHealth(&f.Long.Health),
		Idempotent: f.Long.Idempotent.ok && f.Long.Idempotent.Value,
		Origin:     e.at.origin(),
	}
	if n := &f.Long.MaxConnections; n.ok {
		if a.MaxConnections = n.Value; n.Value < 0 {
			n.reject(b.ps, "0 means no limit", "%s cannot be negative", n.what)
		}
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
	case len(upstreams) > MaxUpstreams:
		b.ps.errorAt(f.Long.Upstreams.at, "put a load balancer between, or make several apps of it", "app %q has %d upstreams; %d are possible", e.Key, len(upstreams), MaxUpstreams)
		upstreams = upstreams[:MaxUpstreams]
	}
	first := make(map[string]*text)
	for i := range upstreams {
		t := &upstreams[i]
		u, ok := b.upstream(t)
		if !ok {
			continue
		}
		if other := first[u.URL]; other != nil {
			t.reject(b.ps, "keep one of them", "app %q has the upstream %s twice: also at %s", e.Key, t.shown(), other.at.origin())
			continue
		}
		first[u.URL] = t
		a.Upstreams = append(a.Upstreams, u)
	}
	a.TLS = b.appTLS(&f.Long.TLS, upstreams, a.Upstreams)
	return a
}

// upstream reads one address of an app.
func (b *builder) upstream(t *text) (Upstream, bool) {
	if !t.ok {
		return Upstream{}, false
	}
	u, err := ParseUpstream(t.Value)
	if err != nil {
		t.rejectErr(b.ps, err)
		return u, false
	}
	u.Origin = t.at.origin()
	if u.Scheme != "unix" {
		if b.listensOn(u.Address) {
			t.reject(b.ps, "name the app's own address and port", "%s: %s is the address the edge itself listens on: requests would go round in a circle", t.what, t.shown())
		}
		return u, true
	}
	u.socket(t.at.src.resolve(u.Address))
	if n := len(u.Address); n > maxSocketPath {
		t.reject(b.ps, "let the app listen at a shorter one, such as unix:/run/app.sock", "%s: %s is a path of %d bytes; the system allows %d for a socket", t.what, t.shown(), n, maxSocketPath)
	}
	if u.Address == b.cfg.Admin {
		t.reject(b.ps, "name the app's own socket", "%s: %s is the admin socket of the edge itself", t.what, t.shown())
	}
	return u, true
}

// appHost reads what an app is told the host is.
func (b *builder) appHost(t *text) string {
	if !t.ok {
		return HostKeep
	}
	switch strings.ToLower(t.Value) {
	case HostKeep, HostUpstream:
		if strings.ToLower(t.Value) != t.Value {
			t.reject(b.ps, "did you mean "+strings.ToLower(t.Value)+"?", "%s cannot be %s", t.what, t.shown())
		}
		return t.Value
	}
	const example = "write keep (the host the client asked for), upstream (the upstream's own), or a name such as app.internal"
	if strings.Contains(t.Value, "/") {
		t.reject(b.ps, example, "%s: %s is no host", t.what, t.shown())
		return HostKeep
	}
	if _, _, err := parseAuthority(t.Value, "80"); err != nil {
		t.reject(b.ps, example, "%s: %s %s", t.what, t.shown(), err)
	}
	return strings.ToLower(t.Value)
}

// appTLS reads how https upstreams are verified. written are the upstreams as the file
// has them, good those that could be read.
func (b *builder) appTLS(f *appTLSFile, written []text, good []Upstream) AppTLS {
	var a AppTLS
	isHTTPS := func(u Upstream) bool { return u.Scheme == "https" }
	if f.set && len(good) == len(written) && len(good) > 0 && !slices.ContainsFunc(good, isHTTPS) {
		b.ps.errorAt(f.at, "remove `tls`, or write https:// where it is meant", "`tls` is about https:// upstreams, and the app has none")
	}
	if t := &f.ServerName; t.ok {
		name, err := parseUpstreamHost(strings.Trim(t.Value, "[]"))
		if err != nil {
			t.reject(b.ps, "write the name that is in the certificate, such as app.internal", "%s: %s %s", t.what, t.shown(), err)
		}
		a.ServerName = name
	}
	t := &f.CA
	switch {
	case !t.ok:
		return a
	case t.Value == "" || !isPath(t.Value):
		t.reject(b.ps, "name a PEM file with the certificate of the authority", "%s: %s is not a path", t.what, t.shown())
		return a
	}
	a.CA = t.at.src.resolve(t.Value)
	if b.live {
		return a
	}
	text, _, err := readFile(a.CA, maxFileSize)
	if err != nil {
		t.reject(b.ps, cmp.Or(hintOf(err), "a relative path starts at the folder of this file; the user the edge runs as has to be able to read it"), "%s: %s %s", t.what, t.shown(), err)
		return a
	}
	if err := checkAuthorities(text); err != nil {
		t.rejectErr(b.ps, err)
		return a
	}
	a.Authorities = text
	return a
}

// checkAuthorities reports what is wrong with a PEM file of authorities.
func checkAuthorities(text []byte) error {
	n := 0
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		n++
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return &hinted{fmt.Sprintf("has a certificate that cannot be read, its number %d", n), "export it again, as PEM"}
		}
	}
	if n == 0 {
		return &hinted{"has no certificate", "it should have a block that starts with -----BEGIN CERTIFICATE-----"}
	}
	return nil
}

// leastHealth is the shortest time from one check to the next.
const leastHealth = 100 * time.Millisecond

// appHealth reads how the upstreams of an app are checked.
func (b *builder) appHealth(f *healthFile) Health {
	h := Health{Interval: b.timeout(&f.Interval, defaultHealth)}
	if f.Interval.ok && h.Interval > 0 && h.Interval < leastHealth {
		f.Interval.reject(b.ps, "the default is "+FormatDuration(defaultHealth), "%s must be at least %s", f.Interval.what, FormatDuration(leastHealth))
	}
	t := &f.Path
	switch {
	case f.ok && !f.odd && !t.set:
		b.ps.errorAt(f.at, "add path: /healthz", "`health` does not say what to ask for")
	case !t.ok:
	case !strings.HasPrefix(t.Value, "/"):
		t.reject(b.ps, "write a path such as /healthz: each upstream is asked for it", "%s: %s does not begin with /", t.what, t.shown())
	case strings.ContainsFunc(t.Value, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '#' }):
		t.reject(b.ps, "write it percent-encoded", "%s: %s has a character that cannot be in a path", t.what, t.shown())
	default:
		h.Path = t.Value
	}
	if h.Path == "" {
		return Health{}
	}
	return h
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
		// 0.0.0.0 is IPv4 only; no address, or ::, is both.
		everywhere := err != nil || laddr == netip.IPv6Unspecified() ||
			laddr == netip.IPv4Unspecified() && (!addr.IsValid() || addr.Unmap().Is4())
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
