package edgecmd

import (
	"net/netip"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/configs"
	"github.com/holdfast-edge/holdfast/routing"
	tlsgate "github.com/holdfast-edge/holdfast/tls"
)

// tlsLine is what a host has of TLS, as --json prints it.
type tlsLine struct {
	Certificate string     `json:"certificate"` // path
	Until       *time.Time `json:"until,omitempty"`
	Redirect    bool       `json:"redirect"`        // plain HTTP is sent to HTTPS
	Error       string     `json:"error,omitempty"` // why the file cannot be read now
}

// tlsOf looks at a site's certificate as its file is now; nil if it has none.
func tlsOf(s *configs.Site) *tlsLine {
	if s.Certificate == nil {
		return nil
	}
	l := &tlsLine{Certificate: s.Certificate.Files.Cert, Redirect: s.Redirect}
	leaf, err := tlsgate.ReadLeaf(s.Certificate.Files.Cert)
	if err != nil {
		l.Error = err.Error()
		return l
	}
	until := leaf.NotAfter.UTC()
	l.Until = &until
	return l
}

// describe is the line in a table: "no", "until 2027-01-31", "expired 2026-11-20".
func (l *tlsLine) describe(now time.Time) string {
	switch {
	case l == nil:
		return "no"
	case l.Until == nil:
		return "certificate " + l.Error
	case l.Until.Before(now):
		return "expired " + l.Until.Format(time.DateOnly)
	}
	return "until " + l.Until.Format(time.DateOnly)
}

// serverName is the name that a client puts into its handshake to reach an authority:
// its host, or nothing for an IP address (RFC 6066, section 3).
func serverName(authority string) string {
	h, err := routing.ParseHost([]byte(authority))
	if err != nil {
		return ""
	}
	name := h.String()
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return ""
	}
	return name
}

// layer is what TLS, or its absence, makes of a request before any route counts.
type layer struct {
	answer  string // "" if it makes no difference
	refused bool
	steps   []routing.Step
}

// handshake judges a request over TLS: the name of the handshake, and then whether the
// connection may carry the host.
func handshake(cfg *configs.Config, q asked, d routing.Decision) layer {
	name := q.name
	if len(cfg.Listen.HTTPS) == 0 && len(cfg.TrustedProxies) > 0 && !q.sni {
		return layer{steps: []routing.Step{{Text: "TLS ends at a trusted proxy: the configuration has no listen.https"}}}
	}
	if len(cfg.Listen.HTTPS) == 0 {
		return layer{"refused: nothing listens for HTTPS", true, []routing.Step{{Text: "the configuration has no listen.https"}}}
	}
	site := cfg.Secured(name)
	if site == nil {
		step := routing.Step{Text: "the handshake names " + name + ", which no site names"}
		named := cfg.Table().Resolve([]byte(name), nil, []byte("*")).Site
		switch {
		case name == "":
			step.Text = "the handshake names no host: clients that connect by IP address cannot"
		case named != nil:
			step = routing.Step{Text: "the handshake names " + name + ", whose site " + named.Name + " has no certificate", Origin: named.Origin}
		}
		return layer{"refused: the handshake fails (unrecognized_name)", true, []routing.Step{step}}
	}
	steps := []routing.Step{{Text: "the handshake for " + name + " shows " + site.Certificate.Files.Cert, Origin: site.Certificate.Origin}}
	if d.Site != nil {
		if s := d.Site.Data.(*configs.Site); !cfg.Covers(name, s) {
			steps = append(steps, routing.Step{Text: "the connection was opened for the site " + site.Name + ", and " + s.Name + " has another certificate", Origin: s.Origin})
			return layer{"refused: 421 (sni_mismatch)", true, steps}
		}
	}
	return layer{steps: steps}
}

// inClear judges a request over plain HTTP.
func inClear(cfg *configs.Config, d routing.Decision, authority, target string) layer {
	if len(cfg.Listen.HTTP) == 0 {
		return layer{"refused: nothing listens for plain HTTP", true, []routing.Step{{Text: "the configuration has no listen.http"}}}
	}
	if d.Site == nil || !d.Site.Data.(*configs.Site).Redirect || d.Verdict != routing.Served && d.Verdict != routing.NoPath {
		return layer{}
	}
	s := d.Site.Data.(*configs.Site)
	host, _ := routing.ParseHost([]byte(authority)) // it was found
	if !strings.HasPrefix(target, "/") {
		target = "/"
	}
	to := "https://" + host.String() + cfg.Listen.RedirectPort(func(string) string { return "" }) + target
	return layer{"redirect 308 to " + to, false,
		[]routing.Step{{Text: "plain HTTP is sent to HTTPS (https_redirect)", Origin: s.Certificate.Origin}}}
}
