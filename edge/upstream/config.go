package upstream

import (
	"crypto/tls"
	"net"
	"net/netip"

	"github.com/holdfast-edge/holdfast/configs"
)

// FromConfig makes the app that a configuration describes, with no connections yet.
func FromConfig(c *configs.App) *App {
	endpoints := make([]*Endpoint, len(c.Upstreams))
	sessions := tls.NewLRUClientSessionCache(maxSessions)
	for i := range c.Upstreams {
		endpoints[i] = newEndpoint(&c.Upstreams[i], c, sessions)
	}
	a := NewApp(c.Name, endpoints)
	a.Connect, a.Response, a.Idempotent = c.Connect, c.Response, c.Idempotent
	a.check = check{path: c.Health.Path, interval: c.Health.Interval}
	if c.MaxConnections > 0 {
		a.gate = &gate{limit: c.MaxConnections}
	}
	return a
}

func newEndpoint(u *configs.Upstream, c *configs.App, sessions tls.ClientSessionCache) *Endpoint {
	e := &Endpoint{Address: u.Address, Name: u.URL, unix: u.Scheme == "unix", self: u.Authority}
	switch c.Host {
	case configs.HostKeep, "":
	case configs.HostUpstream:
		e.host = u.Authority
	default:
		e.host = c.Host
	}
	if e.unix {
		return e
	}
	host, port, err := net.SplitHostPort(u.Address)
	if err != nil {
		return e // connecting says what is wrong with it
	}
	if _, err := netip.ParseAddr(host); err != nil {
		e.name = newName(host, port)
	}
	if u.Scheme == "https" {
		e.secure = newSecure(&c.TLS, u.URL, host, sessions)
	}
	return e
}
