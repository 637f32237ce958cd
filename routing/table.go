// Package routing decides which site, route and app a request belongs to.
//
// It is pure: it opens no file and no socket, keeps no state and starts no
// goroutine. A [Table] is made once by [New] and never changes, so any number
// of goroutines may use it without a lock; a reload makes a new one.
//
// There is no default. A request reaches an app only if a site names its host
// ([Pattern]); everything else is a refusal, which is also what the zero
// [Decision], the zero [Table] and a nil *Table stand for. docs/routing.md
// explains the rules with examples that the tests run.
package routing

import "strconv"

// Origin is a place in the configuration. Line and Column count from 1; a Line
// of 0 means that the place is not known.
type Origin struct {
	File   string
	Line   int
	Column int
}

// String is "file:line", or the file alone where the line is not known.
func (o Origin) String() string {
	if o.Line == 0 {
		return o.File
	}
	return o.File + ":" + strconv.Itoa(o.Line)
}

// HostRule is one host that a site names, and where it does so.
type HostRule struct {
	Pattern Pattern
	Origin  Origin
}

// Route sends part of a site's paths somewhere else than to the site's app.
type Route struct {
	// Path is absolute and decoded or percent-encoded, as a person writes it.
	// It matches itself and everything below it, by whole segments; with
	// Exact only itself. "/api/" means the same as "/api" unless Exact is set.
	Path  string
	Exact bool
	// Methods are compared byte for byte (RFC 9110 section 9.1); none: all.
	Methods []string
	// App is the app's name; "" is an answer made by the edge itself.
	App    string
	Origin Origin
	// Data belongs to the caller; this package never looks at it.
	Data any
}

// Site is one or more hosts and what answers for them.
type Site struct {
	Name   string
	Hosts  []HostRule
	Routes []Route // first match wins
	// App answers what no route matches; "" refuses it with NoPath.
	App       string
	Origin    Origin
	AppOrigin Origin // where App is written
	// Data belongs to the caller; this package never looks at it.
	Data any
}

// Conflict is a reason why sites cannot be one table.
type Conflict struct {
	Message string
	At      Origin // what has to change
	Other   Origin // what it collides with; zero if nothing
	Hint    string
}

// Verdict is how a lookup ended. Every value but Served is a refusal.
type Verdict uint8

// The verdicts. The zero value is a refusal on purpose.
const (
	NoHost    Verdict = iota // no site names the host
	BadHost                  // the authority is not a host
	NoPath                   // the site has no route and no app for the path
	Ambiguous                // the path goes elsewhere depending on how it is read
	BadTarget                // the target is not a path
	Served
)

// String is the verdict in one word, for diagnostics.
func (v Verdict) String() string {
	switch v {
	case NoHost:
		return "no_host"
	case BadHost:
		return "bad_host"
	case NoPath:
		return "no_path"
	case Ambiguous:
		return "ambiguous"
	case BadTarget:
		return "bad_target"
	case Served:
		return "served"
	}
	return "verdict(" + strconv.Itoa(int(v)) + ")"
}

// Match is how the host was found, as a record's "match" field says it.
type Match uint8

// The ways to find a host.
const (
	MatchNone Match = iota
	MatchExact
	MatchWildcard
)

// String is the value of a record's "match" field.
func (m Match) String() string {
	switch m {
	case MatchNone:
		return "none"
	case MatchExact:
		return "exact"
	case MatchWildcard:
		return "wildcard"
	}
	return "match(" + strconv.Itoa(int(m)) + ")"
}

// Decision is the answer of a lookup. The zero value is a refusal.
//
// Site and Route point into the table and must not be changed.
type Decision struct {
	Verdict Verdict
	Match   Match
	// Site is set as soon as a site names the host, also for a refusal.
	Site *Site
	// Route is the route that was chosen; nil where the site's own app was,
	// and for every refusal.
	Route *Route
	// App is the app's name, set only with Served. With Served and "" the
	// answer is Route's own.
	App string
	// Origin is the line that decided: the route's, the site's app's, the
	// site's for NoPath, and for Ambiguous the first route that is chosen by
	// some readings only. Zero where no line did.
	Origin Origin
	// Reason says in a few fixed words why it is a refusal; it never holds
	// bytes of the request. "" with Served.
	Reason string
}
