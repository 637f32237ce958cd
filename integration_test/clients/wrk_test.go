package clients

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/holdfast-edge/holdfast/integration_test/edgetest"
)

// TestWrk puts wrk on the edge, with 32 connections, and wants not one error.
func TestWrk(t *testing.T) {
	path := need(t, "wrk")
	body := []byte(strings.Repeat("x", 1024))
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		if r.Method == "POST" && n != 512 {
			w.WriteHeader(http.StatusTeapot) // wrk counts it
			return
		}
		_, _ = w.Write(body)
	}))
	t.Cleanup(app.Close)
	e := start(t, `
listen: {http: ADDR}
data: data
apps: {app: "`+app.URL+`"}
sites: [{hosts: [app.test], app: app}]
`)
	script := filepath.Join(t.TempDir(), "post.lua")
	if err := os.WriteFile(script, []byte("wrk.method = \"POST\"\nwrk.body = string.rep(\"p\", 512)\nwrk.headers[\"Content-Type\"] = \"text/plain\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, more := range map[string][]string{"GET": nil, "POST": {"-s", script}} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"-t", "2", "-c", "32", "-d", fmt.Sprintf("%ds", edgetest.Size(5, 60)), "--timeout", "10s", "-H", "Host: app.test"}, more...)
			cmd := append(args, e.URL+"/wrk/"+name)
			out, errs, err := run(t, nil, path, cmd...)
			if err != nil {
				t.Fatalf("%v\n%s%s", err, out, errs)
			}
			m := regexp.MustCompile(`(\d+) requests in`).FindStringSubmatch(out)
			if m == nil {
				t.Fatal(out)
			}
			if n, _ := strconv.Atoi(m[1]); n < 100 {
				t.Errorf("only %d requests:\n%s", n, out)
			}
			for _, sign := range []string{"Socket errors", "Non-2xx"} {
				if strings.Contains(out, sign) {
					t.Errorf("%s:\n%s", sign, out)
				}
			}
			t.Log(out)
		})
	}
	// At its end wrk leaves in the middle of up to 32 requests a run; nothing else fails.
	if r := e.Records("--outcome", "upstream_4xx,upstream_5xx,upstream_down,timeout,no_route,rejected"); len(r) != 0 {
		t.Errorf("%d failures are recorded, the first is %+v", len(r), r[0])
	}
	if r := e.Records("--outcome", "client_abort"); len(r) > 64 {
		t.Errorf("%d clients are recorded to have left", len(r))
	}
}
