package layers

import (
	"slices"
	"strings"
)

const module = "github.com/holdfast-edge/holdfast"

// A room is a package, or a tree of them, and what of this module its code may
// import. Names are relative to the module; a trailing "/..." takes in what is
// below. The first room that fits a package is its room.
type room struct {
	name   string
	may    []string
	reason string
}

// rooms is the house, from the street inwards. Imports point downwards only.
var rooms = []room{
	{"cmd/edge", []string{"commands/edgecmd"}, "main only calls; it decides nothing"},
	{"cmd/replay", []string{"commands/replaycmd"}, "main only calls; it decides nothing"},

	{"commands/edgecmd", []string{"commands/edgecmd/demo", "commands/live", "commands/owner", "commands/query", "edge", "edge/http1", "replay", "configs", "routing", "tls", "accesslog", "internal/..."},
		"a command line is put together from everything below, never from another command line"},
	{"commands/replaycmd", []string{"commands/live", "commands/owner", "commands/query", "edge/...", "replay", "configs", "routing", "accesslog", "internal/..."},
		"a command line is put together from everything below, never from another command line"},
	{"commands/edgecmd/demo", []string{"commands/live", "internal/..."}, "the demo drives the binaries; it has no way in of its own"},
	{"commands/live", []string{"configs", "internal/..."}, "it asks for a configuration and reads it"},
	{"commands/query", []string{"accesslog", "configs", "routing", "internal/..."}, "the filters that commands share"},
	{"commands/owner", nil, "it only changes the user"},

	{"edge", []string{"edge/exchange", "edge/http1", "edge/upstream", "configs", "routing", "tls", "accesslog", "internal/..."},
		"the edge is the composition of the data plane; replaying is another program's work"},
	{"edge/resend", []string{"edge/upstream", "edge/http1", "edge/exchange", "replay", "accesslog", "configs", "internal/..."},
		"it is replay's sender, made of the data plane; the serving edge has no part in it"},
	{"edge/upstream", []string{"edge/http1", "edge/socket", "edge/exchange", "configs", "accesslog", "internal/..."},
		"of the configuration, an app's upstreams and time limits; it does not know the routes"},
	{"edge/http1", []string{"edge/exchange", "edge/socket", "accesslog", "internal/..."},
		"the data plane gets plain values: it knows neither the configuration nor the routes"},
	{"edge/socket", nil, "connections and nothing else: it knows no protocol"},
	{"edge/exchange", []string{"accesslog"}, "the lowest of the data plane: of the records, the types only"},

	{"replay", []string{"configs", "routing", "accesslog", "internal/..."},
		"replay never imports edge: it says what it needs (Sender) and a command hands it in"},
	{"configs", []string{"routing", "tls", "internal/..."}, "the configuration becomes values; it starts nothing"},
	{"routing", nil, "routing is pure: bytes in, a decision out"},
	{"tls", []string{"internal/..."}, "names in, certificates out: routing, tls and accesslog meet through plain values only"},
	{"tls/tlstest", nil, "it makes certificates for tests of every room"},
	{"accesslog", []string{"internal/..."}, "routing, tls and accesslog meet through plain values only"},
	{"internal/terminal", []string{"internal/terminal/ptytest"}, "helpers stand alone"},
	{"internal/...", []string{"internal/..."}, "what everybody may use can use nobody"},
	{"bench/...", []string{"bench/..."}, "the benchmark runs the binaries that users run; it has no other way in"},
	{"integration_test/differential/rfc", nil, "the reference shares no code with what it judges"},
	{"integration_test/differential/generate", nil, "what is made up must not depend on who reads it"},
	{"integration_test/differential", []string{"edge/exchange", "edge/http1", "edge/upstream", "routing", "integration_test/..."},
		"it compares the data plane's own parsers, in process, with others"},
	{"integration_test/...", []string{"accesslog", "configs", "routing", "tls/tlstest", "internal/...", "integration_test/..."},
		"the integration tests drive the binaries from outside, and read what they left with the public readers"},
}

// references are what tests of every room may import: readers and makers of messages that
// share no code with what is tested, and a maker of certificates.
var references = []string{"integration_test/differential/rfc", "integration_test/differential/generate", "tls/tlstest"}

// A ban is an import that only some rooms may have, standard library included.
type ban struct {
	path   string   // the package, or with "/..." a tree
	except []string // rooms and packages that may
	tests  bool     // tests may
	reason string
}

var bans = []ban{
	// The pure room.
	{"net", not("routing"), true, "routing does no I/O (net/netip is plain values and fine)"},
	{"net/http/...", not("routing"), true, "routing does no I/O"},
	{"os/...", not("routing"), true, "routing does no I/O"},
	{"syscall", not("routing"), true, "routing does no I/O"},
	{"time", not("routing"), true, "where a host goes does not depend on when it is asked"},
	{"math/rand/...", not("routing"), true, "the same host always goes to the same place"},

	// The data plane is our own.
	{"net/http/httputil", nil, true, "requests are forwarded by edge/http1 and edge/upstream"},
	{"net/http", not("edge/upstream", "edge/exchange"), true, "HTTP/1.1 is our own on both sides (edge/http1 reads its tables: reason phrases, the date format)"},

	// One way to say something.
	{"log/...", nil, true, "the operational log is zerolog, handed in; a person is spoken to through internal/terminal"},
	{"github.com/rs/zerolog/...", []string{"edge", "edge/...", "accesslog", "commands/...", "internal/..."}, true, "others return errors"},
	{"github.com/mattn/go-isatty", []string{"internal/terminal"}, true, "one place knows what a terminal is"},
	{"github.com/alecthomas/kong", []string{"commands/..."}, false, "only command lines read command lines"},
	{"flag", []string{"bench/..."}, true, "command lines are kong's"},

	// One reader for each format.
	{"go.yaml.in/yaml/...", []string{"configs", "commands/live", "integration_test/..."}, true, "one package reads the configuration; commands/live finds two keys of a broken one"},
	{"github.com/invopop/jsonschema", []string{"configs"}, false, "the schema comes from the types in configs"},
	{"github.com/mssola/useragent", []string{"accesslog"}, false, "it has panicked: one function guards it"},
	{"filippo.io/age/...", []string{"accesslog", "accesslog/...", "internal/..."}, true, "payloads are sealed and opened in one place"},
	{"golang.org/x/net/dns/...", []string{"edge/upstream"}, true, "names of upstreams are looked up in one place"},
	{"golang.org/x/net/idna", []string{"routing"}, false, "host names have one parser"},

	// Tests only.
	{"testing/...", []string{"internal/terminal/ptytest", "integration_test/..."}, true, "not in a binary"},
	{"pgregory.net/rapid", []string{"integration_test/..."}, true, "not in a binary"},
	{"github.com/google/go-cmp/...", []string{"integration_test/..."}, true, "not in a binary"},
	{"github.com/rogpeppe/go-internal/...", []string{"integration_test/..."}, true, "not in a binary"},
	{"go.uber.org/goleak", []string{"integration_test/..."}, true, "not in a binary"},
	{"golang.org/x/net/websocket", []string{"integration_test/..."}, true, "a client for tests; the edge tunnels and never looks inside"},
}

// not lists every room but those named: the rooms that may.
func not(names ...string) []string {
	var others []string
	for _, r := range rooms {
		if !slices.Contains(names, r.name) {
			others = append(others, r.name)
		}
	}
	return others
}

// fits reports whether the package path is pattern, or below it if pattern ends in "/...".
func fits(pattern, path string) bool {
	if tree, ok := strings.CutSuffix(pattern, "/..."); ok {
		return path == tree || strings.HasPrefix(path, tree+"/")
	}
	return path == pattern
}

func fitsAny(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return fits(p, path) })
}
