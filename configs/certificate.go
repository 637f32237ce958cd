package configs

import (
	"net"
	"strings"

	"github.com/holdfast-edge/holdfast/routing"
	tlsgate "github.com/holdfast-edge/holdfast/tls"
)

// Certificate is what a site is served with over TLS.
type Certificate struct {
	Files  tlsgate.Files // absolute
	Pair   *tlsgate.Pair // as it was read; nil if Options said not to
	Origin routing.Origin
}

// RedirectPort is the port that plain HTTP is sent to: 443 if the edge listens there,
// else the first of listen.https, as port says of its address ("" if it knows nothing
// better than the file). It is ":8443", or "" for 443 and without listen.https.
func (l *Listen) RedirectPort(port func(addr string) string) string {
	first := ""
	for _, addr := range l.HTTPS {
		p := port(addr)
		if p == "" {
			_, p, _ = net.SplitHostPort(addr)
		}
		if p == "443" {
			return ""
		}
		if first == "" {
			first = ":" + p
		}
	}
	return first
}

// Secured is the site that a server name of a handshake gets the certificate of: one
// that names the host and has a certificate. nil is a refusal.
func (c *Config) Secured(serverName string) *Site {
	if len(c.Listen.HTTPS) == 0 || strings.ContainsAny(serverName, ":[]") { // no port, no address
		return nil
	}
	if s := c.table.Resolve([]byte(serverName), nil, []byte("*")).Site; s != nil {
		if site := s.Data.(*Site); site.Certificate != nil {
			return site
		}
	}
	return nil
}

// Covers reports whether a connection that was opened under a server name may carry
// requests for the site: it is the site of that name, or it has the same certificate,
// so that browsers may use one connection for both (RFC 9110, section 4.3.3).
func (c *Config) Covers(serverName string, s *Site) bool {
	of := c.Secured(serverName)
	return of != nil && s != nil && (of == s || s.Certificate != nil && s.Certificate.Files == of.Certificate.Files)
}
