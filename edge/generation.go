package edge

import (
	"bytes"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/holdfast-edge/holdfast/configs"
	"github.com/holdfast-edge/holdfast/edge/http1"
	"github.com/holdfast-edge/holdfast/edge/upstream"
	"github.com/holdfast-edge/holdfast/routing"
	tlsgate "github.com/holdfast-edge/holdfast/tls"
)

// generation is one loaded configuration with all that was made from it. It does not
// change; an exchange keeps the one it began with until it ends.
type generation struct {
	cfg    *configs.Config
	id     string // configs.Config.Generation
	since  time.Time
	table  *routing.Table
	apps   map[string]*upstream.App
	local  map[*configs.Route]http.Handler
	limits http1.Limits

	certs        map[tlsgate.Files]*tlsgate.Certificate
	redirectPort string // ":8443", "" for the usual one; set before the generation is live
}

// newGeneration makes a generation of a configuration. Apps that are the same as
// in old, which may be nil, are taken over with their connections and all that is known
// of their upstreams. New ones are handed to watch, which may set what they tell; they
// have to be started. Certificates are taken into use anew, as they were read now.
func newGeneration(cfg *configs.Config, old *generation, gate *tlsgate.Gate, watch func(*upstream.App)) *generation {
	g := &generation{
		cfg:   cfg,
		id:    cfg.Generation(),
		since: time.Now(),
		table: cfg.Table(),
		apps:  make(map[string]*upstream.App, len(cfg.Apps)),
		local: make(map[*configs.Route]http.Handler),
		certs: newCertificates(gate, cfg, time.Now()),
		limits: http1.Limits{
			HeaderTimeout: cfg.Limits.HeaderTimeout,
			BodyTimeout:   cfg.Limits.BodyTimeout,
			IdleTimeout:   cfg.Limits.IdleTimeout,
			MaxHeader:     int(cfg.Limits.MaxHeader),
		},
	}
	for i := range cfg.Apps {
		a := &cfg.Apps[i]
		if old != nil {
			if was := old.cfg.App(a.Name); was != nil && sameApp(was, a) {
				g.apps[a.Name] = old.apps[a.Name]
				continue
			}
		}
		app := upstream.FromConfig(a)
		watch(app)
		g.apps[a.Name] = app
	}
	for i := range cfg.Sites {
		for k := range cfg.Sites[i].Routes {
			r := &cfg.Sites[i].Routes[k]
			if r.App != "" {
				continue
			}
			g.local[r] = localHandler(r)
		}
	}
	return g
}

// start starts the apps that were not taken over from old, which may be nil.
func (g *generation) start(old *generation) {
	for name, app := range g.apps {
		if old == nil || old.apps[name] != app {
			app.Start()
		}
	}
}

// retire closes what the next generation did not take over.
func (g *generation) retire(next *generation) {
	for name, app := range g.apps {
		if next.apps[name] != app {
			app.Close()
		}
	}
}

// status tells how the apps stand, in the order of the files.
func (g *generation) status() []upstream.Status {
	all := make([]upstream.Status, len(g.cfg.Apps))
	for i := range g.cfg.Apps {
		all[i] = g.apps[g.cfg.Apps[i].Name].Status()
	}
	return all
}

// sameApp reports whether an app can be taken over: nothing about it has changed but
// its place in the file.
func sameApp(a, b *configs.App) bool {
	sameURL := func(x, y configs.Upstream) bool { return x.URL == y.URL }
	return a.Host == b.Host && a.Connect == b.Connect && a.Response == b.Response && a.Health == b.Health &&
		a.Idempotent == b.Idempotent && a.MaxConnections == b.MaxConnections &&
		a.TLS.CA == b.TLS.CA && a.TLS.ServerName == b.TLS.ServerName && bytes.Equal(a.TLS.Authorities, b.TLS.Authorities) &&
		slices.EqualFunc(a.Upstreams, b.Upstreams, sameURL)
}

// trusts reports whether a peer's own word about its client is believed.
func (g *generation) trusts(peer netip.Addr) bool {
	for _, p := range g.cfg.TrustedProxies {
		if p.Contains(peer) {
			return true
		}
	}
	return false
}
