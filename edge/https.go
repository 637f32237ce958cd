package edge

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"github.com/holdfast-edge/holdfast/accesslog"
	"github.com/holdfast-edge/holdfast/configs"
	"github.com/holdfast-edge/holdfast/edge/exchange"
	"github.com/holdfast-edge/holdfast/routing"
	tlsgate "github.com/holdfast-edge/holdfast/tls"
)

// certificate is what the live generation shows to a client that asks for the name in
// its handshake, nil for nothing.
func (e *Edge) certificate(name string) *tlsgate.Certificate {
	g := e.live.Load()
	if s := g.cfg.Secured(name); s != nil {
		return g.certs[s.Certificate.Files]
	}
	return nil
}

// newCertificates takes the certificates of a configuration into use: one for each pair
// of files, however many sites have it.
func newCertificates(gate *tlsgate.Gate, cfg *configs.Config, now time.Time) map[tlsgate.Files]*tlsgate.Certificate {
	hosts := make(map[tlsgate.Files][]string)
	pairs := make(map[tlsgate.Files]*tlsgate.Pair)
	for i := range cfg.Sites {
		s := &cfg.Sites[i]
		if s.Certificate == nil || s.Certificate.Pair == nil {
			continue
		}
		f := s.Certificate.Files
		pairs[f] = s.Certificate.Pair
		for _, h := range s.Hosts {
			if !h.Pattern.IP() {
				hosts[f] = append(hosts[f], h.Pattern.String())
			}
		}
	}
	certs := make(map[tlsgate.Files]*tlsgate.Certificate, len(pairs))
	for f, p := range pairs {
		certs[f] = gate.Certificate(p, hosts[f], now)
	}
	return certs
}

// secured checks what TLS has to do with the request whose site is known. It answers
// and returns false where the connection was opened for another site, and where the
// site wants HTTPS and this is not.
func (f *flight) secured() bool {
	x := f.x
	site := f.decision.Site.Data.(*configs.Site)
	if x.TLS != nil {
		// The usual case needs no look: the host is the name, byte for byte.
		if string(x.Host) == x.TLS.ServerName || f.gen.cfg.Covers(x.TLS.ServerName, site) {
			return true
		}
		f.decision.Route, f.decision.App = nil, ""
		f.refuse(421, accesslog.SNIMismatch, "the connection was opened for another site")
		return false
	}
	if !site.Redirect || f.client.scheme == "https" { // a trusted proxy had TLS
		return true
	}
	switch f.decision.Verdict {
	case routing.Served, routing.NoPath:
		f.redirect()
		return false
	}
	return true // to be refused: HTTPS would not make it better
}

// redirect sends the client to the same place over HTTPS: the target byte for byte, and
// by 308 with its method and body (RFC 9110, section 15.4.9).
func (f *flight) redirect() {
	x := f.x
	// A small body is taken, so that the connection can go on.
	body, whole, err := x.Body.Buffered(smallBody)
	if len(body) > 0 {
		f.capture.Alias(body)
	}
	if err != nil {
		f.bodyFailed(err)
		return
	}
	if whole {
		f.bodyErr = io.EOF
	}
	host, err := routing.ParseHost(x.Host)
	if err != nil { // it was found in the table
		f.refuse(400, accesslog.Rejected, "the host is malformed")
		return
	}
	var to bytes.Buffer
	to.WriteString("https://")
	to.WriteString(host.String())
	to.WriteString(f.gen.redirectPort)
	if x.Target[0] == '/' { // else "*"
		to.Write(x.Target)
	} else {
		to.WriteByte('/')
	}
	f.decision.Route, f.decision.App = nil, "" // nobody else is asked
	f.reason = "plain HTTP is sent to HTTPS"
	h := exchange.AnswerHead{Status: 308, Length: 0, Fields: []exchange.Field{{Name: []byte("Location"), Value: to.Bytes()}}}
	if f.begin(&h) == nil {
		_ = x.Answer.End(nil)
	}
}

// watchCertificates reads the files that changed again, and says what is wrong with
// certificates and what will be. It is called every minute or so.
func (e *Edge) watchCertificates(now time.Time) {
	for files, c := range e.live.Load().certs {
		renewed, err := c.Refresh()
		p := c.Pair()
		switch {
		case err != nil:
			e.log.Error().Err(err).Str("cert", files.Cert).Str("key", files.Key).Time("until", p.Leaf.NotAfter).
				Msg("the certificate files changed and cannot be used: the old certificate is served on")
		case renewed:
			e.log.Info().Str("cert", files.Cert).Strs("names", names(p)).Time("until", p.Leaf.NotAfter).
				Msg("a new certificate is served")
		}
		v, due := c.Due(now)
		if !due {
			continue
		}
		ev, text := e.log.Error(), ""
		switch v {
		case tlsgate.Expired:
			text = "a certificate has expired: clients refuse it"
		case tlsgate.NotYet:
			text = "a certificate is not valid yet: clients refuse it"
		default:
			ev = e.log.Warn()
			text = fmt.Sprintf("a certificate expires in %d days", int(p.Leaf.NotAfter.Sub(now)/(24*time.Hour)))
		}
		ev.Str("cert", files.Cert).Strs("names", names(p)).Time("from", p.Leaf.NotBefore).Time("until", p.Leaf.NotAfter).Msg(text)
	}
}

// tryCertificates says which certificates cannot be read any more, now that the edge has
// given up root: it must be known before they have to be renewed.
func (e *Edge) tryCertificates() {
	for _, c := range e.live.Load().certs {
		if err := c.Readable(); err != nil {
			e.log.Warn().Err(err).Str("hint", "let the user that owns the data directory read it: chgrp and chmod 640, and its folders").
				Msg("a certificate was read by root and cannot be read again: a renewal will not be noticed, and a reload refused")
		}
	}
}

// names are the first of those a certificate is for.
func names(p *tlsgate.Pair) []string {
	n := p.Names()
	return n[:min(len(n), 5)]
}
