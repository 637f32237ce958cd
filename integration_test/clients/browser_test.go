package clients

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/websocket"

	"github.com/holdfast-edge/holdfast/integration_test/edgetest"
)

// pageApp is the app behind the page of testdata: it echoes, sends events in step with
// the page, and takes the findings.
type pageApp struct {
	acks     map[string]chan struct{}
	findings chan map[string]any
}

func (a *pageApp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/echo":
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(body)
	case "/ack":
		a.acks[r.URL.Query().Get("by")] <- struct{}{}
	case "/events":
		a.events(w, a.acks[r.URL.Query().Get("by")])
	case "/ws":
		websocket.Handler(wsApp).ServeHTTP(w, r)
	case "/findings":
		var found map[string]any
		if err := json.NewDecoder(r.Body).Decode(&found); err != nil {
			found = map[string]any{"error": err.Error()}
		}
		a.findings <- found
	default:
		http.NotFound(w, r)
	}
}

// events sends five events, each when the one before was acknowledged.
func (a *pageApp) events(w http.ResponseWriter, ack <-chan struct{}) {
	w.Header().Set("Content-Type", "text/event-stream")
	rc := http.NewResponseController(w)
	for i := range 5 {
		fmt.Fprintf(w, "data: event-%d\n\n", i)
		_ = rc.Flush()
		select {
		case <-ack:
		case <-time.After(10 * time.Second):
			return // the page will say how many it got
		}
	}
	fmt.Fprint(w, "event: end\ndata: end\n\n")
}

// TestBrowser: a page in Debian's chromium, with what pages use to report a visit, in
// good and in bad times.
func TestBrowser(t *testing.T) {
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) { browse(t, scheme) })
	}
}

// browse plays the page over plain HTTP or over TLS, with a certificate that the browser
// is told to trust by its key.
func browse(t *testing.T, scheme string) {
	chromium := need(t, "chromium")
	ca := edgetest.NewAuthority(t)
	page := &pageApp{acks: map[string]chan struct{}{"fetch": make(chan struct{}, 100), "source": make(chan struct{}, 100)},
		findings: make(chan map[string]any, 1)}
	app := httptest.NewServer(page)
	t.Cleanup(app.Close)
	visits, broken := edgetest.NewApp(t), edgetest.NewApp(t)
	broken.Down()
	file, err := filepath.Abs("testdata/page.html")
	if err != nil {
		t.Fatal(err)
	}
	e := start(t, `
listen: {http: ADDR, https: TLSADDR}
data: data
apps: {page: "`+app.URL+`", visits: "`+visits.URL+`", broken: "`+broken.URL+`"}
sites:
  - hosts: [browser.test]
    certificate: `+ca.Certificate(t, "browser", "browser.test")+`
    https_redirect: `+fmt.Sprint(scheme == "https")+`
    app: page
    routes:
      - {exact: /page.html, file: "`+file+`"}
      - {exact: /favicon.ico, respond: {status: 204}}
      - {path: /visit, app: visits}
      - {path: /lost, app: broken}
`)
	spawn(t, chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-breakpad", "--disable-dev-shm-usage", "--no-proxy-server",
		"--disable-features=HttpsUpgrades,HttpsFirstBalancedModeAutoEnable", "--host-resolver-rules=MAP browser.test 127.0.0.1",
		"--ignore-certificate-errors-spki-list="+spki(t, ca), "--user-data-dir="+t.TempDir(),
		// Over TLS it begins in clear and is sent on.
		"http://browser.test:"+port(e)+"/page.html")
	authority := "browser.test:" + port(e)
	if scheme == "https" {
		authority = "browser.test" + e.Secure[strings.LastIndexByte(e.Secure, ':'):]
	}

	var found map[string]any
	select {
	case found = <-page.findings:
	case <-time.After(100 * time.Second):
		t.Fatalf("the page says nothing; recorded: %+v", e.Records())
	}
	for name, want := range map[string]any{
		"beacon": true, "lost": true, "fetch": "200 räksmörgås 18", "large": "2097152 true", "failing": 502.0,
		"stream":      "6 data: event-0 data: event-1 data: event-2 data: event-3 data: event-4 event: end data: end",
		"eventsource": "event-0 event-1 event-2 event-3 event-4", "websocket": "100 true",
	} {
		if found[name] != want {
			t.Errorf("%s: %v, want %v", name, found[name], want)
		}
	}

	data := make([]byte, 5000)
	for i := range data {
		data[i] = byte(i)
	}
	origin := scheme + "://" + authority
	if got := visits.Requests(); len(got) != 1 || got[0].URI != "/visit?kind=beacon" || !bytes.Equal(got[0].Body, data) ||
		got[0].Header.Get("Content-Type") != "application/x-visit" || got[0].Header.Get("Origin") != origin {
		t.Errorf("the app of the visits got %+v", got)
	}

	// What was lost while its app was down is on record, and replay brings it back.
	lost := e.Records("--path", "/lost", "--payload")
	if len(lost) != 2 {
		t.Fatalf("%d lost requests are recorded", len(lost))
	}
	for _, r := range lost {
		if r.Outcome != "upstream_down" || r.Status != 502 || !r.Body.Complete {
			t.Errorf("recorded: %+v", r)
		}
	}
	broken.Up(t)
	if r := e.Run("replay", "--since", "1h", "--yes"); r.Code != 0 {
		t.Fatalf("replay: exit %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	got := broken.Requests()
	if len(got) != 2 {
		t.Fatalf("the app got %d requests", len(got))
	}
	for i, g := range got {
		want := []byte(`{"page":"grüße","at":1}`)
		if g.URI == "/lost?kind=fetch" {
			want = data
		}
		if !bytes.Equal(g.Body, want) || g.Method != "POST" || g.Header.Get("Origin") != origin || g.Header.Get("X-Edge-Replay") == "" ||
			g.Host != authority || g.Header.Get("X-Request-Id") != lost[i].ID || !bytes.Equal(g.Body, lost[i].Body.Base64) {
			t.Errorf("replayed: %+v, recorded %s", g, lost[i].ID)
		}
	}
	if g := got[0].Header.Get("X-Forwarded-Proto"); g != scheme {
		t.Errorf("replayed with X-Forwarded-Proto %q", g)
	}
}

// spki is the hash by which chromium is told to trust a certificate's key.
func spki(t *testing.T, ca *edgetest.Authority) string {
	t.Helper()
	path, _ := ca.Files("browser")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}
