package configs

import (
	"errors"
	"path/filepath"
	"strings"

	"github.com/holdfast-edge/holdfast/routing"
)

// checkSites reads the sites.
func (b *builder) checkSites() {
	for i := range b.sites {
		if f := &b.sites[i]; f.ok {
			b.cfg.Sites = append(b.cfg.Sites, b.site(f))
		}
	}
}

func (b *builder) site(f *siteFile) Site {
	s := Site{Origin: f.at.origin(), Capture: captureOf(&f.Capture, CaptureFailed)}
	if !f.Hosts.set && !f.odd || f.Hosts.empty() {
		at := f.at
		if f.Hosts.set {
			at = f.Hosts.at
		}
		b.ps.errorAt(at, "add hosts: [www.example.com]", "the site names no hosts")
	}
	for i := range f.Hosts.Items {
		t := &f.Hosts.Items[i]
		if !t.ok {
			continue
		}
		pattern, err := routing.ParsePattern(t.Value)
		if err != nil {
			b.rejectHost(t, err)
			continue
		}
		b.remember(t, t.Value, pattern.String())
		s.Hosts = append(s.Hosts, routing.HostRule{Pattern: pattern, Origin: t.at.origin()})
	}
	if len(s.Hosts) > 0 {
		s.Name = s.Hosts[0].Pattern.String()
	}
	if f.Name.ok {
		b.remember(&f.Name, f.Name.Value)
		if isName(f.Name.Value) {
			s.Name = f.Name.Value
		} else {
			f.Name.reject(b.ps, "a name has letters, digits, `-`, `_` and `.`, 64 at most, and starts with a letter or digit", "%s is not a name for a site", f.Name.shown())
		}
	}
	if f.App.set {
		s.App, s.AppOrigin = b.appRef(&f.App), f.App.at.origin()
	}
	b.siteTLS(f, &s)
	for i := range f.Routes.Items {
		if r := &f.Routes.Items[i]; r.ok {
			s.Routes = append(s.Routes, b.route(r, s.Capture))
		}
	}
	if !f.App.set && !f.odd && (!f.Routes.set || f.Routes.empty()) {
		b.ps.errorAt(f.at, "add app: NAME, or routes", "the site has neither an app nor routes: nothing would answer")
	}
	return s
}

// rejectHost reports a host that is none, with the hint that routing has.
func (b *builder) rejectHost(t *text, err error) {
	if t.expanded {
		t.reject(b.ps, "", "%s: %s is not a host", t.what, t.shown())
		return
	}
	var why *routing.PatternError
	if errors.As(err, &why) {
		t.reject(b.ps, why.Hint, "%s", why.Reason)
		return
	}
	t.reject(b.ps, "", "%s is not a host: %s", t.shown(), err)
}

// remember notes what a text out of a variable became, so that the messages of
// the routing table can be searched for it.
func (b *builder) remember(t *text, values ...string) {
	if t.expanded {
		b.secrets = append(b.secrets, values...)
	}
}

// appRef reads the name of an app, and notes that it is used.
func (b *builder) appRef(t *text) string {
	if !t.ok {
		return ""
	}
	if _, declared := b.appAt[t.Value]; declared {
		b.used[t.Value] = true
		return t.Value
	}
	var hint string
	switch {
	case len(b.appNames) == 0:
		hint = "no apps are declared: add apps: {" + t.Value + `: "http://127.0.0.1:3000"}`
		if !isName(t.Value) {
			hint = `declare it: apps: {name: "http://127.0.0.1:3000"}, and name it here`
		}
	case strings.Contains(t.Value, "://"):
		hint = "name an app here, and give it the address under `apps`"
	case !b.ps.full():
		hint = didYouMean(t.Value, b.appNames, `"`, "the apps are")
	}
	t.reject(b.ps, hint, "app %s does not exist", t.shown())
	return ""
}

// checkUse warns of what has no effect.
func (b *builder) checkUse(f *mainFile) {
	if b.ps.failed {
		return // an error elsewhere may be the reason
	}
	for _, e := range b.apps {
		if !b.used[e.Key] {
			b.ps.warnAt(e.at, "", "app %q is used by no site", e.Key)
		}
	}
	if len(b.sites) == 0 {
		at := b.src.start()
		if f.Sites.set {
			at = f.Sites.at
		}
		b.ps.warnAt(at, "add sites: [{hosts: [www.example.com], app: NAME}]", "there are no sites: every request would be refused")
	}
}

func captureOf(t *text, fallback Capture) Capture {
	if t.ok {
		for _, c := range []Capture{CaptureFailed, CaptureAll, CaptureNone} {
			if c.String() == t.Value {
				return c
			}
		}
	}
	return fallback
}

// route reads one route of a site whose capture is given.
func (b *builder) route(f *routeFile, capture Capture) Route {
	r := Route{Origin: f.at.origin(), Capture: captureOf(&f.Capture, capture)}
	b.routePath(f, &r)
	b.routeMethods(f, &r)

	var actions []string
	note := func(set bool, key string) {
		if set {
			actions = append(actions, "`"+key+"`")
		}
	}
	note(f.App.set, "app")
	note(f.Respond.set, "respond")
	note(f.Redirect.set, "redirect")
	note(f.File.set, "file")
	note(f.Files.set, "files")
	switch {
	case len(actions) == 0 && !f.odd:
		b.ps.errorAt(f.at, "add one of app, respond, redirect, file, files", "the route has no answer")
	case len(actions) > 1:
		b.ps.errorAt(f.at, "keep one of them", "the route has several answers: %s", strings.Join(actions, ", "))
	}
	if f.App.set {
		r.App = b.appRef(&f.App)
	}
	if f.Respond.set {
		r.Respond = b.respond(&f.Respond)
	}
	if f.Redirect.set {
		r.Redirect = b.redirect(&f.Redirect)
	}
	if f.File.ok {
		r.File = b.servedPath(&f.File, false)
	}
	if f.Files.ok {
		r.Files = b.servedPath(&f.Files, true)
	}
	return r
}

// servedPath resolves the path of `file` or `files` and looks whether it is there.
func (b *builder) servedPath(t *text, dir bool) string {
	if t.Value == "" {
		t.reject(b.ps, "write a path relative to this file", "%s is empty", t.what)
		return ""
	}
	path := t.at.src.resolve(t.Value)
	if !b.live {
		b.checkServed(t, path, dir)
	}
	return filepath.Clean(path)
}
