package edge

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/holdfast-edge/holdfast/accesslog"
	"github.com/holdfast-edge/holdfast/configs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// gatedStore is a real store whose commits wait for a gate, or fail after or
// before they took effect.
type gatedStore struct {
	*accesslog.Store
	entered chan string   // told of each commit before it is made, when not nil
	gate    chan struct{} // each commit takes one, when not nil
	before  error
	after   error
	commits atomic.Int32
}

func (s *gatedStore) Commit(r *accesslog.Record) error {
	s.commits.Add(1)
	if s.entered != nil {
		s.entered <- r.Outcome.String()
	}
	if s.gate != nil {
		<-s.gate
	}
	if s.before != nil {
		return s.before
	}
	if err := s.Store.Commit(r); err != nil {
		return err
	}
	return s.after
}

// startEdge serves a configuration on a loopback port, in this process.
func startEdge(t testing.TB, text string, wrap func(*accesslog.Store) Store) (e *Edge, addr, data string) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "edge.yaml")
	if err := os.WriteFile(path, []byte("listen: {http: \"127.0.0.1:0\"}\n"+text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := configs.Load(path, configs.Options{Getenv: func(string) (string, bool) { return "", false }})
	if err != nil {
		t.Fatal(err)
	}
	store, err := accesslog.OpenStore(cfg.Data, accesslog.StoreOptions{Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	e = newEdge(zerolog.Nop(), wrap(store), store.NewIDs(), cfg)
	opened, err := openListeners(nil, listenAddresses(cfg))
	if err != nil {
		t.Fatal(err)
	}
	e.startListeners(opened, listenAddresses(cfg))
	t.Cleanup(func() {
		e.closeListeners()
		if err := e.server.Shutdown(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
		for _, a := range e.live.Load().apps {
			a.Close()
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return e, e.addresses(false)[0], cfg.Data
}

// ask sends raw bytes and returns a reader of what comes back.
func ask(t *testing.T, addr, raw string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, raw); err != nil {
		t.Fatal(err)
	}
	return c, bufio.NewReader(c)
}

func failingApp(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		switch r.URL.Path {
		case "/500":
			w.WriteHeader(500)
		case "/404":
			w.WriteHeader(404)
		default:
			_, _ = io.WriteString(w, "ok")
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

const siteText = "apps: {a: %q, down: \"http://127.0.0.1:1\"}\nsites:\n" +
	"  - {hosts: [a.test], app: a}\n  - {hosts: [down.test], app: down}\n" +
	"  - {hosts: [local.test], routes: [{exact: /x, respond: {status: 503}}]}\n" +
	"unmatched: {respond: 421}\nlimits: {header_timeout: 200ms, max_body: 1KiB}\n"

// failures are requests that end in every kind of failure that is answered.
var failures = []struct {
	name, raw, outcome string
	status             int
}{
	{"app says 500", "POST /500 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi", "upstream_5xx", 500},
	{"app says 404", "GET /404 HTTP/1.1\r\nHost: a.test\r\n\r\n", "upstream_4xx", 404},
	{"app is down", "POST / HTTP/1.1\r\nHost: down.test\r\nContent-Length: 2\r\n\r\nhi", "upstream_down", 502},
	{"no site", "POST / HTTP/1.1\r\nHost: other.test\r\nContent-Length: 2\r\n\r\nhi", "no_route", 421},
	{"no route", "GET /y HTTP/1.1\r\nHost: local.test\r\n\r\n", "no_route", 404},
	{"local answer", "GET /x HTTP/1.1\r\nHost: local.test\r\n\r\n", "ok", 503},
	{"no host", "GET / HTTP/1.1\r\n\r\n", "rejected", 400},
	{"bad host", "GET / HTTP/1.1\r\nHost: a..test\r\n\r\n", "rejected", 400},
	{"malformed", "GET  / HTTP/1.1\r\nHost: a.test\r\n\r\n", "rejected", 400},
	{"too large", "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1025\r\n\r\n" + strings.Repeat("x", 1025), "rejected", 413},
	{"too large in chunks", "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n401\r\n" + strings.Repeat("x", 1025) + "\r\n0\r\n\r\n", "rejected", 413},
	{"bad chunk", "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", "rejected", 400},
	{"slow head", "GET / HT", "rejected", 408},
}

// Promise 2: no byte of a failure leaves before its record is on disk.
func TestOnDiskBeforeTheAnswer(t *testing.T) {
	s := &gatedStore{entered: make(chan string), gate: make(chan struct{})}
	_, addr, data := startEdge(t, fmt.Sprintf(siteText, failingApp(t)), func(real *accesslog.Store) Store { s.Store = real; return s })
	for _, tt := range failures {
		t.Run(tt.name, func(t *testing.T) {
			c, r := ask(t, addr, tt.raw)
			if outcome := <-s.entered; outcome != tt.outcome {
				t.Errorf("outcome %s, want %s", outcome, tt.outcome)
			}
			_ = c.SetReadDeadline(time.Now().Add(30 * time.Millisecond))
			if b, err := r.Peek(1); err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("before the commit: %q %v", b, err)
			}
			_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
			s.gate <- struct{}{}
			resp, err := http.ReadResponse(r, nil)
			if err != nil || resp.StatusCode != tt.status {
				t.Fatalf("%v %v", resp, err)
			}
			// It is readable now, whole.
			reader, err := accesslog.OpenReader(data)
			if err != nil {
				t.Fatal(err)
			}
			found := 0
			id := resp.Header.Get("X-Request-Id")
			_, err = reader.Scan(t.Context(), accesslog.Filter{}, func(e *accesslog.Entry) error {
				if e.ID.String() == id && e.Captured() && e.Status == tt.status {
					found++
				}
				return nil
			})
			if err != nil || found != 1 {
				t.Errorf("record %s found %d times, %v", id, found, err)
			}
		})
	}
}

// A store that cannot commit loses the record, never the answer.
func TestCommitFails(t *testing.T) {
	for _, s := range []*gatedStore{{before: errors.New("disk full")}, {after: errors.New("disk full")}} {
		_, addr, _ := startEdge(t, fmt.Sprintf(siteText, failingApp(t)), func(real *accesslog.Store) Store { s.Store = real; return s })
		for _, tt := range failures {
			_, r := ask(t, addr, tt.raw)
			resp, err := http.ReadResponse(r, nil)
			if err != nil || resp.StatusCode != tt.status {
				t.Errorf("%s: %v %v", tt.name, resp, err)
			}
		}
		if n := int(s.commits.Load()); n != len(failures) {
			t.Errorf("%d commits for %d failures", n, len(failures))
		}
	}
}

// Successes do not wait for the disk.
func TestSuccessIsNotCommitted(t *testing.T) {
	s := &gatedStore{gate: make(chan struct{})}
	_, addr, _ := startEdge(t, fmt.Sprintf(siteText, failingApp(t)), func(real *accesslog.Store) Store { s.Store = real; return s })
	_, r := ask(t, addr, "POST / HTTP/1.1\r\nHost: A.test.:80\r\nContent-Length: 2\r\n\r\nhi")
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != 200 || s.commits.Load() != 0 {
		t.Errorf("%v %v, %d commits", resp, err, s.commits.Load())
	}
}
