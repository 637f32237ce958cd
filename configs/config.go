package configs

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/holdfast-edge/holdfast/routing"
)

// Config is a loaded, checked configuration. Everything in it is resolved:
// paths are absolute, defaults are filled in, variables are expanded.
//
// A Config is read-only after Load: nothing changes it, its slices and maps
// must not be written by anyone, and it may be shared between goroutines
// without locks. A reload makes a new one.
type Config struct {
	Path     string    // the main file, absolute
	Sources  []Source  // the YAML texts: the main file first, included ones after it by path
	Warnings []Problem // sorted like errors; the configuration is usable all the same

	Data        string // the data directory, absolute; it need not exist yet
	Admin       string // path of the admin unix socket, absolute, at most 107 bytes
	Diagnostics Diagnostics

	Listen         Listen
	TrustedProxies []netip.Prefix // masked; empty: nobody's X-Forwarded-* is believed

	Apps      []App  // in the order of the files
	Sites     []Site // in the order of the files; the order decides nothing
	Unmatched Unmatched
	Limits    Limits
	Log       Log

	// Env holds every variable that was used, with its value: with Sources it
	// is all that is needed to load the same configuration again (Options).
	// Values may be secrets: never log or print them.
	Env map[string]string

	table      *routing.Table
	generation string // of Generation; "" if Load did not make this
}

// Source is one YAML file as it was read.
type Source struct {
	Path string // absolute
	Text []byte
}

// Diagnostics says how much the operational log on stderr tells.
type Diagnostics struct {
	Level string // debug, info, warn or error
}

// Listen holds the addresses to serve on.
type Listen struct {
	HTTP  []string // host:port for net.Listen; an empty host is IPv4 and IPv6, port 0 is any free one
	HTTPS []string // the same, with TLS; none: no TLS for any site
}

// App is a named group of upstreams.
type App struct {
	Name           string
	Upstreams      []Upstream    // 1 to MaxUpstreams
	Host           string        // what the app's Host field says: HostKeep, HostUpstream, or host[:port]
	TLS            AppTLS        // of its https upstreams
	Connect        time.Duration // how long to wait for a connection to an upstream
	Response       time.Duration // how long to wait for the head of its answer
	Health         Health
	Idempotent     bool // it recognises a repeated Idempotency-Key
	MaxConnections int  // at a time, to all its upstreams together; 0: no limit
	Origin         routing.Origin
}

// MaxUpstreams is how many upstreams an app can have.
const MaxUpstreams = 64

// AppTLS says how https upstreams prove who they are. They always have to.
type AppTLS struct {
	CA          string // absolute path of a PEM file; "": the system's authorities
	Authorities []byte // the text of CA; nil without CA, and where Options.Sources were given
	ServerName  string // a name or an address that the certificate must have; "": the upstream's own
}

// Health says how an app's upstreams are checked.
type Health struct {
	Path     string        // path and query to GET; "": they are not checked
	Interval time.Duration // from one check to the next
}

// Capture says whose request bodies are kept in the record.
type Capture uint8

// The values of `capture`. The zero value is the default.
const (
	CaptureFailed Capture = iota // bodies of failed requests
	CaptureAll                   // every body
	CaptureNone                  // no body, of failures neither
)

// String is the word the file uses.
func (c Capture) String() string {
	switch c {
	case CaptureAll:
		return "all"
	case CaptureNone:
		return "none"
	default:
		return "failed"
	}
}

// Site is one or more hosts, and what answers for them.
type Site struct {
	Name    string // `name`, else the first host
	Hosts   []routing.HostRule
	App     string // for what no route matches; "" is 404, outcome no_route
	Capture Capture
	Routes  []Route // first match wins
	// Certificate is what the hosts get under Listen.HTTPS; nil: plain HTTP only.
	Certificate *Certificate
	// Redirect is set where plain HTTP is answered with a redirect to HTTPS; then
	// there is a Certificate.
	Redirect  bool
	AppOrigin routing.Origin
	Origin    routing.Origin
}

// Route is a path, and perhaps methods, of a site with its own answer.
// Exactly one of App, Respond, Redirect, File and Files is set.
type Route struct {
	Path    string   // begins with "/"; without a trailing "/" unless Exact, or the path is "/"
	Exact   bool     // Path is the whole path, not a prefix
	Methods []string // empty: all

	App      string
	Respond  *Respond
	Redirect *Redirect
	File     string // absolute path of the one file to serve
	Files    string // absolute path of the directory to serve

	Capture Capture // the route's own, else the site's
	Origin  routing.Origin
}

// Respond is a fixed answer.
type Respond struct {
	Status  int // 200 to 599
	Body    string
	Headers map[string]string // canonical names; none that frames the message
}

// Redirect sends the client elsewhere, with its path and query kept: the
// Location is To followed by the target of the request.
type Redirect struct {
	To     string // http(s)://host[:port][/prefix], without a trailing slash
	Status int    // 301, 302, 303, 307 or 308
}

// Unmatched is the answer to hosts that no site names. It is never an app.
type Unmatched struct {
	Respond int // 421 or 404; 444 closes the connection without an answer (drop)
}

// Limits protect the edge from clients. Sizes are bytes.
type Limits struct {
	HeaderTimeout  time.Duration
	BodyTimeout    time.Duration
	IdleTimeout    time.Duration
	MaxHeader      int64
	MaxBody        int64
	MaxConnections int // 0: no limit
}

// Log says what the records keep.
type Log struct {
	MaxBody int64 // bytes of a request body that are kept at most; 0 keeps none
}

// Table is the routing table of the sites. In what it returns, Route.Data is a
// *Route and Site.Data a *Site of this Config. The table of a zero Config is
// nil, which refuses every host.
func (c *Config) Table() *routing.Table { return c.table }

// App returns the app of that name, or nil.
func (c *Config) App(name string) *App {
	for i := range c.Apps {
		if c.Apps[i].Name == name {
			return &c.Apps[i]
		}
	}
	return nil
}

// Generation names this configuration: 8 hex digits of a SHA-256 over
// everything that decides how a request is treated, that is the paths and
// texts of the files and the variables they use. Two configurations with the
// same generation treat every request alike; comments count as a difference.
func (c *Config) Generation() string {
	if c.generation != "" {
		return c.generation
	}
	sum := sha256.New()
	// Every part is preceded by its length, so that no two lists of parts
	// make the same bytes.
	part := func(b []byte) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(b)))
		sum.Write(n[:])
		sum.Write(b)
	}
	part([]byte("holdfast configuration 1"))
	for _, s := range c.Sources {
		part([]byte(s.Path))
		part(s.Text)
	}
	part([]byte("env"))
	for _, name := range slices.Sorted(maps.Keys(c.Env)) {
		part([]byte(name))
		part([]byte(c.Env[name]))
	}
	return hex.EncodeToString(sum.Sum(nil)[:4])
}
