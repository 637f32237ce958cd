//go:build linux

package proxy

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Host is the host that all of them serve. SNI is localhost, because wrk takes it
// out of the URL.
const Host = "bench.example.com"

// A Kind is a program in one of its configurations.
type Kind struct {
	Label   string // in the tables; distinct within a workload
	Program string // edge, nginx, haproxy, caddy or relay
	Binary  string // of the edge, where it is not the one just built

	TLS        bool
	LogBody    bool   // nginx: $request_body in the log
	Unbuffered bool   // nginx: a write for every line of the log
	NoSync     bool   // edge: the test build without fdatasync
	Capture    string // edge: the site's capture; its default if empty
	Hosts      int    // edge: so many sites more, named load.HostName
	Streams    bool   // nginx: a request's body is not buffered
}

// Programs are the paths of what can be started.
type Programs struct {
	Edge, EdgeNoSync, Nginx, HAProxy, Caddy string   // empty if there is none
	EdgeEnv                                 []string // NAME=value, on top of the environment without GO*
}

// A Place is what a proxy needs around it.
type Place struct {
	Dir     string // on a disk
	Backend string // host:port
	Cert    string // PEM, for TLS
	Key     string
}

// A Proxy runs.
type Proxy struct {
	*Process
	Kind Kind
	Addr string // host:port
	dir  string
}

// URL is where the proxy serves path.
func (p *Proxy) URL(path string) string {
	if p.Kind.TLS {
		_, port, _ := strings.Cut(p.Addr, ":")
		return "https://localhost:" + port + path
	}
	return "http://" + p.Addr + path
}

// Has says whether there is a program to start for k.
func (p Programs) Has(k Kind) bool {
	return k.Binary != "" || map[string]string{"edge": p.Edge, "nginx": p.Nginx, "haproxy": p.HAProxy, "caddy": p.Caddy, Relay: Relay}[k.Program] != ""
}

// Start starts a proxy and returns when it listens.
func Start(ctx context.Context, k Kind, programs Programs, at Place) (*Proxy, error) {
	dir := filepath.Join(at.Dir, strings.NewReplacer(" ", "-", ",", "", "/", "-", "@", "-").Replace(k.Label))
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	addr, err := freePort()
	if err != nil {
		return nil, err
	}
	start := map[string]func(Kind, Programs, Place, string, string) (*Process, error){
		"edge": startEdge, "nginx": startNginx, "haproxy": startHAProxy, "caddy": startCaddy, Relay: startRelay,
	}[k.Program]
	if start == nil {
		return nil, fmt.Errorf("no program %q", k.Program)
	}
	p, err := start(k, programs, at, dir, addr)
	if err != nil {
		return nil, err
	}
	proxy := &Proxy{Process: p, Kind: k, Addr: addr, dir: dir}
	err = p.await(ctx, "tcp", addr)
	if err == nil && k.Program == "edge" { // its port is open before it is ready
		err = p.await(ctx, "unix", proxy.admin())
	}
	if err != nil {
		p.Stop()
		return nil, err
	}
	return proxy, nil
}

// Remove stops the proxy and removes what it wrote.
func (p *Proxy) Remove() error {
	p.Stop()
	return os.RemoveAll(p.dir)
}

// environment is ours without what would change how Go programs run.
func environment(more []string) []string {
	var env []string
	for _, e := range os.Environ() {
		if name, _, _ := strings.Cut(e, "="); strings.HasPrefix(name, "GO") || strings.HasPrefix(name, "EDGE_") {
			continue
		}
		env = append(env, e)
	}
	return append(env, more...)
}

// write makes a file of the proxy's folder and returns its path.
func write(dir, name, text string) (string, error) {
	path := filepath.Join(dir, name)
	return path, os.WriteFile(path, []byte(text), 0o600)
}
