package upstream

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/configs"
)

// The certificate is verified, always, and what is wrong with it is said.
func TestVerification(t *testing.T) {
	ca, stranger := newAuthority(t), newAuthority(t)
	hour := time.Now().Add(time.Hour)
	good := ca.issue(t, hour, "127.0.0.1", "app.internal")
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, ca.pem, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		server *tls.Config // nil: no TLS
		tls    configs.AppTLS
		hint   string // "": it works
	}{
		{"the address is in the certificate", &tls.Config{Certificates: []tls.Certificate{good}}, configs.AppTLS{CA: "x", Authorities: ca.pem}, ""},
		{"read when it is needed", &tls.Config{Certificates: []tls.Certificate{good}}, configs.AppTLS{CA: path}, ""},
		{"by another name", &tls.Config{Certificates: []tls.Certificate{ca.issue(t, hour, "app.internal")}}, configs.AppTLS{CA: "x", Authorities: ca.pem, ServerName: "app.internal"}, ""},
		{"by another address", &tls.Config{Certificates: []tls.Certificate{ca.issue(t, hour, "192.0.2.1")}}, configs.AppTLS{CA: "x", Authorities: ca.pem, ServerName: "192.0.2.1"}, ""},
		{"the certificate itself is trusted", &tls.Config{Certificates: []tls.Certificate{selfSigned(t, stranger)}}, configs.AppTLS{CA: "x", Authorities: stranger.pem, ServerName: "127.0.0.1"}, "is not for 127.0.0.1"},
		{"unknown authority", &tls.Config{Certificates: []tls.Certificate{good}}, configs.AppTLS{}, "name the certificate of its authority: tls: {ca: FILE}"},
		{"another authority", &tls.Config{Certificates: []tls.Certificate{good}}, configs.AppTLS{CA: "x", Authorities: stranger.pem}, "name the certificate of its authority"},
		{"no such file", &tls.Config{Certificates: []tls.Certificate{good}}, configs.AppTLS{CA: path + "x"}, "tls.ca has to be readable"},
		{"wrong name", &tls.Config{Certificates: []tls.Certificate{good}}, configs.AppTLS{CA: "x", Authorities: ca.pem, ServerName: "other.internal"}, "the certificate is not for other.internal"},
		{"wrong address", &tls.Config{Certificates: []tls.Certificate{ca.issue(t, hour, "app.internal")}}, configs.AppTLS{CA: "x", Authorities: ca.pem}, "the certificate is not for 127.0.0.1"},
		{"expired", &tls.Config{Certificates: []tls.Certificate{ca.issue(t, time.Now().Add(-time.Minute), "127.0.0.1")}}, configs.AppTLS{CA: "x", Authorities: ca.pem}, "renew the certificate"},
		{"no TLS", nil, configs.AppTLS{CA: "x", Authorities: ca.pem}, "does not speak TLS at this port"},
		{"another protocol only", &tls.Config{Certificates: []tls.Certificate{good}, NextProtos: []string{"acme"}}, configs.AppTLS{CA: "x", Authorities: ca.pem}, "speaks HTTP/1.1"},
		{"old TLS only", &tls.Config{Certificates: []tls.Certificate{good}, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}, configs.AppTLS{CA: "x", Authorities: ca.pem}, "versions"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			serve := answerAll(okAnswer)
			if tt.server != nil {
				serve = overTLS(tt.server, nil, serve)
			} else {
				serve = func(nc net.Conn) { _, _ = io.WriteString(nc, "HTTP/1.1 400 Bad Request\r\n\r\n") }
			}
			s := listen(t, "tcp", "127.0.0.1:0", serve)
			a := newApp(t, func(c *configs.App) { c.TLS = tt.tls }, s.url("https"))
			var told error
			a.Marked = func(_ string, cause error) { told = cause }
			status, _, err := ask(a)
			if tt.hint == "" {
				if err != nil || status != 200 || told != nil {
					t.Fatalf("%d %v %v", status, err, told)
				}
				return
			}
			var e *TLSError
			if !errors.As(told, &e) || !strings.Contains(e.Hint(), tt.hint) || !strings.Contains(e.Error(), s.url("https")) {
				t.Errorf("told %v", told)
			}
			if !errors.Is(err, ErrUnreachable) || !strings.Contains(Reason(err), "TLS failed") {
				t.Errorf("%v: %s", err, Reason(err))
			}
		})
	}
}

// selfSigned is the authority's certificate used as a server's.
func selfSigned(t *testing.T, ca *authority) tls.Certificate {
	t.Helper()
	return tls.Certificate{Certificate: [][]byte{ca.cert.Raw}, PrivateKey: ca.key}
}

// A connection is used again however TLS tickets arrive, and a new one resumes the
// session of the last.
func TestTLSReuse(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	for name, version := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			var resumed atomic.Int32
			config := &tls.Config{Certificates: []tls.Certificate{ca.issue(t, time.Now().Add(time.Hour), "127.0.0.1")}, MinVersion: version, MaxVersion: version}
			s := listen(t, "tcp", "127.0.0.1:0", overTLS(config, func(cs tls.ConnectionState) {
				if cs.DidResume {
					resumed.Add(1)
				}
				if cs.NegotiatedProtocol != "" || cs.Version != version {
					t.Errorf("%+v", cs)
				}
			}, func(nc net.Conn) {
				n := 0
				readHeads(nc, func(string) bool {
					n++
					_, err := io.WriteString(nc, okAnswer)
					return err == nil && n < 100
				})
			}))
			a := newApp(t, ca.trusting, s.url("https"))
			for i := range 300 {
				if status, _, err := ask(a); err != nil || status != 200 {
					t.Fatalf("request %d: %d %v", i, status, err)
				}
				if i%100 == 99 {
					time.Sleep(20 * time.Millisecond) // the end of the connection arrives
				}
			}
			if n := s.opened.Load(); n != 3 || resumed.Load() != 2 {
				t.Errorf("300 requests took %d connections, %d resumed", n, resumed.Load())
			}
		})
	}
}

// What a server does with an idle TLS connection decides whether it is used again.
func TestTLSIdle(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{ca.issue(t, time.Now().Add(time.Hour), "127.0.0.1")}}
	tests := []struct {
		name  string
		after func(c *tls.Conn, raw *net.TCPConn) (keep bool)
		reuse bool
	}{
		{"silent", func(*tls.Conn, *net.TCPConn) bool { return true }, true},
		{"another answer", func(c *tls.Conn, _ *net.TCPConn) bool { _, _ = io.WriteString(c, okAnswer); return true }, false},
		{"one byte", func(c *tls.Conn, _ *net.TCPConn) bool { _, _ = io.WriteString(c, "x"); return true }, false},
		{"empty record", func(c *tls.Conn, _ *net.TCPConn) bool { _, _ = c.Write(nil); return true }, true},
		{"TLS close", func(c *tls.Conn, _ *net.TCPConn) bool { _ = c.CloseWrite(); return true }, false},
		{"FIN", func(_ *tls.Conn, raw *net.TCPConn) bool { _ = raw.CloseWrite(); return true }, false},
		{"closed", func(*tls.Conn, *net.TCPConn) bool { return false }, false},
		{"reset", func(_ *tls.Conn, raw *net.TCPConn) bool { _ = raw.SetLinger(0); return false }, false},
		{"half a record", func(_ *tls.Conn, raw *net.TCPConn) bool {
			_, _ = raw.Write([]byte{23, 3, 3, 0, 40, 1, 2, 3})
			return true
		}, false},
		{"half a header", func(_ *tls.Conn, raw *net.TCPConn) bool { _, _ = raw.Write([]byte{23, 3}); return true }, false},
		{"garbage", func(_ *tls.Conn, raw *net.TCPConn) bool {
			_, _ = io.WriteString(raw, "HTTP/1.1 408 \r\n\r\n")
			return true
		}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var later atomic.Bool
			s := listen(t, "tcp", "127.0.0.1:0", func(nc net.Conn) {
				c := tls.Server(nc, config)
				readHeads(c, func(string) bool {
					_, _ = io.WriteString(c, okAnswer)
					return later.Swap(true) || tt.after(c, nc.(*net.TCPConn))
				})
			})
			a := newApp(t, ca.trusting, s.url("https"))
			for range 3 {
				if status, _, err := ask(a); err != nil || status != 200 {
					t.Fatalf("%d %v", status, err)
				}
				time.Sleep(20 * time.Millisecond)
			}
			want := int32(2)
			if tt.reuse {
				want = 1
			}
			if n := s.opened.Load(); n != want {
				t.Errorf("%d connections for three requests, want %d", n, want)
			}
		})
	}
	// In one segment with the answer: TLS has read it from the socket already.
	t.Run("another answer in the same segment", func(t *testing.T) {
		s := listen(t, "tcp", "127.0.0.1:0", func(nc net.Conn) {
			held := &holding{Conn: nc}
			c := tls.Server(held, config)
			readHeads(c, func(string) bool {
				held.hold = true
				_, _ = io.WriteString(c, okAnswer)
				_, _ = io.WriteString(c, "HTTP/1.1 500 Poison\r\nContent-Length: 0\r\n\r\n")
				held.hold = false
				_, err := nc.Write(held.p)
				held.p = nil
				return err == nil
			})
		})
		a := newApp(t, ca.trusting, s.url("https"))
		for i := range 5 {
			if status, _, err := ask(a); err != nil || status != 200 {
				t.Errorf("request %d: %d %v", i, status, err)
			}
		}
	})
}

// holding collects what is written.
type holding struct {
	net.Conn
	hold bool
	p    []byte
}

func (h *holding) Write(p []byte) (int, error) {
	if h.hold {
		h.p = append(h.p, p...)
		return len(p), nil
	}
	return h.Conn.Write(p)
}

// Closing a connection whose peer does not read takes no time.
func TestTLSCloseDoesNotWait(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{ca.issue(t, time.Now().Add(time.Hour), "127.0.0.1")}}
	release := make(chan struct{})
	s := listen(t, "tcp", "127.0.0.1:0", overTLS(config, nil, func(net.Conn) { <-release }))
	defer close(release)
	a := newApp(t, ca.trusting, s.url("https"))
	var tried Tried
	c, err := a.Acquire(t.Context(), nil, time.Now(), &tried, false)
	if err != nil {
		t.Fatal(err)
	}
	_ = time.AfterFunc(200*time.Millisecond, c.CutWrites)
	if _, err := c.Write(make([]byte, 64<<20)); err == nil {
		t.Fatal("64 MiB were taken by nobody")
	}
	began := time.Now()
	c.Discard(false)
	if d := time.Since(began); d > time.Second {
		t.Errorf("closing took %v", d)
	}
}

// An app that reads a large body slowly, but steadily, is not cut: a write that met its
// deadline would be the end of a TLS connection.
func TestTLSSlowUpload(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{ca.issue(t, time.Now().Add(time.Hour), "127.0.0.1")}}
	const size = 12 << 20
	s := listen(t, "tcp", "127.0.0.1:0", func(nc net.Conn) {
		_ = nc.(*net.TCPConn).SetReadBuffer(64 << 10)
		c := tls.Server(nc, config)
		readHeads(c, func(string) bool {
			p := make([]byte, size)
			for n := 0; n < size; {
				m, err := io.ReadFull(c, p[n:min(n+1<<20, size)])
				if n += m; err != nil {
					return false
				}
				time.Sleep(100 * time.Millisecond)
			}
			_, _ = io.WriteString(c, okAnswer)
			return false
		})
	})
	a := newApp(t, func(c *configs.App) { ca.trusting(c); c.Response = 400 * time.Millisecond }, s.url("https"))
	var tried Tried
	c, err := a.Acquire(t.Context(), nil, time.Now(), &tried, false)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	_, err = c.Write([]byte("PUT / HTTP/1.1\r\n\r\n"))
	if err == nil {
		_, err = c.Write(make([]byte, size))
	}
	d := time.Since(began)
	c.AwaitForever()
	status, readErr := finish(c)
	if err != nil || readErr != nil || status != 200 || d < 2*a.Response {
		t.Errorf("%v after %v, then %d %v", err, d, status, readErr)
	}
	c.Discard(false)
}

func TestRecords(t *testing.T) {
	stream := slices.Concat([]byte{22, 3, 1, 0, 3, 1, 2, 3}, []byte{23, 3, 3, 0, 0}, []byte{23, 3, 3, 1, 2}, make([]byte, 258))
	ends := map[int]bool{0: true, 8: true, 13: true, len(stream): true}
	for size := 1; size <= len(stream); size++ {
		var r records
		for at := 0; at < len(stream); at += size {
			end := min(at+size, len(stream))
			r.take(stream[at:end])
			if r.inside() == ends[end] {
				t.Fatalf("in steps of %d, after %d bytes: inside %v", size, end, r.inside())
			}
		}
	}
}
