package resend

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-edge/holdfast/accesslog"
	"github.com/holdfast-edge/holdfast/configs"
	"github.com/holdfast-edge/holdfast/replay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rawApp answers each connection with serve and tells what it read.
func rawApp(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_ = c.SetDeadline(time.Now().Add(10 * time.Second))
			serve(c)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = ln.Close(); <-done })
	return ln.Addr().String()
}

func newSender(t *testing.T, addr string) *Sender {
	s := New(&configs.Config{Apps: []configs.App{{Name: "a", Connect: time.Second, Response: 300 * time.Millisecond,
		Upstreams: []configs.Upstream{{Address: addr, URL: "http://" + addr}}}}})
	t.Cleanup(s.Close)
	return s
}

var testID, _ = accesslog.ParseID("01M846KQ4T00040000")

func request(head, body, trailer string) *replay.Request {
	return &replay.Request{ID: testID, Attempt: 2, RecordedAt: time.Date(2026, 11, 23, 1, 2, 3, 4, time.UTC),
		Payload: &accesslog.Opened{Client: netip.MustParseAddrPort("192.0.2.9:1234"), Scheme: "https",
			Head: []byte(head), Trailer: []byte(trailer), Body: io.NopCloser(strings.NewReader(body)), Bytes: int64(len(body))}}
}

func committed() error { return nil }

func TestSendIsExact(t *testing.T) {
	big := strings.Repeat("0123456789", 30000)
	const tail = "X-Forwarded-For: 192.0.2.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: h\r\nX-Request-Id: 01M846KQ4T00040000\r\n" +
		"Idempotency-Key: 01M846KQ4T00040000\r\nX-Edge-Replay: id=01M846KQ4T00040000; recorded-at=2026-11-23T01:02:03.000000004Z; attempt=2\r\n"
	tests := []struct{ name, head, body, trailer, want string }{
		{"small", "POST /a%2Fb?c HTTP/1.1\r\nhost: h\r\nB: 1\r\nA: \xff\r\nContent-Length: 2\r\nConnection: close\r\n\r\n", "hi", "",
			"POST /a%2Fb?c HTTP/1.1\r\nhost: h\r\nB: 1\r\nA: \xff\r\n" + tail + "Content-Length: 2\r\n\r\nhi"},
		{"large", "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 300000\r\n\r\n", big, "",
			"PUT / HTTP/1.1\r\nHost: h\r\n" + tail + "Content-Length: 300000\r\n\r\n" + big},
		{"was chunked", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", "hi", "",
			"POST / HTTP/1.1\r\nHost: h\r\n" + tail + "Content-Length: 2\r\n\r\nhi"},
		{"trailers", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n", "hi", "X-T: 1\r\n",
			"POST / HTTP/1.1\r\nHost: h\r\nTrailer: X-T\r\n" + tail + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-T: 1\r\n\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := make(chan string, 1)
			addr := rawApp(t, func(c net.Conn) {
				p := make([]byte, len(tt.want))
				n, _ := io.ReadFull(c, p)
				got <- string(p[:n])
				_, _ = io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
			})
			a, err := newSender(t, addr).Send(t.Context(), replay.Destination{App: "a"}, request(tt.head, tt.body, tt.trailer), committed)
			if err != nil || a.Status != 201 || a.Upstream != "http://"+addr {
				t.Errorf("%+v %v", a, err)
			}
			if g := <-got; g != tt.want {
				t.Errorf("the app got\n%.600q\nwant\n%.600q", g, tt.want)
			}
		})
	}
}

func TestSendErrors(t *testing.T) {
	const head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n"
	readOne := func(c net.Conn) {
		if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			_, _ = io.Copy(io.Discard, r.Body)
		}
	}
	errDisk := errors.New("no ledger")
	tests := []struct {
		name      string
		serve     func(net.Conn) // nil: nobody listens
		head      string
		committed func() error
		want      error
		calls     int
	}{
		{"refused", nil, head, committed, replay.ErrNotSent, 0},
		{"closed without an answer", readOne, head, committed, replay.ErrUnknown, 1},
		{"cut in the head of the answer", func(c net.Conn) { readOne(c); _, _ = io.WriteString(c, "HTTP/1.1 20") }, head, committed, replay.ErrUnknown, 1},
		{"malformed answer", func(c net.Conn) { readOne(c); _, _ = io.WriteString(c, "hello\r\n\r\n") }, head, committed, replay.ErrUnknown, 1},
		{"no answer in time", func(c net.Conn) { readOne(c); time.Sleep(time.Second) }, head, committed, replay.ErrUnknown, 1},
		{"the intent cannot be written", readOne, head, func() error { return errDisk }, errDisk, 1},
		{"a head that is no request", readOne, "POST  / HTTP/1.1\r\n\r\n", committed, replay.ErrUnsendable, 0},
		{"half a head", readOne, "POST / HTTP/1.1\r\nHost: h\r\n", committed, replay.ErrUnsendable, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			addr := "127.0.0.1:1"
			if tt.serve != nil {
				addr = rawApp(t, tt.serve)
			}
			calls := 0
			_, err := newSender(t, addr).Send(t.Context(), replay.Destination{App: "a"}, request(tt.head, "hi", ""),
				func() error { calls++; return tt.committed() })
			if !errors.Is(err, tt.want) || calls != tt.calls {
				t.Errorf("%v, committed called %d times", err, calls)
			}
		})
	}
}

// Nothing is sent before the intent is on disk.
func TestNothingBeforeTheIntent(t *testing.T) {
	first := make(chan int, 1)
	addr := rawApp(t, func(c net.Conn) {
		_ = c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		n, _ := c.Read(make([]byte, 100))
		first <- n
	})
	errNo := errors.New("no")
	_, err := newSender(t, addr).Send(t.Context(), replay.Destination{URL: "http://" + addr}, request("POST / HTTP/1.1\r\nHost: h\r\n\r\n", "", ""),
		func() error { return errNo })
	if n := <-first; n != 0 || !errors.Is(err, errNo) {
		t.Errorf("%d bytes left before the intent, %v", n, err)
	}
}

// A damaged payload never reaches an app as a whole request.
func TestDamagedPayload(t *testing.T) {
	got := make(chan int, 1)
	addr := rawApp(t, func(c net.Conn) {
		n, _ := io.Copy(io.Discard, c)
		got <- int(n)
	})
	r := request("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 300000\r\n\r\n", strings.Repeat("x", 300000), "")
	r.Payload.Body = io.NopCloser(io.MultiReader(bytes.NewReader(make([]byte, 200000)), badReader{}))
	_, err := newSender(t, addr).Send(t.Context(), replay.Destination{App: "a"}, r, committed)
	if n := <-got; !errors.Is(err, replay.ErrUnknown) || n >= 300000 {
		t.Errorf("%v, the app got %d bytes", err, n)
	}
}

type badReader struct{}

func (badReader) Read([]byte) (int, error) { return 0, accesslog.ErrPayload }

func TestSendIsCancelled(t *testing.T) {
	addr := rawApp(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	s := New(&configs.Config{Apps: []configs.App{{Name: "a", Connect: time.Second, Response: time.Minute,
		Upstreams: []configs.Upstream{{Address: addr, URL: "x"}}}}})
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := s.Send(ctx, replay.Destination{App: "a"}, request("POST / HTTP/1.1\r\nHost: h\r\n\r\n", "", ""), committed)
	if !errors.Is(err, replay.ErrUnknown) {
		t.Error(err)
	}
}

// A replayed request leaves the way a live one does, to any kind of upstream.
func TestSendToAnyUpstream(t *testing.T) {
	certificate, ca := certificateFor(t, "127.0.0.1")
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, ca, 0o600); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(t.TempDir(), "app.sock")
	heads := make(chan string, 1)
	serve := func(nc net.Conn) {
		r, err := http.ReadRequest(bufio.NewReader(nc))
		if err != nil {
			return
		}
		body, _ := io.ReadAll(r.Body)
		heads <- fmt.Sprint(r.Host, " ", r.Header.Get("X-Forwarded-Host"), " ", r.Header.Get("X-Edge-Replay") != "", " ", string(body))
		_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	}
	addr := rawApp(t, func(nc net.Conn) {
		c := tls.Server(nc, &tls.Config{Certificates: []tls.Certificate{certificate}})
		serve(c)
		_ = c.Close()
	})
	unix, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for c, err := unix.Accept(); err == nil; c, err = unix.Accept() {
			serve(c)
			_ = c.Close()
		}
	}()
	defer func() { _ = unix.Close(); <-done }()

	config := fmt.Sprintf(`listen: {http: ":8080"}
apps:
  tls: {upstreams: ["https://%[1]s"], tls: {ca: %[2]s}}
  tls-upstream: {upstreams: ["https://%[1]s"], tls: {ca: %[2]s}, host: upstream}
  unix-upstream: {upstreams: ["unix:%[3]s"], host: upstream}
  unix-name: {upstreams: ["unix:%[3]s"], host: app.internal}
  untrusted: {upstreams: ["https://%[1]s"]}
sites: []
`, addr, file, socket)
	path := filepath.Join(t.TempDir(), "edge.yaml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := configs.Load(path, configs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	// As a running edge hands it over: the file of the authority is not in it.
	live, err := configs.Load(path, configs.Options{Sources: cfg.Sources, Env: cfg.Env})
	if err != nil {
		t.Fatal(err)
	}
	if live.App("tls").TLS.Authorities != nil {
		t.Error("the disk was looked at")
	}
	tests := []struct {
		to       replay.Destination
		upstream string
		want     string // "": not sent
	}{
		{replay.Destination{App: "tls"}, "https://" + addr, "h.test h.test true hi"},
		{replay.Destination{App: "tls-upstream"}, "https://" + addr, addr + " h.test true hi"},
		{replay.Destination{App: "unix-upstream"}, "unix:" + socket, "localhost h.test true hi"},
		{replay.Destination{App: "unix-name"}, "unix:" + socket, "app.internal h.test true hi"},
		{replay.Destination{URL: "unix:" + socket}, "unix:" + socket, "h.test h.test true hi"},
		{replay.Destination{URL: "https://" + addr}, "https://" + addr, "h.test h.test true hi"}, // verified as app tls is
		{replay.Destination{App: "untrusted"}, "", ""},
		{replay.Destination{URL: "h2c://" + addr}, "", ""},
	}
	for _, c := range []*configs.Config{cfg, live} {
		s := New(c)
		for _, tt := range tests {
			a, err := s.Send(t.Context(), tt.to, request("POST / HTTP/1.1\r\nHost: h.test\r\nContent-Length: 2\r\n\r\n", "hi", ""), committed)
			if tt.want == "" {
				if !errors.Is(err, replay.ErrNotSent) {
					t.Errorf("%v: %v", tt.to, err)
				}
				continue
			}
			if err != nil || a.Status != 200 || a.Upstream != tt.upstream {
				t.Errorf("%v: %+v %v", tt.to, a, err)
			} else if got := <-heads; got != tt.want {
				t.Errorf("%v: the app got %q, want %q", tt.to, got, tt.want)
			}
		}
		s.Close()
	}
}

// certificateFor makes a certificate for an address that is its own authority.
func certificateFor(t *testing.T, ip string) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.ParseIP(ip)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
