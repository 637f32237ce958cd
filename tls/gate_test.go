package tlsgate

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// recorder keeps what a client receives, as it was on the wire.
type recorder struct {
	net.Conn
	got bytes.Buffer
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	r.got.Write(p[:n])
	return n, err
}

// alert is the whole of a fatal unrecognized_name in clear (RFC 8446, sections 5.1 and 6;
// RFC 6066, section 3), whatever minor version the record has.
func isUnrecognizedName(wire []byte) bool {
	return len(wire) == 7 && wire[0] == 21 && wire[1] == 3 && bytes.Equal(wire[3:], []byte{0, 2, 2, 112})
}

// TestNoGuessing: who names no host that has a certificate gets the alert and not one
// byte more, in both versions, and the server knows what was asked for.
func TestNoGuessing(t *testing.T) {
	ca, n := authority(t), names{}
	g := n.gate()
	n.add(t, g, ca, "a.test")
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, name := range []string{"", "b.test", "x.a.test", "a.test.b.test", "A.TEST", strings.Repeat("a", 60) + ".test"} {
			addr, results := serve(t, g, nil)
			nc, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
			rec := &recorder{Conn: nc}
			err = tls.Client(rec, &tls.Config{ServerName: name, InsecureSkipVerify: true, MinVersion: version, MaxVersion: version}).Handshake()
			if err == nil || !strings.Contains(err.Error(), "unrecognized name") {
				t.Errorf("%x %q: %v", version, name, err)
			}
			_, _ = io.Copy(io.Discard, rec)
			if !isUnrecognizedName(rec.got.Bytes()) {
				t.Errorf("%x %q: on the wire: % x", version, name, rec.got.Bytes())
			}
			var refused *RefusedError
			if r := <-results; !errors.As(r.err, &refused) || refused.Name != name {
				t.Errorf("%x %q: the server says %v", version, name, r.err)
			}
			_ = nc.Close()
		}
	}
	addr, results := serve(t, g, nil)
	c, err := dial(t, addr, &tls.Config{ServerName: "a.test", RootCAs: ca.Pool()})
	if err != nil {
		t.Fatal(err)
	}
	if r := <-results; r.err != nil {
		t.Fatal(r.err)
	} else if name, version := r.conn.Session(); name != "a.test" || version != "1.3" {
		t.Errorf("session: %q %q", name, version)
	}
	_ = c.Close()
}

// TestVersionsAndProtocols: TLS 1.2 at least, HTTP/1 only.
func TestVersionsAndProtocols(t *testing.T) {
	ca, n := authority(t), names{}
	g := n.gate()
	n.add(t, g, ca, "a.test")
	for _, test := range []struct {
		name     string
		most     uint16
		offer    []string
		proto    string
		version  string
		fails    string
		insecure bool
	}{
		{name: "latest", version: "1.3"},
		{name: "1.2", most: tls.VersionTLS12, version: "1.2"},
		{name: "1.1", most: tls.VersionTLS11, fails: "protocol version not supported"},
		{name: "http/1.1", offer: []string{"http/1.1"}, proto: "http/1.1", version: "1.3"},
		{name: "http/1.0", offer: []string{"http/1.0"}, proto: "http/1.0", version: "1.3"},
		{name: "a browser", offer: []string{"h2", "http/1.1"}, proto: "http/1.1", version: "1.3"},
		{name: "HTTP/2 only", offer: []string{"h2"}, fails: "no application protocol"},
	} {
		t.Run(test.name, func(t *testing.T) {
			addr, results := serve(t, g, nil)
			c, err := dial(t, addr, &tls.Config{ServerName: "a.test", RootCAs: ca.Pool(), MinVersion: tls.VersionTLS10,
				MaxVersion: test.most, NextProtos: test.offer})
			if test.fails != "" {
				if err == nil || !strings.Contains(err.Error(), test.fails) {
					t.Errorf("%v, want %s", err, test.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := c.ConnectionState().NegotiatedProtocol; got != test.proto {
				t.Errorf("protocol %q", got)
			}
			if _, version := (<-results).conn.Session(); version != test.version {
				t.Errorf("version %q", version)
			}
		})
	}
}

// oneSession is a client's cache that offers what it has to every server.
type oneSession struct{ s *tls.ClientSessionState }

func (o *oneSession) Get(string) (*tls.ClientSessionState, bool) { return o.s, o.s != nil }
func (o *oneSession) Put(_ string, s *tls.ClientSessionState) {
	if s != nil {
		o.s = s
	}
}

// TestResumption: tickets work, also after a reload, and only under the certificate that
// they were given under. No ticket leads past the gate.
func TestResumption(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			ca, n := authority(t), names{}
			g := n.gate()
			first := n.add(t, g, ca, "a.test", "also.a.test")
			n.add(t, g, ca, "b.test")
			addr, _ := serve(t, g, func(c *Conn) { _, _ = c.Write([]byte("x")) })
			cache := &oneSession{}
			// visit shakes hands and reads a byte: tickets of TLS 1.3 come after the handshake.
			visit := func(name string) (resumed bool, err error) {
				t.Helper()
				c, err := dial(t, addr, &tls.Config{ServerName: name, InsecureSkipVerify: true,
					MinVersion: version, MaxVersion: version, ClientSessionCache: cache})
				if err != nil {
					return false, err
				}
				defer c.Close()
				if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
					t.Fatal(err)
				}
				state := c.ConnectionState()
				if leaf := state.PeerCertificates[0]; leaf.VerifyHostname(name) != nil && !state.DidResume {
					t.Errorf("%s was shown %v", name, leaf.DNSNames)
				}
				return state.DidResume, nil
			}
			expect := func(what, name string, want bool) {
				t.Helper()
				if got, err := visit(name); err != nil || got != want {
					t.Errorf("%s: resumed %v, %v", what, got, err)
				}
			}
			expect("the first time", "a.test", false)
			expect("the second time", "a.test", true)
			expect("another name of the certificate", "also.a.test", true)
			ofA := cache.s

			if _, err := visit("unknown.test"); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
				t.Errorf("an unknown name with a ticket: %v", err)
			}
			cache.s = ofA
			if _, err := visit(""); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
				t.Errorf("no name, with a ticket: %v", err)
			}
			cache.s = ofA
			expect("a ticket of another certificate", "b.test", false)

			// A reload reads the same files again.
			again := g.Certificate(first.Pair(), []string{"a.test"}, time.Now())
			n["a.test"] = again
			cache.s = ofA
			expect("after a reload", "a.test", true)

			// A new certificate is shown to everybody.
			cache.s = ofA
			n.add(t, g, ca, "a.test")
			expect("after a renewal", "a.test", false)
		})
	}
}

// TestPlainHTTP: what a client said in clear is not lost, however it was cut.
func TestPlainHTTP(t *testing.T) {
	g := names{}.gate()
	for _, cut := range []int{1, 3, 5, 18, 700} {
		text := "POST /visit?x=1 HTTP/1.1\r\nHost: a.test\r\nX: " + strings.Repeat("y", 800) + "\r\n\r\n"
		got := make(chan string, 1)
		addr, results := serve(t, g, func(c *Conn) {
			p := make([]byte, len(text))
			_, _ = io.ReadFull(c, p)
			got <- string(p)
			_, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			_ = c.CloseWrite()
		})
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(nc, text[:cut])
		time.Sleep(10 * time.Millisecond)
		_, _ = io.WriteString(nc, text[cut:])
		if r := <-results; r.err != nil {
			t.Fatal(r.err)
		} else if name, version := r.conn.Session(); name != "" || version != "" {
			t.Errorf("session %q %q", name, version)
		}
		if s := <-got; s != text {
			t.Errorf("cut at %d: %q", cut, s)
		}
		if answer, err := io.ReadAll(nc); err != nil || string(answer) != "HTTP/1.1 400 Bad Request\r\n\r\n" {
			t.Errorf("%q, %v", answer, err)
		}
		_ = nc.Close()
	}
	for _, noise := range []string{"\x00\x01\x02\x03\x04\x05", "\x80\x2e\x01\x03\x01\x00", "SSH", "\x16\x03\x01\xff\xff", "\x16\x03\x01\x00\x05hello", "get / http"} {
		addr, results := serve(t, g, nil)
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(nc, noise)
		_ = nc.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, nc)
		if r := <-results; r.err == nil {
			t.Errorf("%q was taken for a handshake", noise)
		}
		_ = nc.Close()
	}
}

// TestEnds: an orderly end says so, and one that was broken off does not.
func TestEnds(t *testing.T) {
	ca, n := authority(t), names{}
	g := n.gate()
	n.add(t, g, ca, "a.test")
	for _, orderly := range []bool{true, false} {
		more := make(chan string, 1)
		addr, _ := serve(t, g, func(c *Conn) {
			_, _ = c.Write([]byte("answer"))
			if orderly {
				_ = c.CloseWrite()
				p := make([]byte, 10)
				k, _ := c.Read(p) // the other direction is still open
				more <- string(p[:k])
			}
		})
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
		rec := &recorder{Conn: nc}
		c := tls.Client(rec, &tls.Config{ServerName: "a.test", RootCAs: ca.Pool()})
		text, _ := io.ReadAll(c)
		if string(text) != "answer" {
			t.Errorf("%q", text)
		}
		// A sealed alert has 2 bytes, a byte for its type and a tag of 16.
		wire := rec.got.Bytes()
		closed := bytes.HasPrefix(wire[len(wire)-24:], []byte{23, 3, 3, 0, 19})
		if closed != orderly {
			t.Errorf("orderly %v, close_notify %v", orderly, closed)
		}
		if orderly {
			_, _ = c.Write([]byte("more"))
			if s := <-more; s != "more" {
				t.Errorf("after its end the server reads %q", s)
			}
		}
	}
}
