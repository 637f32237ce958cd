package edge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"time"

	"github.com/holdfast-edge/holdfast/accesslog"
	"github.com/holdfast-edge/holdfast/edge/upstream"
)

// admin is the socket that the commands talk to. Who may connect to it is decided by
// its file mode: the owner only.
type admin struct {
	server *http.Server
	path   string
	done   chan struct{}
}

// listenAdmin opens the admin socket; stats counts what the store did. A socket that an edge left behind when it was
// killed is replaced: the data directory's lock says that none runs.
func (e *Edge) listenAdmin(path string, stats func() accesslog.Stats) (*admin, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	if info, err := os.Lstat(path); err == nil {
		if info.Mode().Type() != os.ModeSocket {
			return nil, fmt.Errorf("admin: %s is there and is not a socket", path)
		}
		if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
			_ = c.Close()
			return nil, &hinted{fmt.Errorf("admin: another process answers on %s", path),
				"give each edge an `admin` socket of its own"}
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	ln, err := listenPrivate(path)
	if err != nil {
		return nil, fmt.Errorf("admin: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/config", e.adminConfig)
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, _ *http.Request) { e.adminStatus(w, stats()) })
	a := &admin{path: path, done: make(chan struct{}),
		server: &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second}}
	go func() {
		defer close(a.done)
		if err := a.server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			e.log.Error().Err(err).Msg("the admin socket ended")
		}
	}()
	return a, nil
}

func (a *admin) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if a.server.Shutdown(ctx) != nil {
		_ = a.server.Close()
	}
	<-a.done
	_ = os.Remove(a.path)
}

// adminConfig is all that is needed to load the live configuration elsewhere. Its
// variables may be secrets; the socket is the owner's.
func (e *Edge) adminConfig(w http.ResponseWriter, _ *http.Request) {
	type source struct {
		Path string `json:"path"`
		Text string `json:"text"`
	}
	g := e.live.Load()
	answer := struct {
		Path       string            `json:"path"`
		Generation string            `json:"generation"`
		Since      time.Time         `json:"since"`
		Sources    []source          `json:"sources"`
		Env        map[string]string `json:"env"`
	}{Path: g.cfg.Path, Generation: g.id, Since: g.since, Env: g.cfg.Env}
	for _, s := range g.cfg.Sources {
		answer.Sources = append(answer.Sources, source{s.Path, string(s.Text)})
	}
	writeJSON(w, answer)
}

// adminStatus says what runs here, and what became of the records: how many access
// lines there were and were lost, and how many captured records how many syncs
// made durable.
func (e *Edge) adminStatus(w http.ResponseWriter, stats accesslog.Stats) {
	type log struct {
		Lines   uint64 `json:"lines"`
		Dropped uint64 `json:"dropped"`
		Records uint64 `json:"records"`
		Failed  uint64 `json:"failed"`
		Commits uint64 `json:"commits"`
	}
	g := e.live.Load()
	e.mu.Lock()
	plain, secure := e.addresses(false), e.addresses(true)
	e.mu.Unlock()
	writeJSON(w, struct {
		PID         int               `json:"pid"`
		Path        string            `json:"path"`
		Generation  string            `json:"generation"`
		Since       time.Time         `json:"since"`
		HTTP        []string          `json:"http"`
		HTTPS       []string          `json:"https"`
		Connections int               `json:"connections"`
		Goroutines  int               `json:"goroutines"`
		Heap        uint64            `json:"heap"`
		Log         log               `json:"log"`
		Apps        []upstream.Status `json:"apps"`
		// Handshakes that failed since the start, by reason.
		Handshakes map[string]uint64 `json:"failed_handshakes"`
	}{os.Getpid(), g.cfg.Path, g.id, g.since, plain, secure, e.server.Connections(), runtime.NumGoroutine(), liveHeap(),
		log{stats.Lines, stats.LinesDropped, stats.Records, stats.RecordsFailed, stats.RecordBatches}, g.status(), e.shakes.snapshot()})
}

// liveHeap is what the last garbage collection found in use, in bytes.
func liveHeap() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	if s[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return s[0].Value.Uint64()
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}
