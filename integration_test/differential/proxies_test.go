package differential

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// lanes are how many connections to each proxy are open at a time. Each lane has its own
// socket at the proxy and its own backend, so that what arrives there belongs to what was
// sent last.
const lanes = 8

// A lane is a way through a proxy to a backend. One case at a time.
type lane struct {
	front   string
	backend *backend
}

// send sends a stream on a connection of its own and returns what the proxy answers. half
// says that nothing else will come.
func (l *lane) send(stream string, half bool) (answers string, err error) {
	c, err := net.DialTimeout("unix", l.front, 10*time.Second)
	if err != nil {
		return "", err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	// A proxy that refuses stops reading: write while reading.
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.WriteString(c, stream)
		if half {
			_ = c.(*net.UnixConn).CloseWrite()
		}
	}()
	var out bytes.Buffer
	_, err = io.Copy(&out, c)
	c.Close()
	<-done
	if ne, ok := err.(net.Error); ok && ne.Timeout() {
		return out.String(), err
	}
	return out.String(), nil // a reset is an end too
}

// sockets makes a directory for sockets: its path must be short.
func sockets(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "hfd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath(filepath.Join("/usr/sbin", name))
	}
	if err != nil {
		t.Fatalf("%s is not installed: make install-tools", name)
	}
	return path
}

// startNginx runs nginx with a server for each lane, as it is by default but for sizes, and
// for what shows its reading: it sends on the Host field as it came.
func startNginx(t *testing.T) []*lane {
	t.Helper()
	dir := sockets(t)
	var servers strings.Builder
	all := makeLanes(t, dir, func(front, back string) {
		fmt.Fprintf(&servers, "  server { listen unix:%s backlog=512; location / { proxy_pass http://unix:%s:; } }\n", front, back)
	})
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;"
	}
	config := fmt.Sprintf(`
%[1]s daemon off; worker_processes 1; pid %[2]s/pid; error_log stderr crit;
events { worker_connections 512; }
http {
  access_log off; client_max_body_size 64m; client_body_buffer_size 128k;
  client_body_temp_path %[2]s/b; proxy_temp_path %[2]s/p; fastcgi_temp_path %[2]s/f; uwsgi_temp_path %[2]s/u; scgi_temp_path %[2]s/s;
  client_header_buffer_size 40k; large_client_header_buffers 4 80k; lingering_close off;
  proxy_http_version 1.1; proxy_set_header Host $http_host; proxy_ignore_client_abort on; proxy_next_upstream off;
%[3]s}
`, user, dir, servers.String())
	start(t, all, dir, "nginx.conf", config, "nginx", "-p", dir, "-e", "stderr", "-c")
	return all
}

// startHaproxy runs haproxy in the same way.
func startHaproxy(t *testing.T) []*lane {
	t.Helper()
	dir := sockets(t)
	var parts strings.Builder
	n := 0
	all := makeLanes(t, dir, func(front, back string) {
		fmt.Fprintf(&parts, "listen l%d\n  bind unix@%s\n  server s unix@%s\n", n, front, back)
		n++
	})
	config := fmt.Sprintf(`
global
  maxconn 512
  tune.bufsize 131072
  tune.http.maxhdr 400
defaults
  mode http
  retries 0
  option http-server-close
  timeout connect 5s
  timeout client 9s
  timeout server 9s
%s`, parts.String())
	start(t, all, dir, "haproxy.cfg", config, "haproxy", "-db", "-q", "-f")
	return all
}

func makeLanes(t *testing.T, dir string, each func(front, back string)) []*lane {
	t.Helper()
	var all []*lane
	for i := range lanes {
		front, back := fmt.Sprintf("%s/f%d", dir, i), fmt.Sprintf("%s/b%d", dir, i)
		all = append(all, &lane{front: front, backend: startBackend(t, back)})
		each(front, back)
	}
	return all
}

// start runs a program with its configuration until the test ends, and waits until it
// listens on all lanes.
func start(t *testing.T, all []*lane, dir, name, config, prog string, args ...string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program(t, prog), append(args, path)...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	stop := func() {
		_ = cmd.Process.Signal(os.Interrupt)
		select {
		case <-ended:
		case <-time.After(3 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
	}
	t.Cleanup(stop)
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		ready := 0
		for _, l := range all {
			if c, err := net.Dial("unix", l.front); err == nil {
				c.Close()
				ready++
			}
		}
		if ready == len(all) {
			return
		}
		if time.Now().After(end) {
			stop()
			t.Fatalf("%s does not listen: %s", prog, said.String())
		}
	}
}
