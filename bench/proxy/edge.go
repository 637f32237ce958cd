//go:build linux

package proxy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/bench/load"
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
	for i := 1; i <= k.Hosts; i++ {
		fmt.Fprintf(&b, "  - {hosts: ["+load.HostName+"], app: app}\n", i)
	}
	return b.String()
}

// A Log counts what the edge's records came to since its start.
type Log struct {
	Lines   int64 `json:"lines"`   // of the access log
	Dropped int64 `json:"dropped"` // lines lost, because the disk did not keep up
	Records int64 `json:"records"` // made durable
	Failed  int64 `json:"failed"`  // records that could not be
	Commits int64 `json:"commits"` // syncs that it took
}

// Since is what was added to an earlier count.
func (l Log) Since(e Log) Log {
	return Log{l.Lines - e.Lines, l.Dropped - e.Dropped, l.Records - e.Records, l.Failed - e.Failed, l.Commits - e.Commits}
}

func (p *Proxy) admin() string { return filepath.Join(p.dir, "edge.sock") }

// Log asks a running edge. Others answer with zeros.
func (p *Proxy) Log() (Log, error) {
	var status struct {
		Log Log `json:"log"`
	}
	if p.Kind.Program != "edge" {
		return status.Log, nil
	}
	conn, err := net.Dial("unix", p.admin())
	if err != nil {
		return status.Log, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return status.Log, err
	}
	if _, err := io.WriteString(conn, "GET /v1/status HTTP/1.0\r\n\r\n"); err != nil {
		return status.Log, err
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		return status.Log, err
	}
	_, body, _ := bytes.Cut(answer, []byte("\r\n\r\n"))
	if err := json.Unmarshal(body, &status); err != nil {
		return status.Log, fmt.Errorf("the edge's status: %w", err)
	}
	return status.Log, nil
}
