//go:build linux

package proxy

import (
	"fmt"
	"path/filepath"
	"strings"
)

// startEdge starts the edge as its users do: everything that is not named here
// is at its default, records and limits included.
func startEdge(k Kind, programs Programs, at Place, dir, addr string) (*Process, error) {
	path, err := write(dir, "edge.yaml", edgeConfig(k, at, addr))
	if err != nil {
		return nil, err
	}
	binary := programs.Edge
	switch {
	case k.Binary != "":
		binary = k.Binary
	case k.NoSync:
		binary = programs.EdgeNoSync
	}
	return launch(k.Label, dir, environment(programs.EdgeEnv), nil, binary, "run", "-c", path)
}

func edgeConfig(k Kind, at Place, addr string) string {
	var b strings.Builder
	if k.TLS {
		fmt.Fprintf(&b, "listen: {http: \"127.0.0.1:0\", https: %q}\n", addr)
	} else {
		fmt.Fprintf(&b, "listen: {http: %q}\n", addr)
	}
	fmt.Fprintf(&b, "data: data\nadmin: unix:edge.sock\napps: {app: \"http://%s\"}\nsites:\n", at.Backend)
	more := ""
	if k.Capture != "" {
		more += ", capture: " + k.Capture
	}
	if k.TLS {
		more += fmt.Sprintf(", certificate: {cert: %q, key: %q}", at.Cert, at.Key)
	}
	fmt.Fprintf(&b, "  - {hosts: [%s, localhost], app: app%s}\n", Host, more)
	for i := 1; i < k.Hosts; i++ {
		fmt.Fprintf(&b, "  - {hosts: [h%05d.example.com], app: app}\n", i)
	}
	return b.String()
}

// Admin is the path of the edge's admin socket.
func (p *Proxy) Admin() string { return filepath.Join(p.dir, "edge.sock") }
