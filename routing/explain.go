package routing

import (
	"bytes"
	"fmt"
	"strings"
)

// Step is one step of a decision in words, with the line of the configuration
// that it is about; the Origin is zero where it is about none.
type Step struct {
	Text   string
	Origin Origin
}

// Explain tells, step by step, how Resolve decides for the same arguments. It
// is for people: it takes its time and allocates.
func (t *Table) Explain(authority, method, target []byte) []Step {
	var e explanation
	d := t.Resolve(authority, method, target)
	if d.Verdict == BadHost {
		e.add(Origin{}, "host %s: %s", quote(authority), d.Reason)
		e.add(Origin{}, "refused: the host is malformed")
		return e.steps
	}
	h, err := ParseHost(authority)
	if err != nil { // an empty table does not look at the host
		e.add(Origin{}, "host %s: %s", quote(authority), err)
		e.add(Origin{}, "refused: %s", d.Reason)
		return e.steps
	}
	if h.name != string(authority) {
		e.add(Origin{}, "host %s is %s", quote(authority), h)
	}
	if d.Site == nil {
		e.unnamed(t, h)
		e.add(Origin{}, "refused: %s", d.Reason)
		return e.steps
	}
	n, _ := t.find([]byte(h.name))
	e.add(n.origin, "host %s is named by the site %s%s", h, n.site.Name, n.byWildcard(h, d.Match))
	if len(n.site.rules) > 0 {
		e.routes(n.site, method, target)
	}
	e.conclude(d)
	return e.steps
}

type explanation struct{ steps []Step }

func (e *explanation) add(o Origin, format string, args ...any) {
	e.steps = append(e.steps, Step{fmt.Sprintf(format, args...), o})
}

func (n *named) byWildcard(h Host, m Match) string {
	if m != MatchWildcard {
		return ""
	}
	_, rest, _ := strings.Cut(h.name, ".")
	return " as *." + rest
}

// unnamed points out the names that come close to the host.
func (e *explanation) unnamed(t *Table, h Host) {
	e.add(Origin{}, "no site names %s", h)
	if t == nil {
		return
	}
	if n, ok := t.wildcard[h.name]; ok {
		e.add(n.origin, "*.%s of the site %s stands for one label more, not for %s itself", h, n.site.Name, h)
	}
	for _, rest, ok := strings.Cut(h.name, "."); ok; _, rest, ok = strings.Cut(rest, ".") {
		if n, found := t.exact[rest]; found {
			e.add(n.origin, "%s of the site %s is another host", rest, n.site.Name)
		}
		if n, found := t.wildcard[rest]; found {
			e.add(n.origin, "*.%s of the site %s stands for one label only", rest, n.site.Name)
		}
	}
}

// routes goes through the site's routes up to the one that decides.
func (e *explanation) routes(s *site, method, target []byte) {
	path := withoutQuery(target)
	if string(target) == "*" {
		e.add(Origin{}, "the target * has no path: no route is asked")
		return
	}
	var space oddSpace
	var o oddPath
	switch inspect(path) {
	case textureInvalid:
		return
	case texturePlain:
		o = oddPath{text: path, plain: true}
	case textureOdd:
		var refused choice
		if o, refused = parseOdd(path, &space); refused.reason != "" {
			return
		}
		o.steps = effort + 16*len(s.rules)
		if !o.plain {
			e.add(Origin{}, "path %s is not read the same way by all apps; decoded and resolved it is %s",
				quote(path), quote(o.resolved()))
		}
	}
	for i := range s.rules {
		r := &s.rules[i]
		at, name := r.route.Origin, describe(r.route)
		if !r.takes(method) {
			e.add(at, "route %s is passed over: the method is %s", name, quote(method))
			continue
		}
		a, ok := o.ask(r)
		switch {
		case !ok:
			e.add(at, "route %s: too much to decide", name)
			return
		case a == always:
			e.add(at, "route %s matches", name)
			return
		case a == maybe:
			e.add(at, "route %s matches for some readings of the path and not for others", name)
			return
		}
		e.add(at, "route %s is passed over: %s", name, r.unlike(&o))
	}
}

// unlike says why the rule does not match.
func (r *rule) unlike(o *oddPath) string {
	switch {
	case !o.plain:
		return "no reading of the path matches"
	case r.route.Exact && bytes.HasPrefix(o.text, []byte(r.path)):
		return "the path goes on after it"
	case bytes.HasPrefix(o.text, []byte(r.path)):
		return "the path goes on in the same segment"
	}
	return "the path is another"
}

// resolved is the path when everything odd in it takes effect.
func (o *oddPath) resolved() []byte {
	var segments [][]byte
	for i := range o.parts {
		s, _, _ := bytes.Cut(o.part(i), []byte(";"))
		last := i == len(o.parts)-1
		switch string(s) {
		case "..":
			segments = segments[:max(len(segments)-1, 0)]
			fallthrough
		case ".", "":
			if !last {
				continue
			}
			s = nil
		}
		segments = append(segments, s)
	}
	return append([]byte("/"), bytes.Join(segments, []byte("/"))...)
}

// conclude says what came of it.
func (e *explanation) conclude(d Decision) {
	switch {
	case d.Verdict != Served:
		e.add(d.Origin, "refused: %s", d.Reason)
	case d.Route == nil:
		e.add(d.Origin, "served by the app %s of the site %s", d.App, d.Site.Name)
	case d.App == "":
		e.add(d.Origin, "answered here by the route %s", describe(d.Route))
	default:
		e.add(d.Origin, "served by the app %s of the route %s", d.App, describe(d.Route))
	}
}
