package upstream

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-edge/holdfast/configs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newApp makes an app of upstreams as the configuration writes them. more may change
// what the configuration says.
func newApp(t *testing.T, more func(*configs.App), urls ...string) *App {
	t.Helper()
	c := &configs.App{Name: "a", Host: configs.HostKeep, Connect: 2 * time.Second, Response: 5 * time.Second}
	for _, s := range urls {
		u, err := configs.ParseUpstream(s)
		if err != nil {
			t.Fatalf("%s %v", s, err)
		}
		c.Upstreams = append(c.Upstreams, u)
	}
	if more != nil {
		more(c)
	}
	a := FromConfig(c)
	t.Cleanup(a.Close)
	return a
}

// ask sends a GET, and once more if the connection turned out to be stale. It returns
// the status of the answer and the connection's peer.
func ask(a *App) (status int, peer string, err error) {
	var tried Tried
	for fresh := false; ; fresh = true {
		c, err := a.Acquire(context.Background(), nil, time.Now(), &tried, fresh)
		if err != nil {
			return 0, "", err
		}
		peer = c.sock.RemoteAddr().String()
		c.Ask([]byte("GET / HTTP/1.1\r\nHost: h\r\n\r\n"))
		if status, err = finish(c); err == nil {
			c.Release(true)
			return status, peer, nil
		}
		stale := c.Reused() && c.asked == 0 && !c.Answered()
		tried.Untry(a, c)
		c.Discard(errors.Is(err, ErrClosed))
		if !stale {
			return 0, peer, err
		}
	}
}

// finish reads a whole answer.
func finish(c *Conn) (int, error) {
	h, err := c.ReadHead([]byte("GET"), nobody{})
	if err != nil {
		return 0, err
	}
	status := h.Status
	c.StreamBody(false)
	for {
		if _, err := c.Body().Next(); err == io.EOF {
			return status, nil
		} else if err != nil {
			return 0, BodyError(err)
		}
	}
}

// server is an app behind a listener. It plays serve for each connection.
type server struct {
	net.Listener
	opened atomic.Int32
}

func (s *server) url(scheme string) string { return scheme + "://" + s.Addr().String() }

// listen serves a real socket until the test ends.
func listen(t *testing.T, network, address string, serve func(net.Conn)) *server {
	t.Helper()
	ln, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{Listener: ln}
	done := make(chan struct{})
	go func() {
		defer close(done)
		var conns []chan struct{}
		for {
			nc, err := ln.Accept()
			if err != nil {
				break
			}
			s.opened.Add(1)
			_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
			ended := make(chan struct{})
			conns = append(conns, ended)
			go func() {
				defer close(ended)
				defer nc.Close()
				serve(nc)
			}()
		}
		for _, c := range conns {
			<-c
		}
	}()
	t.Cleanup(func() { _ = ln.Close(); <-done })
	return s
}

const okAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// readHeads calls each for every request head that arrives, until it returns false.
func readHeads(nc net.Conn, each func(head string) bool) {
	var buf []byte
	p := make([]byte, 4096)
	for {
		n, err := nc.Read(p)
		buf = append(buf, p[:n]...)
		for {
			i := strings.Index(string(buf), "\r\n\r\n")
			if i < 0 {
				break
			}
			head := string(buf[:i+4])
			buf = buf[i+4:]
			if !each(head) {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// answerAll answers every request the same.
func answerAll(answer string) func(net.Conn) {
	return func(nc net.Conn) {
		readHeads(nc, func(string) bool { _, err := io.WriteString(nc, answer); return err == nil })
	}
}

// authority is a certificate authority of a test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	key, der := sign(t, template, nil, nil)
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

func sign(t *testing.T, template, parent *x509.Certificate, by *ecdsa.PrivateKey) (*ecdsa.PrivateKey, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if parent == nil {
		parent, by = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	return key, der
}

// issue makes a certificate for names and addresses that is good until a time.
func (ca *authority) issue(t *testing.T, until time.Time, names ...string) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "app"},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: until, KeyUsage: x509.KeyUsageDigitalSignature}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	key, der := sign(t, template, ca.cert, ca.key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// trusting makes an app trust the authority.
func (ca *authority) trusting(c *configs.App) {
	c.TLS.CA, c.TLS.Authorities = "ca.pem", ca.pem
}

// overTLS serves over TLS. shook, if not nil, sees the state of each connection.
func overTLS(config *tls.Config, shook func(tls.ConnectionState), serve func(net.Conn)) func(net.Conn) {
	return func(nc net.Conn) {
		c := tls.Server(nc, config)
		if c.Handshake() != nil {
			return
		}
		if shook != nil {
			shook(c.ConnectionState())
		}
		serve(c)
	}
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within ten seconds: %s", what)
		}
	}
}

// deafAddr is the address of a listener that answers no SYN: its queue is full.
func deafAddr(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(sa.(*syscall.SockaddrInet4).Port))
	for range 16 {
		nc, err := net.DialTimeout("tcp", addr, 100*time.Millisecond)
		if err != nil {
			return addr
		}
		t.Cleanup(func() { _ = nc.Close() })
	}
	t.Skip("this kernel takes connections beyond the queue")
	return ""
}
