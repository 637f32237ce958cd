package tlsgate

import (
	"crypto/tls"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/tls/tlstest"
)

func authority(t testing.TB) *tlstest.Authority {
	t.Helper()
	ca, err := tlstest.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

// files writes a pair into a folder of its own.
func files(t testing.TB, p tlstest.Pair) Files {
	t.Helper()
	dir := t.TempDir()
	f := Files{Cert: filepath.Join(dir, "x.pem"), Key: filepath.Join(dir, "x.key")}
	if err := p.Write(f.Cert, f.Key); err != nil {
		t.Fatal(err)
	}
	return f
}

func issue(t testing.TB, ca *tlstest.Authority, hosts ...string) Files {
	t.Helper()
	p, err := ca.Issue(hosts...)
	if err != nil {
		t.Fatal(err)
	}
	return files(t, p)
}

// names is a gate for the tests: names and their certificates.
type names map[string]*Certificate

func (n names) gate() *Gate { return NewGate(func(name string) *Certificate { return n[name] }) }

// add issues a certificate for the hosts and has the gate serve it.
func (n names) add(t testing.TB, g *Gate, ca *tlstest.Authority, hosts ...string) *Certificate {
	t.Helper()
	p, err := Load(issue(t, ca, hosts...))
	if err != nil {
		t.Fatal(err)
	}
	c := g.Certificate(p, hosts, time.Now())
	for _, h := range hosts {
		n[h] = c
	}
	return c
}

// served is what came of a connection on the side of the server.
type served struct {
	conn *Conn
	err  error
}

// serve accepts connections of a real socket, shakes hands and gives them to do, which
// may be nil. It returns the address, and what came of each connection.
func serve(t testing.TB, g *Gate, do func(*Conn)) (addr string, results <-chan served) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	out := make(chan served, 1000)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			c := g.Server(nc)
			_ = c.SetDeadline(time.Now().Add(10 * time.Second))
			err = c.Handshake()
			out <- served{c, err}
			if err == nil && do != nil {
				do(c)
			}
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = ln.Close(); <-done })
	return ln.Addr().String(), out
}

// dial connects and shakes hands as a client.
func dial(t testing.TB, addr string, cfg *tls.Config) (*tls.Conn, error) {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
	c := tls.Client(nc, cfg)
	return c, c.Handshake()
}
