package clients

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func dials(addr string) bool {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

// TestLocalAnswers: files, redirects and fixed answers, seen with curl.
func TestLocalAnswers(t *testing.T) {
	dir := t.TempDir()
	public := filepath.Join(dir, "public")
	for path, text := range map[string]string{
		"secret.txt": "root:x:0:0: the secret", "public/digits.txt": "0123456789", "public/page.html": "<p>page</p>", "public/sub/deep.txt": "deep",
		"public/sub/.hidden": "hidden", "public/with-index/index.html": "the index", "public/name with space.txt": "space", "public/%2e%2e": "percent",
	} {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"out.txt": "../secret.txt", "passwd": "/etc/passwd", "etc": "/etc", "up": "..", "in.txt": "digits.txt"} {
		if err := os.Symlink(to, filepath.Join(public, link)); err != nil {
			t.Fatal(err)
		}
	}
	c := newCurler(t, `
listen: {http: ADDR}
data: data
sites:
  - name: files
    hosts: [files.test]
    routes:
      - {path: /static, files: "`+public+`"}
      - {exact: /one, file: "`+public+`/digits.txt"}
      - {path: /old, redirect: "https://new.example.com"}
      - {path: /moved, redirect: {to: "https://new.example.com", status: 302}}
      - {exact: /hello, respond: {status: 200, body: "hi there", headers: {X-Greeting: "yes"}}}
      - {exact: /teapot, respond: {status: 418, body: "short and stout"}}
`)

	for name, tc := range map[string]struct {
		args []string
		head []string // what the head says
		body string
	}{
		"file":              {[]string{"files.test/static/digits.txt"}, []string{"200 OK", "Content-Length: 10", "Content-Type: text/plain", "Accept-Ranges: bytes", "Last-Modified: "}, "0123456789"},
		"type":              {[]string{"files.test/static/page.html"}, []string{"200 OK", "Content-Type: text/html", "X-Content-Type-Options: nosniff"}, "<p>page</p>"},
		"one file":          {[]string{"files.test/one"}, []string{"200 OK"}, "0123456789"},
		"query is ignored":  {[]string{"files.test/one?v=3"}, []string{"200 OK"}, "0123456789"},
		"space":             {[]string{"files.test/static/name%20with%20space.txt"}, []string{"200 OK"}, "space"},
		"deep":              {[]string{"files.test/static/sub/deep.txt"}, []string{"200 OK"}, "deep"},
		"link inside":       {[]string{"files.test/static/in.txt"}, []string{"200 OK"}, "0123456789"},
		"range":             {[]string{"-r", "2-4", "files.test/static/digits.txt"}, []string{"206 Partial Content", "Content-Range: bytes 2-4/10"}, "234"},
		"last bytes":        {[]string{"-r", "-3", "files.test/one"}, []string{"206 Partial Content"}, "789"},
		"two ranges":        {[]string{"-r", "0-1,8-9", "files.test/one"}, []string{"206 Partial Content", "multipart/byteranges"}, "*"},
		"range beyond":      {[]string{"-r", "50-60", "files.test/one"}, []string{"416 ", "Content-Range: bytes */10"}, "*"},
		"not modified":      {[]string{"-z", filepath.Join(public, "digits.txt"), "files.test/one"}, []string{"304 Not Modified"}, ""},
		"modified since":    {[]string{"-z", "Sat, 01 Jan 2000 00:00:00 GMT", "files.test/one"}, []string{"200 OK"}, "0123456789"},
		"unmodified since":  {[]string{"-H", "If-Unmodified-Since: Sat, 01 Jan 2000 00:00:00 GMT", "files.test/one"}, []string{"412 "}, "*"},
		"head":              {[]string{"-I", "files.test/one"}, []string{"200 OK", "Content-Length: 10"}, "*"},
		"post":              {[]string{"-d", "x", "files.test/one"}, []string{"405 ", "Allow: GET, HEAD"}, "*"},
		"missing":           {[]string{"files.test/static/missing"}, []string{"404 "}, "*"},
		"no route":          {[]string{"files.test/elsewhere"}, []string{"404 "}, "*"},
		"prefix is not it":  {[]string{"files.test/staticx"}, []string{"404 "}, "*"},
		"index":             {[]string{"files.test/static/with-index/"}, []string{"200 OK", "text/html"}, "the index"},
		"index without /":   {[]string{"files.test/static/with-index"}, []string{"301 ", "Location: /static/with-index/"}, "*"},
		"no listing":        {[]string{"files.test/static/"}, []string{"404 "}, "*"},
		"no listing either": {[]string{"files.test/static/sub/"}, []string{"404 "}, "*"},
		"redirect":          {[]string{"files.test/old/a%2Fb/c?x=1&y=%20&z=//"}, []string{"308 ", "Location: https://new.example.com/old/a%2Fb/c?x=1&y=%20&z=//\r\n"}, "*"},
		"redirect a post":   {[]string{"-d", "x", "files.test/old"}, []string{"308 ", "Location: https://new.example.com/old\r\n"}, "*"},
		"redirect 302":      {[]string{"files.test/moved?q"}, []string{"302 ", "Location: https://new.example.com/moved?q\r\n"}, "*"},
		"respond":           {[]string{"files.test/hello"}, []string{"200 OK", "X-Greeting: yes"}, "hi there"},
		"respond 418":       {[]string{"files.test/teapot"}, []string{"418 "}, "short and stout"},
		"respond to a post": {[]string{"-d", "some data", "files.test/hello"}, []string{"200 OK"}, "hi there"},
	} {
		t.Run(name, func(t *testing.T) {
			body, v := c.do(t, nil, tc.args...)
			head := ""
			for _, line := range strings.SplitAfter(v, "\n") {
				if strings.HasPrefix(line, "< ") {
					head += line[2:]
				}
			}
			has(t, head, tc.head...)
			if tc.body != "*" && body != tc.body {
				t.Errorf("body %q, want %q", body, tc.body)
			}
			if strings.Contains(body, "deep.txt") || strings.Contains(body, ".hidden") {
				t.Errorf("a listing: %q", body)
			}
		})
	}

	t.Run("no way out", func(t *testing.T) {
		for _, path := range []string{
			"/static/../../etc/passwd", "/static/../secret.txt", "/static/sub/../../secret.txt", "/static/%2e%2e/secret.txt", "/static/%2e%2e%2fsecret.txt",
			"/static/..%2fsecret.txt", "/static/..%2f..%2f..%2f..%2fetc%2fpasswd", "/static/.%2e/secret.txt", "/static/..;/secret.txt", "/static/..%5csecret.txt",
			"/static/..\\secret.txt", "/static/%252e%252e/secret.txt", "/static//../secret.txt", "/static/./../secret.txt", "/static/..%00/secret.txt",
			"/static/digits.txt%00.html", "/static/%c0%ae%c0%ae/secret.txt", "/static/....//secret.txt", "/static" + "/../../../../../../../../etc/passwd",
			"/static/out.txt", "/static/passwd", "/static/etc/passwd", "/static/up/secret.txt", "/static//etc/passwd", "/static/" + filepath.Join(dir, "secret.txt"),
			"/one/../secret.txt", "/one/..%2fsecret.txt", "/static/file:///etc/passwd",
		} {
			body, v := c.do(t, nil, "--path-as-is", "files.test"+path)
			if strings.Contains(body, "root:") || !strings.Contains(v, "< HTTP/1.1 4") && !strings.Contains(v, "< HTTP/1.1 301") {
				t.Errorf("%s: %q\n%s", path, body, v)
			}
		}
	})

	t.Run("records", func(t *testing.T) {
		time.Sleep(300 * time.Millisecond)
		for _, r := range c.edge.Records() {
			if failed := r.Outcome != "ok"; failed != (r.Status >= 400) && r.Request.URI != "/teapot" {
				t.Errorf("%s is recorded as %s %d", r.Request.URI, r.Outcome, r.Status)
			}
			if r.App != "" || r.Upstream != "" {
				t.Errorf("%s is recorded with app %q", r.Request.URI, r.App)
			}
		}
	})
}
