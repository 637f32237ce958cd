package https

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestNoGuessing: openssl, as a client, sees the alert and no certificate. It is counted,
// and the log is not filled by it.
func TestNoGuessing(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	need(t, err)
	s := start(t, "")
	for _, args := range [][]string{{"-noservername"}, {"-servername", "unknown.test"}, {"-servername", "plain.test"},
		{"-servername", "x.b.test"}, {"-servername", "a.b.a.test"}, {"-servername", "unknown.test", "-tls1_2"}} {
		out, _ := exec.Command(openssl, append([]string{"s_client", "-connect", s.Secure}, args...)...).CombinedOutput()
		if !bytes.Contains(out, []byte("SSL alert number 112")) || bytes.Contains(out, []byte("BEGIN CERTIFICATE")) {
			t.Errorf("%v:\n%s", args, out)
		}
	}
	for range 500 {
		c, err := net.DialTimeout("tcp", s.Secure, patience)
		if err != nil {
			t.Fatal(err)
		}
		_ = tls.Client(c, &tls.Config{ServerName: "flood.test"}).Handshake()
		_ = c.Close()
	}
	admin := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", filepath.Join(s.Dir, "data/edge.sock"))
	}}}
	defer admin.CloseIdleConnections()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		var status struct {
			HTTPS  []string          `json:"https"`
			Failed map[string]uint64 `json:"failed_handshakes"`
		}
		res, err := admin.Get("http://edge/v1/status")
		if err != nil {
			t.Fatal(err)
		}
		err = json.NewDecoder(res.Body).Decode(&status)
		res.Body.Close()
		if err != nil || len(status.HTTPS) != 1 || status.HTTPS[0] != s.Secure {
			t.Fatalf("%+v, %v", status, err)
		}
		if status.Failed["unknown_name"] == 505 && status.Failed["missing_name"] == 1 {
			break
		} else if time.Now().After(end) {
			t.Fatalf("%+v", status)
		}
	}
	if n := strings.Count(s.Log(), "has no certificate"); n < 1 || n > 5 {
		t.Errorf("%d lines in the log:\n%s", n, s.Log())
	}
	// Certificates, on the other hand, go out whole.
	out, err := exec.Command(openssl, "s_client", "-connect", s.Secure, "-servername", "b.test", "-CAfile", s.ca.File, "-verify_return_error", "-brief").CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("Verification: OK")) {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestTickets: openssl resumes a session, under the same certificate only.
func TestTickets(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	need(t, err)
	s := start(t, "")
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		session := filepath.Join(t.TempDir(), "session")
		visit := func(name, in string) string {
			args := []string{"s_client", "-connect", s.Secure, "-servername", name, "-CAfile", s.ca.File, version, "-ign_eof", in, session}
			cmd := exec.Command(openssl, args...)
			cmd.Stdin = strings.NewReader("GET / HTTP/1.1\r\nHost: " + name + "\r\nConnection: close\r\n\r\n")
			out, _ := cmd.CombinedOutput()
			return string(out)
		}
		if out := visit("a.test", "-sess_out"); !strings.Contains(out, "\nNew, TLSv1.") || !strings.Contains(out, "200 OK") {
			t.Fatalf("%s: the first time:\n%s", version, out)
		}
		if out := visit("a.test", "-sess_in"); !strings.Contains(out, "\nReused, TLSv1.") || !strings.Contains(out, "200 OK") {
			t.Errorf("%s: the second time:\n%s", version, out)
		}
		s.Reload("reloaded")
		if out := visit("www.a.test", "-sess_in"); !strings.Contains(out, "\nReused, TLSv1.") || !strings.Contains(out, "200 OK") {
			t.Errorf("%s: after a reload, another name of the certificate:\n%s", version, out)
		}
		if out := visit("b.test", "-sess_in"); strings.Contains(out, "\nReused") || !strings.Contains(out, "200 OK") {
			t.Errorf("%s: a ticket of a.test at b.test:\n%s", version, out)
		}
		if out := visit("unknown.test", "-sess_in"); strings.Contains(out, "200 OK") || !strings.Contains(out, "alert number 112") {
			t.Errorf("%s: a ticket of a.test at unknown.test:\n%s", version, out)
		}
	}
}

// TestMisdirected: a connection carries requests for the site it was opened for, and for
// sites with the same certificate; anything else is refused and recorded.
func TestMisdirected(t *testing.T) {
	s := start(t, "")
	p := port(s.Secure)
	for _, test := range []struct {
		sni, host string
		status    int
		outcome   string
	}{
		{"a.test", "a.test", 200, "ok"},
		{"a.test", "A.Test", 200, "ok"},
		{"a.test", "a.test.", 200, "ok"},
		{"a.test", "a.test" + p, 200, "ok"},
		{"a.test", "www.a.test", 200, "ok"}, // the same site
		{"www.a.test", "a.test" + p, 200, "ok"},
		{"c.test", "d.test", 200, "ok"}, // the same certificate
		{"d.test", "c.test" + p, 200, "ok"},
		{"a.test", "b.test", 421, "sni_mismatch"},
		{"b.test", "www.a.test" + p, 421, "sni_mismatch"},
		{"a.test", "c.test", 421, "sni_mismatch"},
		{"a.test", "plain.test", 421, "sni_mismatch"},
		{"a.test", "mixed.test", 421, "sni_mismatch"},
		{"mixed.test", "mixed.test", 200, "ok"},
		{"a.test", "routes.test", 421, "sni_mismatch"}, // before its routes are looked at
		{"routes.test", "routes.test", 404, "no_route"},
		{"a.test", "nobody.test", 421, "no_route"},
		{"a.test", "not a host", 400, "rejected"},
	} {
		before := len(s.app.Requests())
		res, _ := s.dial(t, test.sni).ask(t, "POST /m HTTP/1.1\r\nHost: "+test.host+"\r\nContent-Length: 5\r\n\r\nvisit")
		if res.StatusCode != test.status {
			t.Errorf("%s for %s: %s", test.sni, test.host, res.Status)
		}
		if got := len(s.app.Requests()) - before; got == 1 != (test.status == 200) {
			t.Errorf("%s for %s: the app got %d requests", test.sni, test.host, got)
		}
		r := s.records(t, 1, "--id", res.Header.Get("X-Request-Id"), "--payload")[0]
		if r.Outcome != test.outcome || r.Request.TLS == nil || r.Request.TLS.ServerName != test.sni {
			t.Errorf("%s for %s: recorded %+v", test.sni, test.host, r)
		}
		if test.outcome == "sni_mismatch" && (!r.Body.Complete || string(r.Body.Base64) != "visit" || r.App != "" || r.Site == "") {
			t.Errorf("%s for %s: recorded %+v", test.sni, test.host, r)
		}
	}
	// The connection goes on after a refusal.
	c := s.dial(t, "a.test")
	if res, _ := c.ask(t, "GET / HTTP/1.1\r\nHost: b.test\r\n\r\n"); res.StatusCode != 421 || res.Close {
		t.Errorf("%+v", res)
	}
	if res, _ := c.ask(t, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"); res.StatusCode != 200 {
		t.Errorf("%+v", res)
	}
}

// TestPlainOnSecurePort: it is told what is wrong, and recorded.
func TestPlainOnSecurePort(t *testing.T) {
	s := start(t, "")
	res, body := plain(t, s.Secure, "POST /oops?x=1 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nvisit")
	if res.StatusCode != 400 || !res.Close || !strings.Contains(body, "HTTPS") {
		t.Errorf("%s %q", res.Status, body)
	}
	r := s.records(t, 1)[0]
	if r.Outcome != "rejected" || r.Status != 400 || r.Request.URI != "/oops?x=1" || r.Request.Host != "a.test" || r.Request.TLS != nil ||
		!strings.Contains(r.Reason, "plain HTTP") {
		t.Errorf("recorded: %+v", r)
	}
	if n := len(s.app.Requests()); n != 0 {
		t.Errorf("the app got %d requests", n)
	}
}

// TestSlowHandshakes: they are bounded by header_timeout, hold up nobody, and a stop
// does not wait for them.
func TestSlowHandshakes(t *testing.T) {
	s := start(t, "limits: {header_timeout: 1s}")
	var slow []net.Conn
	for i := range 50 {
		c, err := net.DialTimeout("tcp", s.Secure, patience)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if i%2 == 0 {
			_, _ = c.Write([]byte("\x16\x03\x01\x02\x00\x01\x00\x01"))
		}
		slow = append(slow, c)
	}
	began := time.Now()
	if res, err := s.ca.Client(t, s.Secure).Get("https://a.test/"); err != nil || res.StatusCode != 200 {
		t.Errorf("%v %v", res, err)
	}
	for _, c := range slow {
		_ = c.SetReadDeadline(time.Now().Add(patience))
		if _, err := c.Read(make([]byte, 100)); err == nil {
			_, err = c.Read(make([]byte, 100)) // after an alert
			if err == nil {
				t.Error("a slow handshake was answered")
			}
		}
	}
	if d := time.Since(began); d > 10*time.Second {
		t.Errorf("they were held for %v", d)
	}
	idle, err := net.DialTimeout("tcp", s.Secure, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	time.Sleep(50 * time.Millisecond)
	began = time.Now()
	s.Stop()
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("stopping took %v", d)
	}
}

// TestBrokenOff: what an app did not finish does not look whole to a client: no
// close_notify follows an answer that ends with its connection.
func TestBrokenOff(t *testing.T) {
	for _, whole := range []bool{true, false} {
		s := start(t, "")
		s.app.Answer(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "some")
			_ = http.NewResponseController(w).Flush()
			if !whole {
				panic(http.ErrAbortHandler)
			}
		})
		nc, err := net.DialTimeout("tcp", s.Secure, patience)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		wire := &tail{Conn: nc}
		c := tls.Client(wire, &tls.Config{ServerName: "a.test", RootCAs: s.ca.Pool(), MinVersion: tls.VersionTLS13})
		_ = c.SetDeadline(time.Now().Add(patience))
		if _, err := io.WriteString(c, "GET / HTTP/1.0\r\nHost: a.test\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(c)
		if !strings.HasSuffix(string(text), "\r\n\r\nsome") {
			t.Errorf("%q", text)
		}
		// A sealed alert of TLS 1.3 is a record of 19 bytes.
		closed := bytes.Contains(wire.last, []byte{23, 3, 3, 0, 19})
		if closed != whole {
			t.Errorf("whole %v, close_notify %v", whole, closed)
		}
		if r := s.records(t, 1)[0]; (r.Outcome == "ok") != whole {
			t.Errorf("whole %v: recorded %+v", whole, r)
		}
	}
}

// tail keeps the last 24 bytes that were received.
type tail struct {
	net.Conn
	last []byte
}

func (c *tail) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.last = append(c.last, p[:n]...)
	c.last = c.last[max(0, len(c.last)-24):]
	return n, err
}
