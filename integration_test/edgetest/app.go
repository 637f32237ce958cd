package edgetest

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// App is a real HTTP app behind the edge that keeps what it gets.
type App struct {
	URL string

	mu     sync.Mutex
	answer http.HandlerFunc
	got    []Got
	run    int // counts Forget
	server *httptest.Server
	addr   string
}

// Got is a request as the app saw it.
type Got struct {
	Method, Host, URI string
	Header            http.Header
	Body              []byte
	Status            int // 0 while it is being answered
}

// NewApp starts an app that answers 200 "ok". It ends with the test.
func NewApp(t testing.TB) *App {
	t.Helper()
	a := &App{}
	a.server = httptest.NewServer(a)
	a.URL = a.server.URL
	a.addr = a.server.Listener.Addr().String()
	t.Cleanup(func() { a.Down() })
	return a
}

// Down stops the app: connections are refused.
func (a *App) Down() {
	a.mu.Lock()
	s := a.server
	a.server = nil
	a.mu.Unlock()
	if s != nil {
		s.CloseClientConnections()
		s.Close()
	}
}

// Up starts the app again on its address.
func (a *App) Up(t testing.TB) {
	t.Helper()
	ln, err := net.Listen("tcp", a.addr)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(a)
	_ = s.Listener.Close()
	s.Listener = ln
	s.Start()
	a.mu.Lock()
	a.server = s
	a.mu.Unlock()
}

// Answer makes the app answer with h, after it has read and kept the body; nil is
// 200 "ok".
func (a *App) Answer(h http.HandlerFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer = h
}

// Status makes the app answer with a status.
func (a *App) Status(status int) {
	a.Answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
}

// Requests returns what the app has got so far.
func (a *App) Requests() []Got {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]Got(nil), a.got...)
}

// Forget forgets what the app has got.
func (a *App) Forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.got = nil
	a.run++
}

// ServeHTTP implements http.Handler.
func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // cut short: the app never had it
	}
	rec := &statusWriter{ResponseWriter: w, status: http.StatusOK}
	a.mu.Lock()
	h, i, run := a.answer, len(a.got), a.run
	a.got = append(a.got, Got{r.Method, r.Host, r.RequestURI, r.Header.Clone(), body, 0})
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.run == run {
			a.got[i].Status = rec.status
		}
	}()
	if h != nil {
		h(rec, r)
		return
	}
	_, _ = io.WriteString(rec, "ok")
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
