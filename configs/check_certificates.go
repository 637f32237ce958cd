package configs

import (
	"errors"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/routing"
	tlsgate "github.com/holdfast-edge/holdfast/tls"
)

// siteTLS reads what a site says about TLS. Its hosts are read already.
//
// Whatever only time changes is a warning: a file that was good when the edge started
// must be good when it starts again, or one certificate that ran out would keep every
// other site down.
func (b *builder) siteTLS(f *siteFile, s *Site) {
	redirect := !f.HTTPSRedirect.ok || f.HTTPSRedirect.Value
	if f.HTTPSRedirect.ok && f.HTTPSRedirect.Value && !b.https && !b.oddListen {
		f.HTTPSRedirect.reject(b.ps, `add https: ":443" to listen, or remove it`, "`https_redirect` needs `listen.https`")
	}
	if !f.Certificate.set {
		switch {
		case !b.https || f.odd:
		case !b.http && !b.oddListen:
			b.ps.errorAt(f.at, "add certificate: {cert: FILE, key: FILE}", "the site has no certificate, and there is no `listen.http`: nothing would reach it")
		case redirect:
			b.ps.errorAt(f.at, "add certificate: {cert: FILE, key: FILE}, or https_redirect: false where plain HTTP is wanted",
				"`listen.https` is set, and the site has no certificate")
		}
		return
	}
	if !b.https && !b.oddListen {
		b.ps.errorAt(f.Certificate.at, `add https: ":443" to listen, or remove the certificate`, "`certificate` needs `listen.https`")
		return
	}
	c := &f.Certificate
	if !c.ok {
		return
	}
	if !c.odd && (!c.Cert.set || !c.Key.set) {
		b.ps.errorAt(c.at, "write certificate: {cert: FILE, key: FILE}", "a certificate needs `cert` and `key`")
	}
	for _, t := range []*text{&c.Cert, &c.Key} {
		if t.ok && t.Value == "" {
			t.reject(b.ps, "write a path relative to this file", "%s is empty", t.what)
		}
	}
	if !c.Cert.ok || !c.Key.ok {
		return
	}
	s.Certificate = &Certificate{
		Files:  tlsgate.Files{Cert: c.Cert.at.src.resolve(c.Cert.Value), Key: c.Key.at.src.resolve(c.Key.Value)},
		Origin: c.at.origin(),
	}
	s.Redirect = redirect
	if s.Certificate.Pair = b.pair(c, s.Certificate.Files); s.Certificate.Pair != nil {
		b.checkCovered(f, s)
	}
	if redirect {
		b.checkNoAddress(f)
	}
}

// pair reads a certificate and its key, once however many sites have it. It returns
// nil if it must not be read, or cannot be used.
func (b *builder) pair(c *certificateFile, files tlsgate.Files) *tlsgate.Pair {
	if b.bare {
		return nil
	}
	if p, done := b.pairs[files]; done {
		return p
	}
	b.pairs[files] = nil
	p, err := tlsgate.Load(files)
	var bad *tlsgate.FileError
	if errors.As(err, &bad) {
		t := &c.Cert
		if bad.Key {
			t = &c.Key
		}
		hint := bad.Hint
		if t.expanded {
			hint = "look at the value of the variable"
		}
		problem := t.at.problem(hint, t.what+": "+t.shown()+" "+bad.Reason)
		problem.cause = bad.Err
		b.ps.add(problem)
		return nil
	}
	b.pairs[files] = p
	for _, n := range p.Notices {
		t := &c.Cert
		if n.Key {
			t = &c.Key
		}
		hint := n.Hint
		if t.expanded {
			hint = ""
		}
		b.ps.warnAt(t.at, hint, "%s: %s: %s", t.what, t.shown(), n.Reason)
	}
	end := p.Leaf.NotAfter.UTC().Format(time.DateOnly)
	switch p.At(b.now()) {
	case tlsgate.Expired:
		b.ps.warnAt(c.Cert.at, "renew it: clients refuse it", "%s: %s expired on %s", c.Cert.what, c.Cert.shown(), end)
	case tlsgate.NotYet:
		b.ps.warnAt(c.Cert.at, "is the clock of this machine right?", "%s: %s is not valid before %s", c.Cert.what, c.Cert.shown(),
			p.Leaf.NotBefore.UTC().Format(time.DateOnly))
	case tlsgate.Ending:
		b.ps.warnAt(c.Cert.at, "renew it: the edge reads the files again when they change", "%s: %s expires on %s", c.Cert.what, c.Cert.shown(), end)
	}
	return p
}

// checkCovered reports the site's hosts that its certificate is not for. IP addresses
// are none of its business.
func (b *builder) checkCovered(f *siteFile, s *Site) {
	for i := range f.Hosts.Items {
		t := &f.Hosts.Items[i]
		pattern, err := routing.ParsePattern(t.Value)
		if !t.ok || err != nil || pattern.IP() || s.Certificate.Pair.Covers(pattern.String()) {
			continue
		}
		names := s.Certificate.Pair.Names()
		hint := "it is for " + strings.Join(names[:min(len(names), 5)], ", ")
		switch {
		case len(names) == 0:
			hint = "it has no subjectAltName, the only place that clients look at"
		case len(names) > 5:
			hint += " and more"
		}
		t.reject(b.ps, hint, "the certificate %s does not cover %s", f.Certificate.Cert.shown(), t.shown())
	}
}

// checkNoAddress reports IP addresses among hosts that plain HTTP would be sent away
// from: who connects by address sends no name (RFC 6066, section 3).
func (b *builder) checkNoAddress(f *siteFile) {
	for i := range f.Hosts.Items {
		t := &f.Hosts.Items[i]
		if pattern, err := routing.ParsePattern(t.Value); t.ok && err == nil && pattern.IP() {
			t.reject(b.ps, "put the address into a site of its own with https_redirect: false",
				"%s cannot be served over TLS: a client that connects by IP address names no host in its handshake", t.shown())
		}
	}
}
