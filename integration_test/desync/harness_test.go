package desync

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// An attacked process is the edge, or what stands in its place.
type attacked struct {
	addr   string
	dir    string
	binary string
	config string
	cmd    *exec.Cmd
	exited chan struct{}
	stderr *lockedBuffer
}

// The limits under test. Short, so that a connection that hangs ends soon.
const (
	maxHeader = 16 << 10
	maxBody   = 1 << 20
)

// startEdge builds the edge with the race detector and runs it as a process until the test
// ends, in front of the three apps.
func startEdge(t *testing.T, alpha, beta, gamma string) *attacked {
	t.Helper()
	e := &attacked{dir: t.TempDir(), addr: freeAddr(t), stderr: &lockedBuffer{}}
	e.binary = filepath.Join(e.dir, "edge")
	build := exec.Command("go", "build", "-race", "-o", e.binary, "./cmd/edge")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	e.config = filepath.Join(e.dir, "edge.yaml")
	e.write(t, e.config, fmt.Sprintf(`
data: data
listen: {http: %q}
apps:
  alpha: %q
  beta: {upstreams: [%q], idempotent: true}
  gamma: %q
sites:
  - {name: a, hosts: [%s], app: alpha}
  - {name: b, hosts: [%s, "*.w.test"], app: beta}
  - {name: c, hosts: [%s], app: gamma}
  - {name: idn, hosts: [%s], app: alpha}
  - name: two
    hosts: [%s]
    app: alpha
    routes:
      - {path: /api, app: alpha}
      - {path: /admin, app: beta}
limits: {header_timeout: 2s, body_timeout: 2s, idle_timeout: 3s, max_header: 16KiB, max_body: 1MiB}
`, e.addr, "http://"+alpha, "http://"+beta, "http://"+gamma, hostA, hostB, hostC, hostIDN, hostTwo))
	e.start(t, e.binary, "run", "-c", e.config)
	return e
}

// startNginx runs Debian's nginx with the configuration that comes nearest.
func startNginx(t *testing.T, alpha, beta, gamma string) *attacked {
	t.Helper()
	e := &attacked{dir: t.TempDir(), addr: freeAddr(t), stderr: &lockedBuffer{}}
	e.config = filepath.Join(e.dir, "nginx.conf")
	site := func(host, locations string) string {
		return fmt.Sprintf("server { listen %s; server_name %s; %s }\n", e.addr, host, locations)
	}
	to := func(app string) string { return "location / { proxy_pass http://" + app + "; }" }
	e.write(t, e.config, fmt.Sprintf(`
daemon off; worker_processes 2; pid %[1]s/pid; error_log stderr crit; user root;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  client_header_timeout 2s; client_body_timeout 2s; keepalive_timeout 3s; lingering_timeout 1s; lingering_time 2s;
  client_header_buffer_size 16k; large_client_header_buffers 1 16k; client_max_body_size 1m;
  proxy_http_version 1.1; proxy_request_buffering off;
  proxy_set_header Connection ""; proxy_set_header Host $http_host; proxy_set_header X-Request-Id $request_id;
  proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $http_host;
  add_header X-Request-Id $request_id always;
  upstream alpha { server %[2]s; keepalive 32; }
  upstream beta { server %[3]s; keepalive 32; }
  upstream gamma { server %[4]s; keepalive 32; }
  server { listen %[5]s default_server; return 421; }
`, e.dir, alpha, beta, gamma, e.addr)+
		site(hostA+" "+hostIDN, to("alpha"))+site(hostB+" *.w.test", to("beta"))+site(hostC, to("gamma"))+
		site(hostTwo, to("alpha")+"location /api { proxy_pass http://alpha; } location /admin { proxy_pass http://beta; }")+"}\n")
	e.start(t, "/usr/sbin/nginx", "-p", e.dir, "-c", e.config)
	return e
}

func (e *attacked) write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// start runs the program and waits until it accepts connections. The process is stopped
// when the test ends.
func (e *attacked) start(t *testing.T, program string, args ...string) {
	t.Helper()
	e.cmd = exec.Command(program, args...)
	e.cmd.Dir = e.dir
	e.cmd.Stderr = e.stderr
	e.cmd.Env = append(os.Environ(), "GORACE=halt_on_error=0")
	if err := e.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	e.exited = make(chan struct{})
	go func() { e.cmd.Wait(); close(e.exited) }()
	t.Cleanup(func() { e.stop(t) })
	for end := time.Now().Add(20 * time.Second); ; {
		if c, err := net.DialTimeout("tcp", e.addr, time.Second); err == nil {
			c.Close()
			return
		}
		if !e.alive() || time.Now().After(end) {
			t.Fatalf("%s does not listen on %s:\n%s", program, e.addr, e.stderr)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (e *attacked) alive() bool {
	select {
	case <-e.exited:
		return false
	default:
		return true
	}
}

// stop ends the process: SIGTERM, and SIGKILL if that is not enough.
func (e *attacked) stop(t *testing.T) {
	if !e.alive() {
		return
	}
	e.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-e.exited:
	case <-time.After(20 * time.Second):
		t.Errorf("process did not end on SIGTERM")
		e.cmd.Process.Kill()
		<-e.exited
	}
}

// run runs the edge's binary beside the running edge and returns its output.
func (e *attacked) run(t *testing.T, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, e.binary, args...)
	var stderr bytes.Buffer
	cmd.Dir, cmd.Stderr = e.dir, &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("edge %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	return out
}

// freeAddr returns a loopback address that was free a moment ago.
func freeAddr(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// A lockedBuffer is a bytes.Buffer that is safe for concurrent use.
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
