package configs

import (
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"github.com/holdfast-edge/holdfast/routing"
	tlsgate "github.com/holdfast-edge/holdfast/tls"
)

// builder turns the decoded files into the Config and reports what does not
// make sense. It goes on after every problem.
type builder struct {
	*loader
	cfg *Config
	src *source // the main file

	apps     []entry[shortOr[appFile]]
	sites    []siteFile
	appNames []string        // declared, for "did you mean"
	appAt    map[string]spot // where each is declared
	used     map[string]bool // apps that a site or a route names
	// secrets are values out of variables that the routing table sees and so
	// might put into a message.
	secrets []string
	// http and https tell whether the file has such a key under listen; oddListen that
	// it may have been misspelt.
	http, https, oddListen bool
	pairs                  map[tlsgate.Files]*tlsgate.Pair // read so far; nil: not usable, reported
	// paths has, for each route, where its path stands: the better place for
	// what the routing table says about the route.
	paths map[routing.Origin]spot
}

// merge adds the apps and sites of one file.
func (b *builder) merge(apps table[shortOr[appFile]], sites list[siteFile]) {
	b.apps = append(b.apps, apps.Entries...)
	b.sites = append(b.sites, sites.Items...)
}

func (b *builder) build(f *mainFile) {
	b.used = make(map[string]bool)
	b.paths = make(map[routing.Origin]spot)
	b.pairs = make(map[tlsgate.Files]*tlsgate.Pair)
	b.checkPlaces(f)
	b.checkListen(f)
	b.checkApps()
	b.checkLimits(f)
	b.checkSites()
	b.checkUse(f)
	b.checkTable()
}

// text returns the value of an optional key, or fallback.
func (b *builder) text(t *text, fallback string) string {
	if !t.ok {
		return fallback
	}
	return t.Value
}

// maxTimeout is longer than anybody waits, and far from overflowing a deadline.
const maxTimeout = 24 * time.Hour

// timeout returns an optional duration that must be above zero.
func (b *builder) timeout(d *duration, fallback time.Duration) time.Duration {
	switch {
	case !d.ok:
		return fallback
	case d.Value == 0:
		d.reject(b.ps, "the default is "+FormatDuration(fallback), "%s must be longer than zero", d.what)
	case d.Value > maxTimeout:
		d.reject(b.ps, "the default is "+FormatDuration(fallback), "%s cannot be longer than %s", d.what, FormatDuration(maxTimeout))
	}
	return d.Value
}

// checkPlaces resolves data and admin, and reads diagnostics.
func (b *builder) checkPlaces(f *mainFile) {
	c := b.cfg
	c.Data = b.src.resolve("data")
	switch {
	case f.Data.ok && f.Data.Value == "":
		f.Data.reject(b.ps, "leave the key out for ./data beside this file", "`data` is empty")
	case f.Data.ok && !isPath(f.Data.Value):
		f.Data.reject(b.ps, "", "`data`: %s is not a path", f.Data.shown())
	case f.Data.ok:
		c.Data = b.src.resolve(f.Data.Value)
	case !f.Data.set:
		// systemd gives a list if several directories are configured; the
		// value is part of what decides, so it goes into Env.
		if value, ok := b.vars.getenv("STATE_DIRECTORY"); ok {
			if first, _, _ := strings.Cut(value, ":"); filepath.IsAbs(first) {
				b.vars.used["STATE_DIRECTORY"] = value
				c.Data = filepath.Clean(first)
			}
		}
	}
	if !b.live && f.Data.ok {
		b.checkNotFile(&f.Data, c.Data)
	}
	c.Admin = filepath.Join(c.Data, "edge.sock")
	at := b.src.start()
	switch {
	case f.Admin.ok:
		at = f.Admin.at
		path, prefixed := strings.CutPrefix(f.Admin.Value, "unix:")
		if !prefixed || path == "" || !isPath(path) {
			f.Admin.reject(b.ps, "write unix:PATH, such as unix:/run/holdfast/edge.sock", "`admin`: %s is not a unix socket", f.Admin.shown())
		} else {
			c.Admin = b.src.resolve(path)
		}
	case f.Data.ok:
		at = f.Data.at
	}
	if n := len(c.Admin); n > maxSocketPath {
		b.ps.errorAt(at, "name a shorter one: admin: unix:/run/holdfast/edge.sock", "the path of the admin socket has %d bytes; the system allows %d", n, maxSocketPath)
	}
	c.Diagnostics.Level = b.text(&f.Diagnostics.Level, "info")
}

// isPath reports whether s has no character that no sane path has.
func isPath(s string) bool {
	return !strings.ContainsFunc(s, unicode.IsControl)
}

// checkTable makes the routing table and reports what contradicts itself.
func (b *builder) checkTable() {
	sites := make([]routing.Site, 0, len(b.cfg.Sites))
	for i := range b.cfg.Sites {
		s := &b.cfg.Sites[i]
		if len(s.Hosts) == 0 {
			continue // reported
		}
		site := routing.Site{Name: s.Name, Hosts: s.Hosts, App: s.App, Origin: s.Origin, AppOrigin: s.AppOrigin, Data: s}
		for j := range s.Routes {
			r := &s.Routes[j]
			if r.Path == "" {
				continue // reported
			}
			site.Routes = append(site.Routes, routing.Route{
				Path: r.Path, Exact: r.Exact, Methods: r.Methods, App: r.App, Origin: r.Origin, Data: r,
			})
		}
		sites = append(sites, site)
	}
	var conflicts []routing.Conflict
	b.cfg.table, conflicts = routing.New(sites)
	for _, c := range conflicts {
		if b.ps.full() {
			b.ps.count(false)
			continue
		}
		b.ps.add(b.conflict(c))
	}
	// From here on "/api/" is "/api", as it is in the table.
	for i := range b.cfg.Sites {
		for j := range b.cfg.Sites[i].Routes {
			if r := &b.cfg.Sites[i].Routes[j]; !r.Exact && len(r.Path) > 1 {
				r.Path = strings.TrimSuffix(r.Path, "/")
			}
		}
	}
}

// conflict is what the routing table says, without values out of variables.
func (b *builder) conflict(c routing.Conflict) Problem {
	at, ok := b.paths[c.At]
	for _, s := range b.sources {
		if !ok && s.name == c.At.File {
			at = s.at(c.At.Line, c.At.Column)
		}
	}
	if b.leaks(c.Message) || b.leaks(c.Hint) {
		c.Message, c.Hint = "by the values of variables, this cannot be routed", "look at the values of the variables"
	}
	if other := c.Other.String(); c.Other.Line > 0 && !strings.Contains(c.Message, other) {
		c.Message += " (" + other + ")"
	}
	return at.problem(c.Hint, c.Message)
}

// leaks reports whether a message has a value that came out of a variable.
func (b *builder) leaks(message string) bool {
	message = strings.ToLower(message)
	for _, secret := range b.secrets {
		if secret != "" && strings.Contains(message, strings.ToLower(secret)) {
			return true
		}
	}
	return false
}
