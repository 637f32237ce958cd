package edgetest

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// With HOLDFAST_TLS=1 every edge of a test is reached over TLS, and the test does not
// notice: Addr is a port of the test's own that passes every byte on through a TLS
// client, half-closes and resets included. What a suite shows about plain HTTP/1.1 it
// then shows about HTTP/1.1 over TLS.

// OverTLS reports whether HOLDFAST_TLS is set.
func OverTLS() bool { return os.Getenv("HOLDFAST_TLS") != "" }

// Scheme is how the clients of a test reach the edge.
func Scheme() string {
	if OverTLS() {
		return "https"
	}
	return "http"
}

// Listens is the address that the edge itself listens on.
func (e *Edge) Listens() string {
	if e.over != nil {
		return e.over.target
	}
	return e.Addr
}

// A wrapper puts TLS between a test and its edge.
type wrapper struct {
	ca     *Authority
	target string // the edge

	mu   sync.Mutex
	name string // for the handshake
}

// wrap opens the port. The edge has to listen on target.
func wrap(t testing.TB, target string) (w *wrapper, addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w = &wrapper{ca: NewAuthority(t), target: target}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			go w.pass(nc.(*net.TCPConn))
		}
	}()
	return w, ln.Addr().String()
}

var (
	hostsOf = regexp.MustCompile(`(?m)^(.*?)\bhosts: \[([^\]]*)\]`)
	listen  = regexp.MustCompile(`listen: \{http: ADDR\}`)
)

// config gives every site of a configuration a certificate: the same one, so that any
// connection may carry any host.
func (w *wrapper) config(t testing.TB, text string) string {
	t.Helper()
	var hosts []string
	for _, m := range hostsOf.FindAllStringSubmatch(text, -1) {
		for h := range strings.SplitSeq(m[2], ",") {
			h = strings.Trim(strings.TrimSpace(h), `"'`)
			if _, err := netip.ParseAddr(strings.Trim(h, "[]")); err != nil {
				hosts = append(hosts, strings.ToLower(h))
			}
		}
	}
	w.mu.Lock()
	for _, h := range hosts {
		if !strings.HasPrefix(h, "*") && (w.name == "" || !strings.Contains(text, w.name)) {
			w.name = h
		}
	}
	w.mu.Unlock()
	certificate := "certificate: " + w.ca.Certificate(t, "all", hosts...)
	text = hostsOf.ReplaceAllStringFunc(text, func(m string) string {
		before, _, _ := strings.Cut(m, "hosts:")
		if strings.Contains(before, "{") {
			return m + ", " + certificate + ", https_redirect: false"
		}
		indent := "\n" + strings.Map(func(r rune) rune { return ' ' }, before)
		return m + indent + certificate + indent + "https_redirect: false"
	})
	return listen.ReplaceAllString(text, "listen: {https: ADDR}")
}

// pass connects a client of the test with the edge.
func (w *wrapper) pass(client *net.TCPConn) {
	defer client.Close()
	nc, err := net.Dial("tcp", w.target)
	if err != nil {
		_ = client.SetLinger(0) // refused
		return
	}
	defer nc.Close()
	w.mu.Lock()
	name := w.name
	w.mu.Unlock()
	edge := tls.Client(nc, &tls.Config{ServerName: name, RootCAs: w.ca.Pool()})
	if err := edge.Handshake(); err != nil {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if _, err := io.Copy(edge, client); err != nil && !errors.Is(err, net.ErrClosed) {
			_ = nc.(*net.TCPConn).SetLinger(0)
			_ = nc.Close()
			return
		}
		_ = edge.CloseWrite()
		_ = nc.(*net.TCPConn).CloseWrite()
	}()
	if _, err := io.Copy(client, edge); err != nil {
		_ = client.SetLinger(0)
		_ = client.Close()
	}
	_ = client.CloseWrite()
	<-done
}
