package edge

import (
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
// in old, which may be nil, are taken over with their connections; certificates are
// taken into use anew, as they were read now. marked is told of upstreams that go down
// and come back.
func newGeneration(cfg *configs.Config, old *generation, gate *tlsgate.Gate, marked func(upstream string, cause error)) *generation {
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
		app.Marked = marked
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

// retire closes what the next generation did not take over.
func (g *generation) retire(next *generation) {
	for name, app := range g.apps {
		if next.apps[name] != app {
			app.Close()
		}
	}
}

func sameApp(a, b *configs.App) bool {
	return a.Connect == b.Connect && a.Response == b.Response && a.Idempotent == b.Idempotent &&
		slices.EqualFunc(a.Upstreams, b.Upstreams, func(x, y configs.Upstream) bool { return x.URL == y.URL })
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
