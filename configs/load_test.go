package configs

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/holdfast-edge/holdfast/routing"
)

// load loads a good file.
func load(t *testing.T, path string, o Options) *Config {
	t.Helper()
	if o.Getenv == nil {
		o.Getenv = environment()
	}
	c, err := Load(path, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// write makes a file in a new directory and returns its path.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "edge.yaml")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func abs(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func readFileText(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func defaultLimits() Limits {
	return Limits{
		HeaderTimeout: 10 * time.Second, BodyTimeout: 30 * time.Second, IdleTimeout: 75 * time.Second,
		MaxHeader: 32 << 10, MaxBody: 64 << 20,
	}
}

// compare ignores what the other tests look at.
func compare(t *testing.T, want, got *Config) {
	t.Helper()
	diff := cmp.Diff(want, got,
		cmp.Comparer(func(a, b routing.Pattern) bool { return a == b }),
		cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
		cmpopts.IgnoreFields(Config{}, "Sources"),
		cmpopts.IgnoreUnexported(Config{}),
	)
	if diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func host(t *testing.T, s string, o routing.Origin) routing.HostRule {
	t.Helper()
	p, err := routing.ParsePattern(s)
	if err != nil {
		t.Fatal(err)
	}
	return routing.HostRule{Pattern: p, Origin: o}
}

func TestShortest(t *testing.T) {
	file := "testdata/good/shortest.yaml"
	at := func(line, column int) routing.Origin {
		return routing.Origin{File: "shortest.yaml", Line: line, Column: column}
	}
	dir := abs(t, "testdata/good")
	compare(t, &Config{
		Path: filepath.Join(dir, "shortest.yaml"),
		Data: filepath.Join(dir, "data"), Admin: filepath.Join(dir, "data/edge.sock"),
		Diagnostics: Diagnostics{Level: "info"},
		Listen:      Listen{HTTP: []string{":8080"}},
		Apps: []App{{
			Name: "collector", Host: HostKeep, Connect: 2 * time.Second, Response: 30 * time.Second, Origin: at(2, 8),
			Upstreams: []Upstream{{Scheme: "http", Address: "127.0.0.1:3000", Authority: "127.0.0.1:3000", URL: "http://127.0.0.1:3000", Origin: at(2, 19)}},
		}},
		Sites: []Site{{
			Name: "queue.example.com", App: "collector", Origin: at(4, 5), AppOrigin: at(4, 39),
			Hosts: []routing.HostRule{host(t, "queue.example.com", at(4, 14))},
		}},
		Unmatched: Unmatched{Respond: 421},
		Limits:    defaultLimits(),
		Log:       Log{MaxBody: 64 << 20},
		Env:       map[string]string{},
	}, load(t, file, Options{}))
}

func TestEverything(t *testing.T) {
	c := load(t, "testdata/good/everything.yaml", Options{})
	dir := abs(t, "testdata/good")
	if c.Data != filepath.Join(dir, "state") || c.Admin != filepath.Join(dir, "run/edge.sock") {
		t.Errorf("data %s, admin %s", c.Data, c.Admin)
	}
	if diff := cmp.Diff([]string{":8080", "127.0.0.1:9090", "[::1]:9090", "127.0.0.1:0", "127.0.0.1:0"}, c.Listen.HTTP); diff != "" {
		t.Error(diff)
	}
	if got := fmt.Sprint(c.TrustedProxies); got != "[10.0.0.0/8 fd00::/8 192.0.2.1/32]" {
		t.Error(got)
	}
	noOrigin := cmpopts.IgnoreTypes(routing.Origin{})
	tcp := func(scheme, address, authority string) Upstream {
		return Upstream{Scheme: scheme, Address: address, Authority: authority, URL: scheme + "://" + authority}
	}
	socket := filepath.Join(dir, "run/app.sock")
	wantApps := []App{
		{Name: "short", Host: HostKeep, Upstreams: []Upstream{tcp("http", "example.com:80", "example.com")}, Connect: 2 * time.Second, Response: 30 * time.Second},
		{Name: "long", Host: HostUpstream, Idempotent: true, Connect: 250 * time.Millisecond, Response: 90 * time.Minute, MaxConnections: 12,
			Health: Health{Path: "/healthz?deep=1", Interval: 1500 * time.Millisecond}, Upstreams: []Upstream{
				tcp("http", "127.0.0.1:4000", "127.0.0.1:4000"), tcp("http", "my_app:80", "my_app"), tcp("http", "[fd00::3]:4000", "[fd00::3]:4000")}},
		{Name: "tls", Host: "app.internal:8443", Connect: 2 * time.Second, Response: 30 * time.Second, Health: Health{Path: "/", Interval: 5 * time.Second},
			TLS: AppTLS{CA: filepath.Join(dir, "ca.pem"), Authorities: readFileText(t, "testdata/good/ca.pem"), ServerName: "app.internal"},
			Upstreams: []Upstream{tcp("https", "10.0.0.3:443", "10.0.0.3"), tcp("https", "app.example:8443", "app.example:8443"), tcp("https", "[fd00::3]:443", "[fd00::3]"),
				{Scheme: "unix", Address: socket, Authority: "localhost", URL: "unix:" + socket},
				{Scheme: "unix", Address: "/run/app.sock", Authority: "localhost", URL: "unix:/run/app.sock"}}},
	}
	if diff := cmp.Diff(wantApps, c.Apps, noOrigin); diff != "" {
		t.Error(diff)
	}
	var hosts []string
	for _, h := range c.Sites[0].Hosts {
		hosts = append(hosts, h.Pattern.String())
	}
	if got := strings.Join(hosts, " "); got != "queue.example.com *.queue.example.com xn--bcher-kva.example 192.0.2.7 [2001:db8::1]" {
		t.Error(got)
	}
	wantRoutes := []Route{
		{Path: "/api", App: "long", Capture: CaptureNone},
		{Path: "/event", Methods: []string{"POST", "PUT"}, App: "long", Capture: CaptureAll},
		{Path: "/hello/", Exact: true, Capture: CaptureNone, Respond: &Respond{Status: 200, Headers: map[string]string{}}},
		{Path: "/teapot", Exact: true, Capture: CaptureNone, Respond: &Respond{Status: 418, Body: "short and stout\n", Headers: map[string]string{"Content-Type": "text/plain", "X-Empty": ""}}},
		{Path: "/old", Capture: CaptureNone, Redirect: &Redirect{To: "https://example.com", Status: 308}},
		{Path: "/older", Capture: CaptureNone, Redirect: &Redirect{To: "http://[::1]:8443/new", Status: 302}},
		{Path: "/file", Exact: true, Capture: CaptureNone, File: filepath.Join(dir, "everything.yaml")},
		{Path: "/files", Capture: CaptureNone, Files: dir},
	}
	if diff := cmp.Diff(wantRoutes, c.Sites[0].Routes, noOrigin); diff != "" {
		t.Error(diff)
	}
	if r := c.Sites[1].Routes[0]; r.Capture != CaptureAll || c.Sites[1].App != "" {
		t.Errorf("%+v", c.Sites[1])
	}
	wantLimits := Limits{HeaderTimeout: time.Second, BodyTimeout: 2 * time.Minute, IdleTimeout: 24 * time.Hour, MaxHeader: 1 << 20, MaxBody: 10e6, MaxConnections: 5}
	if c.Limits != wantLimits || c.Log.MaxBody != 64<<20 || c.Unmatched.Respond != 444 || c.Diagnostics.Level != "debug" {
		t.Errorf("%+v %+v %+v %+v", c.Limits, c.Log, c.Unmatched, c.Diagnostics)
	}
	if len(c.Warnings) != 0 {
		t.Errorf("%+v", c.Warnings)
	}
	if a := c.App("long"); a != &c.Apps[1] || c.App("none") != nil {
		t.Errorf("%p", a)
	}
}

// TestTable asks the routing table, whose Data must lead back into the Config.
func TestTable(t *testing.T) {
	c := load(t, "testdata/good/everything.yaml", Options{})
	d := c.Table().Resolve([]byte("a.queue.example.com"), []byte("POST"), []byte("/event/1?x=2"))
	if d.Verdict != routing.Served || d.Match != routing.MatchWildcard || d.App != "long" {
		t.Fatalf("%+v", d)
	}
	if d.Route.Data != &c.Sites[0].Routes[1] || d.Site.Data != &c.Sites[0] {
		t.Error("Data does not point into the Config")
	}
	if d.Origin != c.Sites[0].Routes[1].Origin || d.Origin.File != "everything.yaml" || d.Origin.Line != 28 {
		t.Errorf("%+v", d.Origin)
	}
	d = c.Table().Resolve([]byte("routes-only.example.com"), []byte("GET"), []byte("/"))
	if d.App != "short" || d.Route.Data != &c.Sites[1].Routes[1] {
		t.Errorf("%+v", d)
	}
	if d := c.Table().Resolve([]byte("unknown.example.com"), []byte("GET"), []byte("/")); d.Verdict != routing.NoHost {
		t.Errorf("%+v", d)
	}
	var zero Config
	if d := zero.Table().Resolve([]byte("queue.example.com"), []byte("GET"), []byte("/")); d.Verdict == routing.Served {
		t.Errorf("%+v", d)
	}
}

func TestCRLF(t *testing.T) {
	c := load(t, "testdata/good/crlf.yaml", Options{})
	if got := c.Sites[0].Routes[0].Respond.Body; got != "hi\nthere\n" {
		t.Errorf("%q", got)
	}
}

func TestVariables(t *testing.T) {
	getenv := environment("ADDRESS", "127.0.0.1:8080", "HOME_DIR", "/srv/holdfast", "UPSTREAM", "10.0.0.1:3000", "HOST", "Example.com",
		"APP", "collector", "YAML", "{a: [b]} ${HOST} # &x", "STATUS", "201", "SIZE", "1MiB", "COUNT", "7", "CAPTURE", "all", "UNMATCHED", "drop", "UNUSED", "x")
	c := load(t, "testdata/good/variables.yaml", Options{Getenv: getenv})
	if c.Listen.HTTP[0] != "127.0.0.1:8080" || c.Data != "/srv/holdfast/data" || c.Apps[0].Upstreams[0].Address != "10.0.0.1:3000" ||
		c.Sites[0].Name != "example.com" || c.Sites[0].App != "collector" || c.Limits.MaxBody != 1<<20 || c.Limits.MaxConnections != 7 || c.Sites[0].Capture != CaptureAll || c.Unmatched.Respond != 444 {
		t.Errorf("%+v", c)
	}
	// What a variable holds is text, whatever it looks like.
	want := &Respond{Status: 201, Body: "${HOST} $HOST $$ {a: [b]} ${HOST} # &x", Headers: map[string]string{}}
	if diff := cmp.Diff(want, c.Sites[0].Routes[0].Respond); diff != "" {
		t.Error(diff)
	}
	if len(c.Env) != 11 || c.Env["YAML"] != "{a: [b]} ${HOST} # &x" {
		t.Errorf("%v", c.Env)
	}
}

func TestWarnings(t *testing.T) {
	for name, want := range map[string]string{
		"warnings": `warnings.yaml:2:19: warning: "0.0.0.0/0" believes every client what it says about itself
  trusted_proxies: [0.0.0.0/0]
                    ^
hint: name the addresses of your own proxies
warnings.yaml:3:11: warning: include: "no-such-dir/*.yaml" matches no file
  include: [no-such-dir/*.yaml]
            ^
warnings.yaml:6:3: warning: app "idle" is used by no site
    idle: http://127.0.0.1:3001
    ^
warnings.yaml:9:17: warning: bodies over 1MiB are accepted up to 64MiB but not kept whole: such a request cannot be replayed when it fails
  log: {max_body: 1MiB}
                  ^
hint: raise log.max_body to 64MiB, or lower limits.max_body
`,
		"no-sites": `no-sites.yaml:2:8: warning: there are no sites: every request would be refused
  sites: []
         ^
hint: add sites: [{hosts: [www.example.com], app: NAME}]
`,
	} {
		c := load(t, "testdata/good/"+name+".yaml", Options{})
		var b strings.Builder
		for _, w := range c.Warnings {
			w.Format(&b, false)
		}
		if diff := cmp.Diff(want, b.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestMulti loads configurations of several files: each archive is unpacked and
// its edge.yaml loaded.
func TestMulti(t *testing.T) {
	files, err := filepath.Glob("testdata/multi/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			dir := t.TempDir()
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range archive.Files {
				path, mode := filepath.Join(dir, f.Name), fs.FileMode(0o644)
				if f.Name == "secrets.env" {
					mode = 0o600
				}
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, f.Data, mode); err != nil {
					t.Fatal(err)
				}
			}
			_, err = Load(filepath.Join(dir, "edge.yaml"), Options{Getenv: environment()})
			if err == nil {
				t.Fatal("loaded")
			}
			checkProblems(t, err)
			text := err.Error() + "\n"
			if strings.Contains(text, "s3cr3t") {
				t.Errorf("a line of the env_file is shown:\n%s", text)
			}
			golden(t, strings.TrimSuffix(file, ".txtar")+".txt", text)
		})
	}
}

func TestInclude(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "odd [name]*?") // the folder's name is no pattern
	for name, text := range map[string]string{
		"edge.yaml":          "listen: {http: \":80\"}\ninclude: [\"sites/*.yaml\", extra/one.yaml]\n",
		"sites/b.yaml":       "sites: [{hosts: [b.example.com], app: one, capture: all}]\n",
		"sites/a.yaml":       "sites:\n  - hosts: [a.example.com]\n    routes: [{path: /, files: ../public}]\n",
		"sites/.#a.yaml":     "not: [yaml",
		"sites/a.yaml~":      "not: [yaml",
		"extra/one.yaml":     "apps: {one: \"http://127.0.0.1:1\"}\n",
		"public/index.html":  "x",
		"sites/other/c.yaml": "not: [yaml",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c := load(t, filepath.Join(dir, "edge.yaml"), Options{})
	var paths []string
	for _, s := range c.Sources {
		paths = append(paths, strings.TrimPrefix(s.Path, dir+"/"))
	}
	if got := strings.Join(paths, " "); got != "edge.yaml extra/one.yaml sites/a.yaml sites/b.yaml" {
		t.Error(got)
	}
	if c.Sites[0].Routes[0].Files != filepath.Join(dir, "public") || c.Sites[1].Origin.String() != "sites/b.yaml:1" || c.Apps[0].Origin.String() != "extra/one.yaml:1" {
		t.Errorf("%+v %+v", c.Sites, c.Apps)
	}

	// The same from texts, with the disk gone.
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	again := load(t, c.Path, Options{Sources: c.Sources, Env: c.Env})
	compare(t, c, again)
	if c.Generation() != again.Generation() {
		t.Error("another generation")
	}
}

func TestEnvFile(t *testing.T) {
	path := write(t, `listen: {http: "${ADDR}"}
env_file: ${NAME_OF_FILE}
apps: {a: "http://${APP}"}
sites: [{hosts: [a.example.com], app: a, routes: [{exact: /, respond: {body: "${BODY}|${EMPTY}|${SINGLE}"}}]}]
`)
	env := "# comment\r\n\n ADDR = :8080 \nAPP=10.0.0.1\nBODY=\" # not a ${comment} = x\"\nEMPTY=\nSINGLE='it\"s'\n"
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "s.env"), []byte(env), 0o600); err != nil {
		t.Fatal(err)
	}
	c := load(t, path, Options{Getenv: environment("NAME_OF_FILE", "s.env", "APP", "10.9.9.9")})
	if c.Listen.HTTP[0] != ":8080" || c.Apps[0].Upstreams[0].Address != "10.9.9.9:80" { // the process environment wins
		t.Errorf("%+v %+v", c.Listen, c.Apps)
	}
	if got := c.Sites[0].Routes[0].Respond.Body; got != ` # not a ${comment} = x||it"s` {
		t.Errorf("%q", got)
	}
	// The file is read again by every Load, and its values decide.
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "s.env"), []byte(strings.ReplaceAll(env, "8080", "9090")), 0o600); err != nil {
		t.Fatal(err)
	}
	again := load(t, path, Options{Getenv: environment("NAME_OF_FILE", "s.env", "APP", "10.9.9.9")})
	if again.Listen.HTTP[0] != ":9090" || again.Generation() == c.Generation() {
		t.Errorf("%+v, generation %s after %s", again.Listen, again.Generation(), c.Generation())
	}
	// From texts, the file is not there any more and Env is all there is.
	live := load(t, c.Path, Options{Sources: c.Sources, Env: c.Env, Getenv: environment("APP", "10.1.1.1")})
	compare(t, c, live)
}

func TestStateDirectory(t *testing.T) {
	path := write(t, "listen: {http: \":80\"}\nsites: []\n")
	for value, want := range map[string]string{
		"/var/lib/holdfast":                 "/var/lib/holdfast",
		"/var/lib/holdfast:/var/lib/second": "/var/lib/holdfast",
		"":                                  filepath.Join(filepath.Dir(path), "data"),
		"relative":                          filepath.Join(filepath.Dir(path), "data"),
	} {
		c := load(t, path, Options{Getenv: environment("STATE_DIRECTORY", value)})
		if c.Data != want || c.Admin != want+"/edge.sock" {
			t.Errorf("%q: data %s, admin %s", value, c.Data, c.Admin)
		}
		// A client without the variable finds the same directory.
		again := load(t, c.Path, Options{Sources: c.Sources, Env: c.Env})
		if again.Data != want || again.Generation() != c.Generation() {
			t.Errorf("%q: %s from texts", value, again.Data)
		}
	}
}

func TestUnreadable(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	locked := write(t, "x")
	if err := os.Chmod(locked, 0); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none.yaml"): "the configuration file does not exist",
		dir:                             "the configuration file is a directory, not a file",
		fifo:                            "the configuration file is not a regular file",
		locked + "/x":                   "the configuration file cannot be read: not a directory",
	} {
		_, err := Load(path, Options{})
		var errs *Errors
		if !errors.As(err, &errs) || err.Error() != path+": "+want {
			t.Errorf("%s: %v", path, err)
		}
	}
	_, err := Load(filepath.Join(dir, "none.yaml"), Options{})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v is not fs.ErrNotExist", err)
	}
	if os.Geteuid() != 0 { // root may read everything
		if _, err := Load(locked, Options{}); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "permission denied") {
			t.Errorf("%v", err)
		}
	}
}

// TestCurrentDirectory: only a relative path to the main file depends on it.
func TestCurrentDirectory(t *testing.T) {
	path := write(t, "listen: {http: \":80\"}\nsites: [{hosts: [a.example.com], routes: [{path: /, file: edge.yaml}]}]\n")
	first := load(t, path, Options{})
	t.Chdir(filepath.Dir(path))
	second := load(t, "edge.yaml", Options{})
	compare(t, first, second)
	if first.Generation() != second.Generation() {
		t.Error("another generation")
	}
}
