// Package edgetest runs the shipped binaries for the integration tests: a real edge
// process on a loopback port, real apps behind it, and the commands beside it.
package edgetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var binaries struct {
	once sync.Once
	dir  string
	err  error
}

// Binary builds the commands, with the race detector unless HOLDFAST_TORTURE=full, and
// with the build tags of HOLDFAST_TAGS, once for a test process, and returns the path of one of them ("edge", "replay").
func Binary(t testing.TB, name string) string {
	t.Helper()
	b := &binaries
	b.once.Do(func() {
		b.dir, b.err = os.MkdirTemp("", "holdfast-bin-")
		if b.err != nil {
			return
		}
		args := []string{"build", "-race", "-o", b.dir + "/", "./cmd/..."}
		if Full() {
			args = append(args[:1], args[2:]...)
		}
		if tags := os.Getenv("HOLDFAST_TAGS"); tags != "" {
			args = slices.Insert(args, 1, "-tags", tags)
		}
		cmd := exec.Command("go", args...)
		cmd.Dir = Root()
		if out, err := cmd.CombinedOutput(); err != nil {
			b.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	if b.err != nil {
		t.Fatal(b.err)
	}
	return filepath.Join(b.dir, name)
}

// Main runs the tests of a package and removes the binaries it built.
func Main(m *testing.M) {
	code := m.Run()
	if binaries.dir != "" {
		_ = os.RemoveAll(binaries.dir)
	}
	os.Exit(code)
}

// Full reports whether the torture tests run at the size their issue names.
func Full() bool { return os.Getenv("HOLDFAST_TORTURE") == "full" }

// Size returns the small or the full size of a torture test.
func Size(small, full int) int {
	if Full() {
		return full
	}
	return small
}

// Root is the directory of the repository.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// Edge is a running edge process.
type Edge struct {
	Dir    string // holds edge.yaml and data/
	Config string // path of the file
	Addr   string // host:port of listen.http
	URL    string // http://host:port
	Secure string // host:port for listen.https, where the text has TLSADDR
	// Wrapper, if set before Start, is a command that executes the edge: it is put in
	// front of its command line and must become it.
	Wrapper []string

	over *wrapper // not nil with HOLDFAST_TLS
	t    testing.TB
	cmd  *exec.Cmd
	log  lockedBuffer
	done chan struct{} // closed when the process has ended
	err  error         // how; valid after done
}

// FreeAddr returns a loopback address that nobody listens on.
func FreeAddr(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// Start writes the configuration and runs an edge on it until the test ends.
// "ADDR" in the text becomes the address it listens on, "TLSADDR" another for
// listen.https.
func Start(t testing.TB, config string) *Edge {
	t.Helper()
	e := New(t, config)
	e.Start()
	return e
}

// New writes the configuration but starts nothing.
func New(t testing.TB, config string) *Edge {
	t.Helper()
	addr := FreeAddr(t)
	e := &Edge{Dir: t.TempDir(), Addr: addr, URL: "http://" + addr, t: t}
	if strings.Contains(config, "TLSADDR") {
		e.Secure = FreeAddr(t)
	}
	if OverTLS() && listen.MatchString(config) {
		e.over, e.Addr = wrap(t, addr)
		e.URL = "http://" + e.Addr
	}
	e.Config = filepath.Join(e.Dir, "edge.yaml")
	e.Write(config)
	return e
}

// Write replaces the configuration file, at once and whole.
func (e *Edge) Write(config string) {
	e.t.Helper()
	temp := e.Config + ".new"
	addr := e.Addr
	if e.over != nil {
		config, addr = e.over.config(e.t, config), e.over.target
	}
	text := strings.NewReplacer("TLSADDR", e.Secure, "ADDR", addr).Replace(config)
	if err := os.WriteFile(temp, []byte(text), 0o600); err != nil {
		e.t.Fatal(err)
	}
	if err := os.Rename(temp, e.Config); err != nil {
		e.t.Fatal(err)
	}
}

// Start runs the edge and waits until it is ready.
func (e *Edge) Start() {
	e.t.Helper()
	line := append(slices.Clone(e.Wrapper), Binary(e.t, "edge"), "run", "-c", e.Config)
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Dir = e.Dir
	cmd.Stderr, cmd.Stdout = &e.log, &e.log
	from := e.log.Len()
	if err := cmd.Start(); err != nil {
		e.t.Fatal(err)
	}
	done := make(chan struct{})
	e.cmd, e.done = cmd, done
	go func() { e.err = cmd.Wait(); close(done) }()
	e.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-done
		if e.t.Failed() {
			e.t.Logf("log of the edge:\n%s", e.Log())
		}
	})
	e.WaitLog(from, `"message":"ready"`, 20*time.Second) // "already in use" has it too
}

// WaitLog waits until the log, from an offset on, has the text.
func (e *Edge) WaitLog(from int, text string, limit time.Duration) {
	e.t.Helper()
	for end := time.Now().Add(limit); ; time.Sleep(5 * time.Millisecond) {
		if strings.Contains(e.Log()[from:], text) {
			return
		}
		select {
		case <-e.done:
			e.t.Fatalf("the edge ended: %v\n%s", e.err, e.Log())
		default:
		}
		if time.Now().After(end) {
			e.t.Fatalf("no %q in the log after %v:\n%s", text, limit, e.Log())
		}
	}
}

// PID of the process.
func (e *Edge) PID() int { return e.cmd.Process.Pid }

// Log returns what the edge has said so far.
func (e *Edge) Log() string { return e.log.String() }

// Stop ends the edge with SIGTERM and fails the test if that is not orderly.
func (e *Edge) Stop() {
	e.t.Helper()
	_ = e.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-e.done:
		if e.err != nil {
			e.t.Fatalf("the edge ended with %v\n%s", e.err, e.Log())
		}
	case <-time.After(40 * time.Second):
		e.t.Fatalf("the edge does not end\n%s", e.Log())
	}
}

// Kill ends the edge with SIGKILL and waits until it is gone.
func (e *Edge) Kill() {
	_ = e.cmd.Process.Kill()
	<-e.done
}

// Reload sends SIGHUP and waits for the outcome: "reloaded" or "reload refused".
func (e *Edge) Reload(want string) {
	e.t.Helper()
	from := e.log.Len()
	_ = e.cmd.Process.Signal(syscall.SIGHUP)
	e.WaitLog(from, want, 10*time.Second)
}

// Result of a command.
type Result struct {
	Stdout, Stderr string
	Code           int
}

// Run runs a command of ours ("edge", "replay") with -c FILE in front of args where
// the verb takes it, and returns what it said.
func (e *Edge) Run(name string, args ...string) Result {
	e.t.Helper()
	args = append(args, "-c", e.Config)
	cmd := exec.Command(Binary(e.t, name), args...)
	cmd.Dir = e.Dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		e.t.Fatal(err)
	}
	return Result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// Record is a line of `edge logs --json`.
type Record struct {
	ID         string  `json:"id"`
	Outcome    string  `json:"outcome"`
	Status     int     `json:"status"`
	Duration   float64 `json:"duration"`
	Generation string  `json:"generation"`
	Site       string  `json:"site"`
	Route      string  `json:"route"`
	App        string  `json:"app"`
	Upstream   string  `json:"upstream"`
	Match      string  `json:"match"`
	Reason     string  `json:"reason"`
	Request    struct {
		ClientIP   string      `json:"client_ip"`
		Proto      string      `json:"proto"`
		Method     string      `json:"method"`
		Host       string      `json:"host"`
		URI        string      `json:"uri"`
		RawHeaders [][2]string `json:"raw_headers"`
		TLS        *struct {
			ServerName string `json:"server_name"`
			Version    string `json:"version"`
		} `json:"tls"`
	} `json:"request"`
	BytesRead int64 `json:"bytes_read"`
	Size      int64 `json:"size"`
	Body      struct {
		Bytes     int64  `json:"bytes"`
		Complete  bool   `json:"complete"`
		Truncated bool   `json:"truncated"`
		SHA256    string `json:"sha256"`
		Base64    []byte `json:"base64"`
	} `json:"body"`
}

// Records runs `edge logs --json --since 24h` with more arguments.
func (e *Edge) Records(args ...string) []Record {
	e.t.Helper()
	r := e.Run("edge", append([]string{"logs", "--json", "--since", "24h"}, args...)...)
	if r.Code != 0 {
		e.t.Fatalf("edge logs: exit %d\n%s", r.Code, r.Stderr)
	}
	var out []Record
	for _, line := range strings.Split(strings.TrimSpace(r.Stdout), "\n") {
		if line == "" {
			continue
		}
		var rec Record
		if err := json.Unmarshal([]byte(line), &rec); err != nil {
			e.t.Fatalf("%v: %s", err, line)
		}
		out = append(out, rec)
	}
	return out
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lockedBuffer) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Len()
}
