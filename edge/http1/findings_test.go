package http1

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/edge/exchange"
	"github.com/holdfast-edge/holdfast/tls/tlstest"
)

// run serves connections that start takes, until the test ends.
func run(t *testing.T, s *Server, start func(net.Conn, int) bool) (addr string) {
	t.Helper()
	if s.Limits == nil {
		s.Limits = func() Limits { return testLimits }
	}
	s.parkAfter = 30 * time.Millisecond
	s.Panicked = func(v any) { t.Errorf("panic: %v", v) }
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			start(nc, 0)
		}
	}()
	t.Cleanup(func() {
		_ = ln.Close()
		<-done
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

// A request that was read ahead, behind one that took longer than the deadline its head
// had, is answered.
func TestPipelinedBehindSlow(t *testing.T) {
	s := &Server{Handler: func(x *exchange.Exchange) {
		if string(x.Target) == "/slow" {
			time.Sleep(2 * testLimits.HeaderTimeout)
		}
		echo(x)
	}}
	c := dial(t, run(t, s, s.Start))
	_, _ = io.WriteString(c, "GET /slow HTTP/1.1\r\nHost: h\r\n")
	time.Sleep(50 * time.Millisecond)
	_, _ = io.WriteString(c, "\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n")
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	got := answers(t, bufio.NewReader(c), 2, "GET")
	if !strings.Contains(fmt.Sprint(got), "GET /b") {
		t.Errorf("%q", got)
	}
}

// What is known of a head that never became whole does not change when others use the
// buffer it was in at first.
func TestHeadThatMoved(t *testing.T) {
	seen, release := make(chan string, 1), make(chan struct{})
	limits := testLimits
	limits.MaxHeader = 32 << 10
	s := &Server{Limits: func() Limits { return limits }, Handler: func(x *exchange.Exchange) {
		if x.Malformed == nil {
			echo(x)
			return
		}
		<-release
		select {
		case seen <- fmt.Sprintf("%s %s %s", x.Method, x.Target, x.Host):
		default:
		}
		x.Answer.Close()
	}}
	addr := run(t, s, s.Start)
	head := "GET /mine HTTP/1.1\r\nHost: mine.test\r\nX: "
	c := dial(t, addr)
	_, _ = io.WriteString(c, head+strings.Repeat("a", smallBuffer-len(head)))
	time.Sleep(50 * time.Millisecond)
	_ = c.(*net.TCPConn).CloseWrite()
	time.Sleep(50 * time.Millisecond)
	for i := range 30 {
		o := dial(t, addr)
		defer o.Close()
		_, _ = fmt.Fprintf(o, "GET /secret?token=%d HTTP/1.1\r\nHost: victim.test\r\n", i)
	}
	time.Sleep(50 * time.Millisecond)
	close(release)
	if got := <-seen; got != "GET /mine mine.test" {
		t.Errorf("recorded as %q", got)
	}
}

// secured is crypto/tls as the server wants it.
type secured struct{ *tls.Conn }

func (s secured) Session() (serverName, version string) { return "a.test", "1.x" }
func (s secured) Close() error                          { return s.NetConn().Close() }

// secureServer answers over TLS with a certificate of the test's own.
func secureServer(t *testing.T) (s *Server, addr string) {
	t.Helper()
	a, err := tlstest.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	p, err := a.Issue("a.test")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := tls.X509KeyPair(p.Cert, p.Key)
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{cert}}
	s = &Server{Handler: echo, Refused: func(netip.AddrPort, error) {}}
	s.Secure = func(nc net.Conn) Secured { return secured{tls.Server(nc, config)} }
	return s, run(t, s, s.StartSecured)
}

// heldBack is a connection whose writes may be collected and sent as one.
type heldBack struct {
	net.Conn
	hold bool
	buf  bytes.Buffer
}

func (h *heldBack) Write(p []byte) (int, error) {
	if h.hold {
		return h.buf.Write(p)
	}
	return h.Conn.Write(p)
}

// A request with the close_notify behind it in one segment is answered, whatever the
// version.
func TestRequestWithCloseNotify(t *testing.T) {
	_, addr := secureServer(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			h := &heldBack{Conn: dial(t, addr)}
			c := tls.Client(h, &tls.Config{InsecureSkipVerify: true, ServerName: "a.test", MaxVersion: version})
			if err := c.Handshake(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(50 * time.Millisecond)
			h.hold = true
			_, _ = io.WriteString(c, "POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi")
			_ = c.CloseWrite()
			_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
			_ = h.SetDeadline(time.Now().Add(5 * time.Second)) // CloseWrite has ended it
			_, _ = h.Conn.Write(h.buf.Bytes())
			if got, err := io.ReadAll(c); !bytes.Contains(got, []byte("POST /x hi")) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

// Bytes of a TLS record that never becomes whole do not keep a connection.
func TestTrickledRecord(t *testing.T) {
	s, addr := secureServer(t)
	nc := dial(t, addr)
	c := tls.Client(nc, &tls.Config{InsecureSkipVerify: true, ServerName: "a.test"})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	record := append([]byte{0x17, 3, 3, 0x10, 0}, make([]byte, 100)...)
	end := time.Now().Add(3 * testLimits.IdleTimeout)
	for i := 0; s.Connections() > 0 && time.Now().Before(end); i++ {
		_, _ = nc.Write(record[i : i+1])
		time.Sleep(100 * time.Millisecond)
	}
	if n := s.Connections(); n != 0 {
		t.Error("the connection is still open")
	}
}
