package replay

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/netip"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/holdfast-edge/holdfast/accesslog"
	"github.com/holdfast-edge/holdfast/configs"
)

// What the tests of this package share: configurations from text, a record store
// filled with failures, and a Sender over net/http.

func loadConfig(t testing.TB, text string) *configs.Config {
	t.Helper()
	cfg, err := configs.Load("/etc/edge.yaml", configs.Options{
		Sources: []configs.Source{{Path: "/etc/edge.yaml", Text: []byte(text)}}, Env: map[string]string{},
		Getenv: func(string) (string, bool) { return "", false },
	})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// fact is a record to be made; zero fields get the values of a POST to
// queue.test that was answered 502 because the app was down.
type fact struct {
	outcome    accesslog.Outcome
	status     int
	method     string
	host, uri  string
	site, app  string
	route      string
	upstream   string
	match      string
	generation string
	reason     string
	tls        string // the name of the connection
	body       string
	noPayload  bool
	truncated  bool
	incomplete bool
	at         time.Time
}

func (f fact) fill() fact {
	if f.outcome == 0 {
		f.outcome, f.status = accesslog.UpstreamDown, 502
	}
	if f.outcome != accesslog.NoRoute && f.outcome != accesslog.Rejected && f.app == "" && f.site == "" && f.route == "" {
		f.app, f.site, f.match = "main", "queue.test", "exact"
	}
	if f.method == "" {
		f.method = "POST"
	}
	if f.host == "" {
		f.host = "queue.test"
	}
	if f.uri == "" {
		f.uri = "/event"
	}
	if f.generation == "" {
		f.generation = "00000000"
	}
	if f.at.IsZero() {
		f.at = time.Now()
	}
	return f
}

// shelf is a data directory being filled.
type shelf struct {
	t     testing.TB
	dir   string
	store *accesslog.Store
	ids   *accesslog.IDs
}

func newShelf(t testing.TB, dir string) *shelf {
	t.Helper()
	store, err := accesslog.OpenStore(dir, accesslog.StoreOptions{Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	return &shelf{t: t, dir: dir, store: store, ids: store.NewIDs()}
}

// add commits a record and gives its id.
func (s *shelf) add(f fact) accesslog.ID {
	s.t.Helper()
	f = f.fill()
	r := &accesslog.Record{
		ID: s.ids.Next(f.at), Time: f.at, Outcome: f.outcome, Status: f.status, Duration: time.Millisecond,
		Generation: f.generation, Site: f.site, Route: f.route, App: f.app, Upstream: f.upstream, Match: f.match,
		Stage: "stable", Reason: f.reason, Client: netip.MustParseAddrPort("203.0.113.9:4711"), Proto: "HTTP/1.1",
		Method: []byte(f.method), Host: []byte(f.host), URI: []byte(f.uri), TLSServerName: f.tls,
	}
	if f.tls != "" {
		r.TLSVersion = "TLS 1.3"
	}
	limit := int64(1 << 20)
	if f.truncated {
		limit = int64(len(f.body)) / 2
	}
	capture := s.store.NewCapture(limit)
	defer capture.Release()
	if _, err := capture.Write([]byte(f.body)); err != nil {
		s.t.Fatal(err)
	}
	body, kept, blob, err := capture.Seal(!f.incomplete)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Body = body
	if !f.noPayload {
		head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\nX-Test: %s\r\n\r\n", f.method, f.uri, f.host, len(f.body), r.ID)
		r.Payload = &accesslog.Payload{Client: r.Client, Scheme: "http", Head: []byte(head), Body: kept, Blob: blob}
		if err := s.store.Commit(r); err != nil {
			s.t.Fatal(err)
		}
	}
	s.store.Append(r)
	return r.ID
}

func (s *shelf) close() {
	s.t.Helper()
	if err := s.store.Close(); err != nil {
		s.t.Fatal(err)
	}
}

func openReader(t testing.TB, dir string) (*accesslog.Reader, accesslog.Keys) {
	t.Helper()
	reader, err := accesslog.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := accesslog.LoadKeys(accesslog.KeysDir(dir))
	if err != nil {
		t.Fatal(err)
	}
	return reader, keys
}

// httpSender is a Sender over net/http: real connections, the real order of
// events, and none of the edge's own HTTP.
type httpSender struct {
	urls   map[string]string // app -> base URL
	client http.Client
}

func newHTTPSender(urls map[string]string, timeout time.Duration) *httpSender {
	return &httpSender{urls: urls, client: http.Client{Timeout: timeout, Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func (s *httpSender) Send(ctx context.Context, dest Destination, r *Request, committed func() error) (Answer, error) {
	base := dest.URL
	if base == "" {
		base = s.urls[dest.App]
	}
	line, rest, _ := bytes.Cut(r.Payload.Head, []byte("\r\n"))
	words := strings.Fields(string(line))
	if len(words) != 3 {
		return Answer{}, fmt.Errorf("%w: head %q", ErrUnsendable, line)
	}
	req, err := http.NewRequestWithContext(ctx, words[0], base+words[1], io.LimitReader(r.Payload.Body, r.Payload.Bytes))
	if err != nil {
		return Answer{}, fmt.Errorf("%w: %w", ErrUnsendable, err)
	}
	req.ContentLength = r.Payload.Bytes
	if r.Payload.Bytes == 0 {
		req.Body = nil
	}
	for line := range strings.SplitSeq(string(rest), "\r\n") {
		if name, value, ok := strings.Cut(line, ": "); ok && name != "Host" && name != "Content-Length" {
			req.Header.Add(name, value)
		} else if name == "Host" {
			req.Host = value
		}
	}
	req.Header.Set("Idempotency-Key", r.ID.String())
	req.Header.Set("X-Edge-Replay", fmt.Sprintf("id=%s; recorded-at=%s; attempt=%d", r.ID, r.RecordedAt.Format(time.RFC3339), r.Attempt))
	var stands bool
	var refused error
	ctx, cut := context.WithCancel(req.Context())
	defer cut()
	req = req.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) {
			stands = true
			if refused = committed(); refused != nil {
				cut() // nothing was written yet
			}
		},
		Got1xxResponse: func(int, textproto.MIMEHeader) error { return nil },
	}))
	start := time.Now()
	res, err := s.client.Do(req)
	switch {
	case refused != nil:
		return Answer{}, refused
	case err != nil && !stands:
		return Answer{}, fmt.Errorf("%w: %w", ErrNotSent, err)
	case err != nil:
		return Answer{}, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	res.Body.Close()
	return Answer{Status: res.StatusCode, Upstream: strings.TrimPrefix(base, "http://"), Duration: time.Since(start)}, nil
}

// collector is an app that remembers what arrived, by idempotency key.
type collector struct {
	*httptest.Server
	mu      sync.Mutex
	arrived map[string][]string // key -> "METHOD target attempt body", once per arrival
	answer  func(n int, r *http.Request) int
	total   int
}

func newCollector(t testing.TB, answer func(n int, r *http.Request) int) *collector {
	c := &collector{arrived: map[string][]string{}, answer: answer}
	c.Server = httptest.NewServer(http.HandlerFunc(c.serve))
	t.Cleanup(c.Close)
	return c
}

func (c *collector) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	key := r.Header.Get("Idempotency-Key")
	_, attempt, _ := strings.Cut(r.Header.Get("X-Edge-Replay"), "attempt=")
	c.mu.Lock()
	c.arrived[key] = append(c.arrived[key], fmt.Sprintf("%s %s %s %s", r.Method, r.URL.RequestURI(), attempt, body))
	c.total++
	n := c.total
	c.mu.Unlock()
	status := 200
	if c.answer != nil {
		status = c.answer(n, r)
	}
	if status == 0 { // no answer
		if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
			conn.(*net.TCPConn).SetLinger(0)
			conn.Close()
		}
		return
	}
	w.WriteHeader(status)
}

func (c *collector) times(id accesslog.ID) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.arrived[id.String()])
}

// watcher is an Observer that remembers.
type watcher struct {
	settled  []Delivery
	canaries []Delivery
	waits    []time.Duration
	stops    []Stop
}

func (w *watcher) Settled(d Delivery)                               { w.settled = append(w.settled, d) }
func (w *watcher) Canary(d Delivery)                                { w.canaries = append(w.canaries, d) }
func (w *watcher) Waiting(_ Destination, p time.Duration, _ string) { w.waits = append(w.waits, p) }
func (w *watcher) Stopped(s Stop)                                   { w.stops = append(w.stops, s) }

func (w *watcher) states() map[State]int {
	out := map[State]int{}
	for _, d := range w.settled {
		out[d.State]++
	}
	return out
}

// sum checks that the report agrees with what was observed and adds up.
func sum(t testing.TB, w *watcher, r Report, want int) {
	t.Helper()
	total := 0
	for s := range states {
		total += r.Of(s)
		if r.Of(s) != w.states()[s] {
			t.Errorf("%v: reported %d, observed %d", s, r.Of(s), w.states()[s])
		}
	}
	seen := map[accesslog.ID]bool{}
	for _, d := range w.settled {
		if seen[d.ID] {
			t.Errorf("%s was settled twice", d.ID)
		}
		seen[d.ID] = true
	}
	if total != want || r.Of(Attempting) != 0 {
		t.Errorf("the states add up to %d of %d: %v", total, want, r.Counts)
	}
}

// selectAll plans for everything under the rules.
func selectAll(t testing.TB, dir string, l *Ledger, rules Rules, change ...func(*Selection)) *Plan {
	t.Helper()
	reader, keys := openReader(t, dir)
	s := Selection{Records: reader, Keys: keys, Ledger: l, Rules: rules, List: true}
	for _, f := range change {
		f(&s)
	}
	p, err := s.Plan(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if n := p.Of(AlreadyDelivered) + p.Of(LeftOut) + p.Of(CannotBeResent) + p.Of(ToSend); n != p.Matched {
		t.Errorf("matched %d, accounted for %d", p.Matched, n)
	}
	groups, days := 0, 0
	for _, g := range p.Groups {
		groups += g.Count
	}
	for _, d := range p.Days {
		days += d.Count
	}
	perDest := 0
	for _, n := range p.PerDest {
		perDest += n
	}
	if groups != len(p.Items) || days != len(p.Items) || perDest != len(p.Items) || len(p.Unreplayable) != p.Of(CannotBeResent) {
		t.Errorf("%d items, %d in groups, %d in days, %d by destination; %d of %d unreplayable listed",
			len(p.Items), groups, days, perDest, len(p.Unreplayable), p.Of(CannotBeResent))
	}
	return p
}

func itemIDs(items []Item) []accesslog.ID {
	ids := make([]accesslog.ID, len(items))
	for i, item := range items {
		ids[i] = item.ID
	}
	return ids
}

// sendAll begins a run for the plan and sends it.
func sendAll(t testing.TB, dir string, l *Ledger, p *Plan, cfg *configs.Config, sender Sender, o Options) (*watcher, Report, string) {
	t.Helper()
	reader, keys := openReader(t, dir)
	run, err := l.Begin(Header{Started: testStart, Generation: cfg.Generation(), Concurrency: 1}, itemIDs(p.Items))
	if err != nil {
		t.Fatal(err)
	}
	w := &watcher{}
	archive := NewArchive(reader, keys, p)
	defer archive.Close()
	e := Engine{Sender: sender, Payloads: archive, Book: run, Observer: w, Destinations: p.Destinations, Options: o}
	r, err := e.Run(context.Background(), p.Items, nil)
	if err != nil {
		t.Fatal(err)
	}
	sum(t, w, r, len(p.Items))
	if err := run.Close(testStart, "done"); err != nil {
		t.Fatal(err)
	}
	return w, r, run.Name()
}

// moveKeys takes the private keys off the machine.
func moveKeys(t testing.TB, dir string) string {
	t.Helper()
	away := t.TempDir()
	files, err := filepath.Glob(filepath.Join(accesslog.KeysDir(dir), "*.key"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no keys: %v", err)
	}
	for _, f := range files {
		if err := os.Rename(f, filepath.Join(away, filepath.Base(f))); err != nil {
			t.Fatal(err)
		}
	}
	return away
}
