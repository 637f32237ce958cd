package routing

import "bytes"

// Table is the sites of one configuration, ready to be looked up. It never
// changes. The zero Table and a nil *Table refuse everything with NoHost.
type Table struct {
	sites    []site
	exact    map[string]*named // by canonical host
	wildcard map[string]*named // by what follows "*."
}

// site is a site with its routes ready for matching.
type site struct {
	Site
	rules []rule
}

// named is what a host leads to, and the line that names it.
type named struct {
	site   *site
	origin Origin
}

// The reasons of refusals that are not a HostError.
const (
	reasonNoHost    = "no site names the host"
	reasonNoPath    = "the site has no route for the path and no app of its own"
	reasonNotPath   = "the target is not a path"
	reasonEscape    = "the path has a malformed or a NUL escape"
	reasonAmbiguous = "apps read the path in different ways, which lead to different routes"
	reasonWork      = "the path has too many parts that apps read in different ways"
)

// Sites returns a copy of the sites of the table; Data is shared.
func (t *Table) Sites() []Site {
	if t == nil {
		return nil
	}
	sites := make([]Site, len(t.sites))
	for i := range t.sites {
		sites[i] = t.sites[i].clone()
	}
	return sites
}

// Lookup decides for a request to the host. target is the request target in
// origin form with its query, or "*" (RFC 9112 section 3.2); a site without
// routes does not look at it.
func (t *Table) Lookup(h Host, method, target []byte) Decision {
	if t == nil || h.name == "" {
		return Decision{Reason: reasonNoHost}
	}
	// The copy lets find look the name up as bytes, without allocation.
	var buf [maxName]byte
	n, match := t.find(append(buf[:0], h.name...))
	return n.decide(match, method, target)
}

// Resolve is ParseHost and Lookup in one, with BadHost where ParseHost fails.
// It keeps none of its arguments and allocates nothing unless the authority is
// an internationalised name or an IPv6 address in another than its canonical
// form, or the target is very long and full of escapes.
func (t *Table) Resolve(authority, method, target []byte) Decision {
	if t == nil || len(t.exact)+len(t.wildcard) == 0 {
		return Decision{Reason: reasonNoHost}
	}
	// Most authorities are in canonical form already. What is a key needs no
	// check: the canonical form of a canonical form is itself.
	if n, ok := t.exact[string(authority)]; ok {
		return n.decide(MatchExact, method, target)
	}
	var buf [maxName]byte
	name, reason := appendHost(buf[:0], authority)
	if reason != 0 {
		return Decision{Verdict: BadHost, Reason: reason.Error()}
	}
	n, match := t.find(name)
	return n.decide(match, method, target)
}

// find returns what the host leads to; nil if no site names it. Exact comes
// before wildcard.
//
// A wildcard never finds an address: what follows the first dot of an IPv4
// address ends in a number and what follows one in an IPv6 address ends in a
// bracket, and no pattern has that after "*.".
func (t *Table) find(name []byte) (*named, Match) {
	if n, ok := t.exact[string(name)]; ok {
		return n, MatchExact
	}
	if i := bytes.IndexByte(name, '.'); i >= 0 {
		if n, ok := t.wildcard[string(name[i+1:])]; ok {
			return n, MatchWildcard
		}
	}
	return nil, MatchNone
}

// decide chooses the route in the site that names the host.
func (n *named) decide(match Match, method, target []byte) Decision {
	if n == nil {
		return Decision{Reason: reasonNoHost}
	}
	s := n.site
	d := Decision{Match: match, Site: &s.Site}
	if len(s.rules) > 0 {
		var c choice
		path := withoutQuery(target)
		if string(target) != "*" { // that is the site as a whole, no path of it
			switch inspect(path) {
			case texturePlain:
				c = s.choose(method, path)
			case textureOdd:
				c = s.chooseOdd(method, path)
			case textureInvalid:
				c = choice{verdict: BadTarget, reason: reasonNotPath}
			}
		}
		if c.reason != "" {
			d.Verdict, d.Reason = c.verdict, c.reason
			if c.rule != nil {
				d.Origin = c.rule.route.Origin
			}
			return d
		}
		if c.rule != nil {
			d.Verdict, d.Route, d.App, d.Origin = Served, c.rule.route, c.rule.route.App, c.rule.route.Origin
			return d
		}
	}
	if s.App == "" {
		d.Verdict, d.Origin, d.Reason = NoPath, s.Origin, reasonNoPath
		return d
	}
	d.Verdict, d.App, d.Origin = Served, s.App, s.AppOrigin
	return d
}

// choice is what the routes say: a rule; or none, for the site's own app; or,
// with a reason, a refusal, where rule is the one it is about, if any.
type choice struct {
	rule    *rule
	verdict Verdict
	reason  string
}

// choose is for a path that has one reading.
func (s *site) choose(method, path []byte) choice {
	for i := range s.rules {
		if r := &s.rules[i]; r.matches(path) && r.takes(method) {
			return choice{rule: r}
		}
	}
	return choice{}
}

// chooseOdd is for a path that may have several readings.
func (s *site) chooseOdd(method, path []byte) choice {
	var space oddSpace
	o, refused := parseOdd(path, &space)
	if refused.reason != "" {
		return refused
	}
	o.steps = effort + 16*len(s.rules)
	for i := range s.rules {
		r := &s.rules[i]
		if !r.takes(method) {
			continue
		}
		a, ok := o.ask(r)
		switch {
		case !ok:
			return choice{rule: r, verdict: Ambiguous, reason: reasonWork}
		case a == maybe:
			return choice{rule: r, verdict: Ambiguous, reason: reasonAmbiguous}
		case a == always:
			return choice{rule: r}
		}
	}
	return choice{}
}
