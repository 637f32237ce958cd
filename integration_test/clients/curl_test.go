package clients

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/integration_test/edgetest"
)

// A curler runs curl against an edge.
type curler struct {
	t    *testing.T
	path string
	edge *edgetest.Edge
}

func newCurler(t *testing.T, config string) *curler {
	path := need(t, "curl")
	return &curler{t, path, start(t, config)}
}

// do runs curl; every "HOST/..." argument becomes a URL of the edge. It returns what
// came back and what -v said.
func (c *curler) do(t testing.TB, stdin []byte, args ...string) (body, verbose string) {
	t.Helper()
	all := []string{"-q", "-sS", "-v", "--max-time", "30", "--noproxy", "*"}
	for _, host := range []string{"app.test", "files.test", "nobody.test"} {
		all = append(all, "--resolve", host+":"+port(c.edge)+":127.0.0.1")
	}
	for _, a := range args {
		if host, path, ok := strings.Cut(a, "/"); ok && strings.HasSuffix(host, ".test") {
			a = "http://" + host + ":" + port(c.edge) + "/" + path
		}
		all = append(all, a)
	}
	out, errs, err := run(t, bytes.NewReader(stdin), c.path, all...)
	if err != nil {
		t.Fatalf("curl %q: %v\n%s", args, err, errs)
	}
	return out, errs
}

func has(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("no %q in:\n%s", p, text)
		}
	}
}

// TestCurl does with curl what people do with curl.
func TestCurl(t *testing.T) {
	app := edgetest.NewApp(t)
	c := newCurler(t, `
listen: {http: ADDR}
data: data
apps: {app: "`+app.URL+`"}
sites: [{hosts: [app.test], app: app}]
`)
	app.Answer(func(w http.ResponseWriter, r *http.Request) {
		got := app.Requests()
		w.Header().Set("X-Method", r.Method)
		if r.URL.Path == "/chunked" {
			_ = http.NewResponseController(w).Flush()
		}
		_, _ = w.Write(got[len(got)-1].Body)
	})
	big := pattern(3 << 20)
	file := filepath.Join(t.TempDir(), "big")
	if err := os.WriteFile(file, big, 0o600); err != nil {
		t.Fatal(err)
	}
	// last is the request the app got last.
	last := func(t *testing.T) edgetest.Got {
		got := app.Requests()
		if len(got) == 0 {
			t.Fatal("the app got nothing")
		}
		return got[len(got)-1]
	}

	t.Run("GET", func(t *testing.T) {
		_, v := c.do(t, nil, "app.test/a%2Fb?x=1&y=%20")
		has(t, v, "< HTTP/1.1 200 OK", "< X-Request-Id: ")
		if g := last(t); g.Method != "GET" || g.URI != "/a%2Fb?x=1&y=%20" || g.Host != "app.test:"+port(c.edge) || len(g.Header["Content-Length"]) != 0 {
			t.Errorf("the app got %+v", g)
		}
	})
	t.Run("POST", func(t *testing.T) {
		body, _ := c.do(t, nil, "-d", "a=1&b=2", "app.test/form")
		if g := last(t); body != "a=1&b=2" || string(g.Body) != body || g.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
			t.Errorf("%q came back, the app got %+v", body, g)
		}
	})
	t.Run("multipart", func(t *testing.T) {
		c.do(t, nil, "-F", "file=@"+file, "-F", "name=value", "app.test/form")
		if g := last(t); len(g.Body) <= len(big) || !bytes.Contains(g.Body, big) {
			t.Errorf("the app got %d bytes", len(g.Body))
		}
	})
	t.Run("Expect 100-continue", func(t *testing.T) {
		body, v := c.do(t, nil, "--http1.1", "-H", "Expect: 100-continue", "--expect100-timeout", "20", "--data-binary", "@"+file, "app.test/big")
		has(t, v, "> Expect: 100-continue", "< HTTP/1.1 100 Continue", "< HTTP/1.1 200 OK")
		if g := last(t); body != string(big) || !bytes.Equal(g.Body, big) || g.Header.Get("Expect") != "" {
			t.Errorf("%d bytes came back, the app got %d, Expect %q", len(body), len(g.Body), g.Header.Get("Expect"))
		}
	})
	t.Run("chunked from stdin", func(t *testing.T) {
		body, v := c.do(t, big, "-X", "POST", "-T", "-", "app.test/stdin")
		has(t, v, "> Transfer-Encoding: chunked")
		if g := last(t); g.Method != "POST" || body != string(big) || !bytes.Equal(g.Body, big) {
			t.Errorf("%d bytes came back, the app got %d", len(body), len(g.Body))
		}
	})
	t.Run("PUT a file", func(t *testing.T) {
		c.do(t, nil, "-T", file, "app.test/put/")
		if g := last(t); g.Method != "PUT" || g.URI != "/put/big" || !bytes.Equal(g.Body, big) {
			t.Errorf("the app got %s %s, %d bytes", g.Method, g.URI, len(g.Body))
		}
	})
	t.Run("chunked answer", func(t *testing.T) {
		body, v := c.do(t, nil, "--data-binary", "@"+file, "app.test/chunked")
		has(t, v, "< Transfer-Encoding: chunked")
		if body != string(big) {
			t.Errorf("%d bytes came back", len(body))
		}
	})
	t.Run("HEAD", func(t *testing.T) {
		app.Answer(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "4321") })
		defer app.Answer(nil)
		out, _ := c.do(t, nil, "-I", "app.test/head")
		has(t, out, "HTTP/1.1 200 OK", "Content-Length: 4321")
	})
	app.Answer(nil)
	t.Run("HTTP/1.0", func(t *testing.T) {
		body, v := c.do(t, nil, "-0", "app.test/old")
		has(t, v, "> GET /old HTTP/1.0", "200 OK", "Connection: close")
		if body != "ok" {
			t.Errorf("%q came back", body)
		}
		body, _ = c.do(t, nil, "-0", "-d", "x=1", "app.test/old")
		if g := last(t); body != "ok" || string(g.Body) != "x=1" {
			t.Errorf("%q came back, the app got %+v", body, g)
		}
	})
	t.Run("keep-alive", func(t *testing.T) {
		out, _ := c.do(t, nil, "--http1.1", "-o", "/dev/null", "-o", "/dev/null", "-o", "/dev/null", "-w", "%{http_code}:%{num_connects} ",
			"app.test/1", "app.test/2", "app.test/3")
		if out != "200:1 200:0 200:0 " {
			t.Errorf("connections: %q", out)
		}
	})
	t.Run("unknown host", func(t *testing.T) {
		was := len(app.Requests())
		body, v := c.do(t, nil, "-d", "visit", "nobody.test/x")
		has(t, v, "< HTTP/1.1 421 Misdirected Request", "< X-Request-Id: ")
		has(t, body, "421")
		if len(app.Requests()) != was {
			t.Error("the app got it")
		}
	})
	t.Run("the edge says 100 when no app is there", func(t *testing.T) {
		app.Down()
		defer app.Up(t)
		_, v := c.do(t, nil, "--http1.1", "-H", "Expect: 100-continue", "--expect100-timeout", "20", "--data-binary", "@"+file, "app.test/lost")
		has(t, v, "< HTTP/1.1 100 Continue", "< HTTP/1.1 502 Bad Gateway")
		r := c.edge.Records("--path", "/lost", "--payload")
		if len(r) != 1 || r[0].Outcome != "upstream_down" || !r[0].Body.Complete || !bytes.Equal(r[0].Body.Base64, big) {
			t.Errorf("%d records of it", len(r))
		}
	})
	t.Run("records", func(t *testing.T) {
		time.Sleep(300 * time.Millisecond)
		for _, r := range c.edge.Records() {
			want := "ok"
			switch {
			case r.Request.Host == "nobody.test:"+port(c.edge):
				want = "no_route"
			case r.Request.URI == "/lost":
				want = "upstream_down"
			}
			if r.Outcome != want {
				t.Errorf("%s %s%s is recorded as %s %d", r.Request.Method, r.Request.Host, r.Request.URI, r.Outcome, r.Status)
			}
		}
	})
}
