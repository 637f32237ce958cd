package configs

import "time"

// The types of this file are the configuration file: every key that exists,
// what it takes, and the sentence that editors and the JSON Schema show for it.
// A blank field's `later` tag has the keys of the same place that are designed
// but not built: they are unknown, and the hint says so. A `usual` tag marks the key
// that somebody means who writes only its value.

type (
	text     = scalar[string]
	word     = scalar[anyWord] // text or a number, as it is written
	toggle   = scalar[bool]
	number   = scalar[int]
	duration = scalar[time.Duration]
	size     = scalar[int64] // bytes
)

type anyWord string

// mainFile is the file that the edge is started with.
type mainFile struct {
	place `yaml:"-"`
	_     struct{} `later:"tls reload probes alerts"`

	Include        oneOrMany[text] `yaml:"include" jsonschema_description:"Further files with apps and sites: paths or patterns, relative to this file."`
	EnvFile        text            `yaml:"env_file" jsonschema_description:"A file with NAME=value lines for ${NAME}; only its owner may read it. The process environment wins."`
	Data           text            `yaml:"data" jsonschema_description:"The data directory. Default: $STATE_DIRECTORY, else ./data beside this file."`
	Admin          text            `yaml:"admin" jsonschema_description:"The admin socket, unix:PATH. Default: edge.sock in the data directory."`
	Diagnostics    diagnosticsFile `yaml:"diagnostics" jsonschema_description:"The operational log on stderr."`
	Listen         listenFile      `yaml:"listen" jsonschema_description:"The addresses to serve on."`
	TrustedProxies list[text]      `yaml:"trusted_proxies" jsonschema_description:"CIDRs whose X-Forwarded-*, X-Request-Id and X-Edge-* are believed. Default: none."`

	Apps  table[shortOr[appFile]] `yaml:"apps" jsonschema_description:"The apps by name: one address (http://, https:// or unix:), or the long form."`
	Sites list[siteFile]          `yaml:"sites" jsonschema_description:"Which hosts go to which app. A host that no site names is refused."`

	Unmatched unmatchedFile `yaml:"unmatched" jsonschema_description:"The answer to hosts that no site names."`
	Limits    limitsFile    `yaml:"limits" jsonschema_description:"What a client may use up."`
	Log       logFile       `yaml:"log" jsonschema_description:"What the records keep."`
}

// includedFile is a file that `include` names.
type includedFile struct {
	place `yaml:"-"`
	_     struct{} `later:"probes"`

	Apps  table[shortOr[appFile]] `yaml:"apps"`
	Sites list[siteFile]          `yaml:"sites"`
}

type diagnosticsFile struct {
	place `yaml:"-"`
	Level text `yaml:"level" jsonschema:"enum=debug,enum=info,enum=warn,enum=error" jsonschema_description:"How much the operational log tells. Default: info."`
}

type listenFile struct {
	place `yaml:"-"`
	_     struct{}        `later:"http3 proxy_protocol"`
	HTTP  oneOrMany[text] `yaml:"http" usual:"yes" jsonschema_description:"Address or addresses for plain HTTP: \":80\" (IPv4 and IPv6), \"127.0.0.1:8080\", \"[::1]:8080\"."`
	HTTPS oneOrMany[text] `yaml:"https" jsonschema_description:"Address or addresses for HTTPS, as for http. Without it there is no TLS for any site."`
}

type appFile struct {
	place          `yaml:"-"`
	Upstreams      list[text]   `yaml:"upstreams" jsonschema_description:"http://host:port, https://host:port or unix:PATH of each instance. At least one."`
	Host           text         `yaml:"host" jsonschema_description:"What the app is told the host is: keep (the client's), upstream (the upstream's own), or a name. Default: keep."`
	TLS            appTLSFile   `yaml:"tls" jsonschema_description:"How https:// upstreams are verified."`
	Timeouts       timeoutsFile `yaml:"timeouts" jsonschema_description:"How long to wait for the app."`
	Health         healthFile   `yaml:"health" jsonschema_description:"Checks that each upstream is well. Default: none."`
	Idempotent     toggle       `yaml:"idempotent" jsonschema_description:"true: the app recognises a repeated Idempotency-Key. Default: false."`
	MaxConnections number       `yaml:"max_connections" jsonschema_description:"Connections to the app at a time; requests beyond them wait. 0: no limit. Default: 0."`
}

type appTLSFile struct {
	place      `yaml:"-"`
	CA         text `yaml:"ca" jsonschema_description:"A PEM file with the authorities to trust. Default: the system's."`
	ServerName text `yaml:"server_name" jsonschema_description:"The name that the certificate must have. Default: the upstream's host."`
}

type healthFile struct {
	place    `yaml:"-"`
	Path     text     `yaml:"path" jsonschema_description:"What to GET; 2xx and 3xx are well."`
	Interval duration `yaml:"interval" jsonschema_description:"From one check to the next. Default: 5s."`
}

type timeoutsFile struct {
	place    `yaml:"-"`
	Connect  duration `yaml:"connect" jsonschema_description:"For a connection to an upstream. Default: 2s."`
	Response duration `yaml:"response" jsonschema_description:"For the head of the answer. Default: 30s."`
}

type siteFile struct {
	place         `yaml:"-"`
	_             struct{}        `later:"custom_domains brake stage ingest deliver cors access auth headers rate compress errors cache"`
	Name          text            `yaml:"name" jsonschema_description:"What the site is called in logs and commands. Default: its first host."`
	Hosts         list[text]      `yaml:"hosts" jsonschema_description:"Host names and IP addresses, without port. \"*.example.com\" is every name with one more label; an exact host wins."`
	App           text            `yaml:"app" jsonschema_description:"The app for everything that no route matches. Without it that is 404."`
	Capture       text            `yaml:"capture" jsonschema:"enum=failed,enum=all,enum=none" jsonschema_description:"Whose request bodies are kept: of failed requests, of all, of none. Default: failed."`
	Certificate   certificateFile `yaml:"certificate" jsonschema_description:"The site's certificate and its key, PEM. Needed with listen.https, unless https_redirect is false."`
	HTTPSRedirect toggle          `yaml:"https_redirect" jsonschema_description:"false: plain HTTP is served as it is. Default: true, it is sent to HTTPS (308)."`
	Routes        list[routeFile] `yaml:"routes" jsonschema_description:"Paths that are answered in another way. The first match wins."`
}

type certificateFile struct {
	place `yaml:"-"`
	Cert  text `yaml:"cert" jsonschema_description:"A PEM file: the site's certificate first, then those that signed it."`
	Key   text `yaml:"key" jsonschema_description:"A PEM file with the private key, not encrypted."`
}

type routeFile struct {
	place    `yaml:"-"`
	_        struct{}              `later:"strip_prefix ingest deliver cors access auth headers rate compress errors cache"`
	Path     text                  `yaml:"path" jsonschema_description:"A path and all below it: /api is /api and /api/x, not /apix."`
	Exact    text                  `yaml:"exact" jsonschema_description:"This path only."`
	Methods  list[text]            `yaml:"methods" jsonschema_description:"Only these methods. Default: all."`
	App      text                  `yaml:"app" jsonschema_description:"The app that answers."`
	Capture  text                  `yaml:"capture" jsonschema:"enum=failed,enum=all,enum=none" jsonschema_description:"As in the site; the route wins."`
	Respond  respondFile           `yaml:"respond" jsonschema_description:"A fixed answer."`
	Redirect shortOr[redirectFile] `yaml:"redirect" jsonschema_description:"Another place, path and query kept: a URL (308), or {to, status}."`
	File     text                  `yaml:"file" jsonschema_description:"The one file to serve."`
	Files    text                  `yaml:"files" jsonschema_description:"The directory to serve files from."`
}

type respondFile struct {
	place   `yaml:"-"`
	Status  number      `yaml:"status" jsonschema_description:"200 to 599. Default: 200."`
	Body    text        `yaml:"body" jsonschema_description:"Default: empty."`
	Headers table[text] `yaml:"headers" jsonschema_description:"Header fields of the answer."`
}

type redirectFile struct {
	place  `yaml:"-"`
	To     text   `yaml:"to" jsonschema_description:"http:// or https:// and a host; the path and query of the request are added."`
	Status number `yaml:"status" jsonschema_description:"301, 302, 303, 307 or 308. Default: 308."`
}

type unmatchedFile struct {
	place   `yaml:"-"`
	Respond word `yaml:"respond" jsonschema_description:"421, 404 or drop (close without an answer). Default: 421."`
}

type limitsFile struct {
	place          `yaml:"-"`
	HeaderTimeout  duration `yaml:"header_timeout" jsonschema_description:"For the head of a request. Default: 10s."`
	BodyTimeout    duration `yaml:"body_timeout" jsonschema_description:"How long a body may stand still. Default: 30s."`
	IdleTimeout    duration `yaml:"idle_timeout" jsonschema_description:"How long an idle connection is kept. Default: 75s."`
	MaxHeader      size     `yaml:"max_header" jsonschema_description:"The largest head of a request. Default: 32KiB."`
	MaxBody        size     `yaml:"max_body" jsonschema_description:"The largest body of a request. Default: 64MiB."`
	MaxConnections number   `yaml:"max_connections" jsonschema_description:"Client connections at a time; 0: no limit. Default: 0."`
}

type logFile struct {
	place   `yaml:"-"`
	_       struct{} `later:"retention payload_retention max_disk recipients on_failure client_ip query headers redact on_privacy_signal"`
	MaxBody size     `yaml:"max_body" jsonschema_description:"How much of a request body is kept. Default: limits.max_body."`
}
