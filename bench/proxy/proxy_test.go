//go:build linux

package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// app answers every request without a body with the Host and X-Forwarded-For it got.
func app(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for c, err := ln.Accept(); err == nil; c, err = ln.Accept() {
			go func() {
				defer c.Close()
				in, seen := bufio.NewReader(c), ""
				for {
					line, err := in.ReadString('\n')
					if err != nil {
						return
					}
					name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
					switch strings.ToLower(name) {
					case "host", "x-forwarded-for":
						seen += value + " "
					case "":
						_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(seen), seen)
						seen = ""
					}
				}
			}()
		}
	}()
	return ln.Addr().String()
}

// ask sends one request and returns the whole answer.
func ask(t *testing.T, addr, host string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, "GET /x HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// place is on a path that nginx's workers, another user, may enter.
func place(t *testing.T) Place {
	t.Helper()
	dir, err := os.MkdirTemp("", "holdfast-bench-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return Place{Dir: dir, Backend: app(t)}
}

// TestPeers starts nginx and haproxy as the benchmark does: they serve the host,
// refuse others, write their log, and leave nothing behind.
func TestPeers(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	nginx, _ := exec.LookPath("/usr/sbin/nginx")
	haproxy, _ := exec.LookPath("/usr/sbin/haproxy")
	programs := Programs{Nginx: nginx, HAProxy: haproxy}
	for _, k := range []Kind{
		{Label: "nginx", Program: "nginx"},
		{Label: "nginx, all of it", Program: "nginx", LogBody: true, Unbuffered: true, Streams: true},
		{Label: "haproxy", Program: "haproxy"},
	} {
		t.Run(k.Label, func(t *testing.T) {
			if !programs.Has(k) {
				t.Skip(k.Program + " is not there: make install-tools")
			}
			p, err := Start(context.Background(), k, programs, place(t))
			if err != nil {
				t.Fatal(err)
			}
			defer p.Stop()
			if got := ask(t, p.Addr, Host); !strings.HasPrefix(got, "HTTP/1.1 200 ") || !strings.Contains(got, Host) || !strings.Contains(got, "127.0.0.1 ") {
				t.Errorf("the app's answer: %q", got)
			}
			if got := ask(t, p.Addr, "other.example.com"); !strings.HasPrefix(got, "HTTP/1.1 421 ") {
				t.Errorf("another host: %q", got)
			}
			log := filepath.Join(p.dir, "access.log")
			for range 300 { // nginx's buffer is written once a second
				if text, err := os.ReadFile(log); err == nil && strings.Contains(string(text), "GET /x") {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			if text, err := os.ReadFile(log); err != nil || strings.Count(string(text), "GET /x") != 2 {
				t.Errorf("the log: %q, %v", text, err)
			}
			if got, err := p.Log(); got != (Log{}) || err != nil {
				t.Errorf("%+v, %v", got, err)
			}
			if err := p.Remove(); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(p.dir); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("its folder: %v", err)
			}
			if _, err := net.Dial("tcp", p.Addr); err == nil {
				t.Error("it still listens")
			}
		})
	}
}

// TestStartFails: what a program said is in the error, and nothing is left running.
func TestStartFails(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for name, script := range map[string]string{
		"says why":  "#!/bin/sh\necho edge.yaml:1:17: unknown key >&2\nexit 1\n",
		"is silent": "#!/bin/sh\nexit 0\n",
	} {
		path := filepath.Join(t.TempDir(), "edge")
		if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
		_, err := Start(context.Background(), Kind{Label: "edge", Program: "edge"}, Programs{Edge: path}, place(t))
		var refused *StartError
		if !errors.As(err, &refused) || name == "says why" && !strings.Contains(err.Error(), "unknown key") {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	path := filepath.Join(t.TempDir(), "edge")
	if err := os.WriteFile(path, []byte("#!/bin/sh\nexec sleep 600\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(ctx, Kind{Label: "edge", Program: "edge"}, Programs{Edge: path}, place(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

func TestEdgeConfig(t *testing.T) {
	at := Place{Backend: "127.0.0.1:9", Cert: "/c", Key: "/k"}
	for want, k := range map[string]Kind{
		"listen: {http: \"127.0.0.1:1\"}\ndata: data\nadmin: unix:edge.sock\napps: {app: \"http://127.0.0.1:9\"}\nsites:\n" +
			"  - {hosts: [bench.example.com, localhost], app: app}\n  - {hosts: [h00001.example.com], app: app}\n  - {hosts: [h00002.example.com], app: app}\n": {Hosts: 2},
		"listen: {http: \"127.0.0.1:0\", https: \"127.0.0.1:1\"}\ndata: data\nadmin: unix:edge.sock\napps: {app: \"http://127.0.0.1:9\"}\nsites:\n" +
			"  - {hosts: [bench.example.com, localhost], app: app, capture: none, certificate: {cert: \"/c\", key: \"/k\"}}\n": {TLS: true, Capture: "none"},
	} {
		if got := edgeConfig(k, at, "127.0.0.1:1"); got != want {
			t.Errorf("%+v:\n%s", k, got)
		}
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("GOGC", "50")
	t.Setenv("EDGE_CONFIG", "x")
	t.Setenv("KEPT", "y")
	env := "\n" + strings.Join(environment([]string{"GODEBUG=z"}), "\n") + "\n"
	if strings.Contains(env, "\nGOGC=") || strings.Contains(env, "\nEDGE_CONFIG=") || !strings.Contains(env, "\nKEPT=y\n") || !strings.Contains(env, "\nGODEBUG=z\n") {
		t.Error(env)
	}
}

func TestURL(t *testing.T) {
	for want, p := range map[string]*Proxy{
		"http://127.0.0.1:81/1k":  {Addr: "127.0.0.1:81"},
		"https://localhost:81/1k": {Addr: "127.0.0.1:81", Kind: Kind{TLS: true}},
	} {
		if got := p.URL("/1k"); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
