package live

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/configs"
)

const valid = `listen: {http: "127.0.0.1:0"}
apps: {collector: "http://127.0.0.1:3000"}
sites: [{hosts: ["${LIVE_HOST}"], app: collector}]
`

// write makes a configuration file in a directory with a short path: a unix
// socket will be below it.
func write(t *testing.T, text string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "live")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "edge.yaml")
	rewrite(t, path, text)
	return path
}

func rewrite(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// serve answers on the admin socket of the configuration at path as an edge that
// loaded it now would.
func serve(t *testing.T, path string) *Served {
	t.Helper()
	cfg, err := configs.Load(path, configs.Options{Getenv: os.LookupEnv})
	if err != nil {
		t.Fatal(err)
	}
	s := &Served{Path: cfg.Path, Generation: cfg.Generation(), Since: time.Now().Add(-11 * time.Minute), Env: cfg.Env}
	for _, src := range cfg.Sources {
		s.Sources = append(s.Sources, ServedSource{Path: src.Path, Text: string(src.Text)})
	}
	answer(t, cfg.Admin, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != "/v1/config" {
			t.Errorf("asked %s %s", r.Method, r.URL)
		}
		json.NewEncoder(w).Encode(s)
	})
	return s
}

func answer(t *testing.T, socket string, h http.HandlerFunc) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(socket), 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() { server.Serve(l); close(done) }()
	t.Cleanup(func() { server.Close(); <-done })
}

func TestTheRunningEdgeIsAskedFirst(t *testing.T) {
	t.Setenv("LIVE_HOST", "old.example")
	path := write(t, valid)
	served := serve(t, path)

	for name, edited := range map[string]string{
		"edited":      strings.Replace(valid, "${LIVE_HOST}", "new.example", 1),
		"broken":      strings.Replace(valid, "app: collector", "ap: collector", 1),
		"not YAML":    valid + "\t]",
		"environment": valid, // LIVE_HOST is another one below
	} {
		t.Run(name, func(t *testing.T) {
			rewrite(t, path, edited)
			t.Setenv("LIVE_HOST", "other.example")
			for _, from := range []From{Any, Live} {
				cfg, origin, err := Config(t.Context(), path, from)
				if err != nil {
					t.Fatal(err)
				}
				if !origin.Live || origin.Generation != served.Generation || !origin.Since.Equal(served.Since) {
					t.Errorf("origin %+v", origin)
				}
				if got := cfg.Sites[0].Hosts[0].Pattern.String(); got != "old.example" {
					t.Errorf("host %s, want the one that is served", got)
				}
				text := origin.Describe(served.Since.Add(11*time.Minute + 400*time.Millisecond))
				if want := cfg.Path + ", live generation " + served.Generation + " (since "; !strings.HasPrefix(text, want) || !strings.HasSuffix(text, ", 11m)") {
					t.Errorf("described as %q", text)
				}
			}
		})
	}
}

func TestTheFileIsTakenWhenNoEdgeRuns(t *testing.T) {
	t.Setenv("LIVE_HOST", "a.example")
	path := write(t, valid)
	for _, from := range []From{Any, File} {
		cfg, origin, err := Config(t.Context(), path, from)
		if err != nil {
			t.Fatal(err)
		}
		if origin.Live || origin.Generation != cfg.Generation() {
			t.Errorf("origin %+v", origin)
		}
		if said := strings.Contains(origin.Describe(time.Now()), "no edge answers at "); said != (from == Any) {
			t.Errorf("from %q described as %q", from, origin.Describe(time.Now()))
		}
	}
	_, _, err := Config(t.Context(), path, Live)
	var hint interface{ Hint() string }
	if err == nil || !errors.As(err, &hint) || !strings.Contains(hint.Hint(), "edge run -c "+path) {
		t.Errorf("error %v, want one with the command that starts an edge", err)
	}
}

func TestASocketThatNobodyListensOn(t *testing.T) {
	t.Setenv("LIVE_HOST", "a.example")
	path := write(t, valid)
	socket := filepath.Join(filepath.Dir(path), "data", "edge.sock")
	if err := os.Mkdir(filepath.Dir(socket), 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false) // as after kill -9
	l.Close()
	_, origin, err := Config(t.Context(), path, Any)
	if err != nil || origin.Live {
		t.Errorf("%+v, %v", origin, err)
	}
}

func TestFileIsNotTheRunningEdge(t *testing.T) {
	t.Setenv("LIVE_HOST", "a.example")
	path := write(t, valid)
	serve(t, path)
	rewrite(t, path, strings.Replace(valid, "${LIVE_HOST}", "b.example", 1))
	cfg, origin, err := Config(t.Context(), path, File)
	if err != nil || origin.Live || cfg.Sites[0].Hosts[0].Pattern.String() != "b.example" {
		t.Errorf("%+v, %v", origin, err)
	}
}

func TestAnswersThatCannotBeTrusted(t *testing.T) {
	t.Setenv("LIVE_HOST", "a.example")
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"status":     {func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no", 500) }, "500"},
		"not JSON":   {func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("hello")) }, "asking the running edge"},
		"empty":      {func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("{}")) }, "named no configuration"},
		"generation": {func(w http.ResponseWriter, r *http.Request) { lie(w) }, "calls its configuration 00000000"},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, valid)
			answer(t, filepath.Join(filepath.Dir(path), "data", "edge.sock"), c.answer)
			if _, _, err := Config(t.Context(), path, Any); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one that says %q", err, c.want)
			}
		})
	}
}

func lie(w http.ResponseWriter) {
	json.NewEncoder(w).Encode(Served{
		Path: "/e/edge.yaml", Generation: "00000000",
		Sources: []ServedSource{{Path: "/e/edge.yaml", Text: strings.Replace(valid, "${LIVE_HOST}", "a.example", 1)}},
	})
}

func TestAFileThatIsWrong(t *testing.T) {
	path := write(t, "apps: {a: 1}\nsites: 2\n")
	_, _, err := Config(t.Context(), path, Any)
	var wrong *FileError
	var all *configs.Errors
	if !errors.As(err, &wrong) || !errors.As(err, &all) {
		t.Fatalf("error %T %v", err, err)
	}
	var b bytes.Buffer
	if err := wrong.Format(&b, false); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "edge.yaml:1:") || !strings.Contains(b.String(), path+": invalid: ") || strings.Contains(b.String(), "\x1b") {
		t.Errorf("printed:\n%s", b.String())
	}
}

func TestUnknownOrigin(t *testing.T) {
	if _, _, err := Config(context.Background(), "edge.yaml", "disk"); err == nil {
		t.Error("no error")
	}
}

func TestAdminOfABrokenFile(t *testing.T) {
	t.Setenv("STATE_DIRECTORY", "")
	for text, want := range map[string]string{
		"":                                   "DIR/data/edge.sock",
		"sites: [":                           "DIR/data/edge.sock",
		"data: /var/lib/holdfast\nsites: [":  "/var/lib/holdfast/edge.sock",
		"data: state\nfoo: bar\n":            "DIR/state/edge.sock",
		"data: x\nadmin: unix:/run/e.sock\n": "/run/e.sock",
		"admin: \"unix:e.sock\"\n\t!":        "DIR/e.sock",
		"admin: unix:${RUN}/e.sock\n":        "",
		"apps:\n  data: 1\nsites: [":         "DIR/data/edge.sock",
	} {
		path := write(t, text)
		if got := strings.Replace(adminOf(path), filepath.Dir(path), "DIR", 1); got != want {
			t.Errorf("admin socket of %q is %q, want %q", text, got, want)
		}
	}
	if got := adminOf("/does/not/exist"); got != "" {
		t.Errorf("got %q", got)
	}
	t.Setenv("STATE_DIRECTORY", "/s")
	if got := adminOf(write(t, "sites: [")); got != "/s/edge.sock" {
		t.Errorf("got %q", got)
	}
}
