package routing

import (
	"slices"
	"strings"
)

// New makes a table of the sites. It copies them, down to the slices, so the
// caller may go on changing its own; Data is shared.
//
// Sites that contradict each other make no table: then it is nil, and the
// conflicts, in the order of the sites, say all that is wrong:
//   - two sites of one name, or one without a name;
//   - a host that is named twice, in one site or in two, also when it is
//     written in two ways;
//   - a route that can never match because earlier ones take all its paths and
//     methods;
//   - a host that ParsePattern did not make, or a path or method that no
//     request can match safely.
//
// The order of the sites makes no difference to the table, that of the routes
// in a site does.
func New(sites []Site) (*Table, []Conflict) {
	t := &Table{
		sites:    make([]site, len(sites)),
		exact:    make(map[string]*named),
		wildcard: make(map[string]*named),
	}
	var conflicts []Conflict
	names := make(map[string]Origin, len(sites))
	for i := range sites {
		s := &t.sites[i]
		s.Site = sites[i].clone()
		if s.Name == "" {
			conflicts = append(conflicts, Conflict{Message: "a site has no name", At: s.Origin})
		} else if other, ok := names[s.Name]; ok {
			conflicts = append(conflicts, Conflict{
				Message: "two sites have the name " + quote(s.Name),
				At:      s.Origin, Other: other,
				Hint: "give one of them another name, or put the hosts into one site",
			})
		} else {
			names[s.Name] = s.Origin
		}
		conflicts = append(conflicts, t.name(s)...)
		conflicts = append(conflicts, s.compile()...)
	}
	if len(conflicts) > 0 {
		return nil, conflicts
	}
	return t, nil
}

// clone is a copy that shares nothing with s but strings and Data.
func (s *Site) clone() Site {
	c := *s
	c.Hosts = slices.Clone(s.Hosts)
	c.Routes = slices.Clone(s.Routes)
	for i := range c.Routes {
		c.Routes[i].Methods = slices.Clone(c.Routes[i].Methods)
	}
	return c
}

// name enters the site's hosts into the table.
func (t *Table) name(s *site) []Conflict {
	var conflicts []Conflict
	for _, rule := range s.Hosts {
		hosts, key := t.exact, rule.Pattern.host.name
		if rule.Pattern.wildcard {
			hosts = t.wildcard
		}
		if key == "" {
			conflicts = append(conflicts, Conflict{Message: "a host is empty", At: rule.Origin})
			continue
		}
		if first, ok := hosts[key]; ok {
			where := "by the site " + quote(first.site.Name)
			if first.site == s {
				where = "by this site"
			}
			conflicts = append(conflicts, Conflict{
				Message: "the host " + quote(rule.Pattern.String()) + " is already named " + where,
				At:      rule.Origin, Other: first.origin,
				Hint: "remove one of the two",
			})
			continue
		}
		hosts[key] = &named{s, rule.Origin}
	}
	return conflicts
}

// compile makes the site's routes ready for matching.
func (s *site) compile() []Conflict {
	var conflicts []Conflict
	earlier := make(cover)
	for i := range s.Routes {
		r := &s.Routes[i]
		path, segments, why := compilePath(r.Path, r.Exact)
		if why != nil {
			conflicts = append(conflicts, Conflict{
				Message: "the path " + quote(r.Path) + " " + why.reason, At: r.Origin, Hint: why.hint,
			})
			continue
		}
		if len(r.Path) > 1 && !r.Exact {
			r.Path = strings.TrimSuffix(r.Path, "/")
		}
		if bad := slices.IndexFunc(r.Methods, func(m string) bool { return !isToken(m) }); bad >= 0 {
			conflicts = append(conflicts, Conflict{
				Message: quote(r.Methods[bad]) + " is not a method", At: r.Origin,
				Hint: "methods are words such as GET or POST",
			})
			continue
		}
		this := rule{route: r, path: path, segments: segments}
		if by := earlier.hides(&this); by != nil {
			conflicts = append(conflicts, Conflict{
				Message: "the route " + describe(r) + " can never match: " + describe(by) + " comes first",
				At:      r.Origin, Other: by.Origin,
				Hint: "put it before the other, or remove it",
			})
			continue
		}
		earlier.add(&this)
		s.rules = append(s.rules, this)
	}
	return conflicts
}

// cover finds the earlier routes whose paths include a later one's. The key is
// a route's decoded path, after "=" if it is exact.
type cover map[string][]*Route

func (c cover) add(r *rule) {
	key := r.path
	if r.route.Exact {
		key = "=" + key
	}
	c[key] = append(c[key], r.route)
}

// hides returns an earlier route because of which, alone or with others, the
// rule can never match; nil if it can.
func (c cover) hides(r *rule) *Route {
	var over []*Route
	for i := 0; i <= len(r.path); i++ {
		// Each whole number of segments; for an exact path that ends in a
		// slash this includes the part before it, which takes it too.
		if i == len(r.path) || r.path[i] == '/' {
			over = append(over, c[r.path[:i]]...)
		}
	}
	if r.route.Exact {
		over = append(over, c["="+r.path]...)
	}
	var by *Route
	for _, m := range r.route.Methods {
		i := slices.IndexFunc(over, func(o *Route) bool {
			return len(o.Methods) == 0 || slices.Contains(o.Methods, m)
		})
		if i < 0 {
			return nil
		}
		by = over[i]
	}
	if by == nil {
		if i := slices.IndexFunc(over, func(o *Route) bool { return len(o.Methods) == 0 }); i >= 0 {
			by = over[i]
		}
	}
	return by
}

// describe names a route as its configuration does.
func describe(r *Route) string {
	text := r.Path
	if r.Exact {
		text = "exact " + text
	}
	if len(r.Methods) > 0 {
		text += " [" + strings.Join(r.Methods, " ") + "]"
	}
	return text
}

// isToken tells whether s is a token (RFC 9110 section 5.6.2), as methods are.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		alnum := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || isDigit(c)
		if !alnum && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}
