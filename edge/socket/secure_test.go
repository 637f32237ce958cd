package socket

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/tls/tlstest"
)

// crumbs is a connection whose writes leave in pieces.
type crumbs struct {
	net.Conn
	size int
}

func (c *crumbs) Write(p []byte) (n int, err error) {
	for n < len(p) {
		m, err := c.Conn.Write(p[n:min(n+c.size, len(p))])
		if n += m; err != nil {
			return n, err
		}
		time.Sleep(20 * time.Microsecond)
	}
	return n, nil
}

// securePair is a driven TLS connection as the edge has it, and its peer, whose
// records leave in pieces of a size; 0: whole.
func securePair(t *testing.T, size int) (*Conn, *tls.Conn) {
	t.Helper()
	ca, err := tlstest.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	made, err := ca.Issue("a.test")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := tls.X509KeyPair(made.Cert, made.Key)
	if err != nil {
		t.Fatal(err)
	}
	c, nc := pair(t)
	far := net.Conn(nc)
	if size > 0 {
		far = &crumbs{nc, size}
	}
	peer := tls.Client(far, &tls.Config{ServerName: "a.test", RootCAs: ca.Pool()})
	shaken := make(chan error)
	go func() { shaken <- peer.Handshake() }()
	server := tls.Server(c.Transport(), &tls.Config{Certificates: []tls.Certificate{cert}})
	if err := server.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-shaken; err != nil {
		t.Fatal(err)
	}
	c.SecureDriven(server)
	return c, peer
}

// TestDriveSecured: over TLS nothing is missed either, however records and segments
// fall, and the wait ends as without TLS.
func TestDriveSecured(t *testing.T) {
	long := bytes.Repeat([]byte("0123456789abcdef"), 8192) // several records
	below := func(p *tls.Conn) *net.TCPConn {
		if c, ok := p.NetConn().(*crumbs); ok {
			return c.Conn.(*net.TCPConn)
		}
		return p.NetConn().(*net.TCPConn)
	}
	for _, test := range []struct {
		name string
		size int
		peer func(*tls.Conn)
		want string
		end  error // nil: any
	}{
		{"a record, then the end", 0, func(p *tls.Conn) {
			_, _ = p.Write([]byte("hello"))
			time.Sleep(50 * time.Millisecond)
			_ = p.CloseWrite()
		}, "hello", io.EOF},
		{"a record and the end at once", 0, func(p *tls.Conn) {
			_, _ = p.Write([]byte("hello"))
			_ = p.CloseWrite()
		}, "hello", io.EOF},
		{"many records at once", 0, func(p *tls.Conn) { _, _ = p.Write(long); _ = p.CloseWrite() }, string(long), io.EOF},
		{"tiny records", 0, func(p *tls.Conn) {
			for _, b := range long[:300] {
				_, _ = p.Write([]byte{b})
			}
			_ = p.CloseWrite()
		}, string(long[:300]), io.EOF},
		{"records in pieces", 7, func(p *tls.Conn) { _, _ = p.Write(long[:2000]); _ = p.CloseWrite() }, string(long[:2000]), io.EOF},
		{"byte by byte", 1, func(p *tls.Conn) { _, _ = p.Write(long[:100]); _ = p.CloseWrite() }, string(long[:100]), io.EOF},
		{"the end without a word", 0, func(p *tls.Conn) {
			_, _ = p.Write([]byte("hello"))
			time.Sleep(50 * time.Millisecond)
			_ = below(p).CloseWrite()
		}, "hello", io.EOF},
		{"cut in a record", 0, func(p *tls.Conn) {
			_, _ = p.Write([]byte("hello"))
			time.Sleep(50 * time.Millisecond)
			_, _ = below(p).Write([]byte{23, 3, 3, 0, 50, 1, 2, 3})
			time.Sleep(50 * time.Millisecond)
			_ = below(p).CloseWrite()
		}, "hello", io.ErrUnexpectedEOF},
		{"RST", 0, func(p *tls.Conn) {
			_, _ = p.Write([]byte("x"))
			time.Sleep(50 * time.Millisecond)
			_ = below(p).SetLinger(0)
			_ = below(p).Close()
		}, "x", nil},
		{"silence", 0, func(p *tls.Conn) { _, _ = p.Write([]byte("x")) }, "x", os.ErrDeadlineExceeded},
		{"silence in a record", 0, func(p *tls.Conn) { _, _ = below(p).Write([]byte{23, 3, 3, 0, 50, 1}) }, "", os.ErrDeadlineExceeded},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, peer := securePair(t, test.size)
			_ = c.SetReadDeadline(time.Now().Add(2 * time.Second))
			go test.peer(peer)
			got, err := reads(c)
			if string(got) != test.want {
				t.Errorf("read %d bytes, want %d", len(got), len(test.want))
			}
			if err == nil || test.end != nil && !errors.Is(err, test.end) {
				t.Errorf("ended with %v, want %v", err, test.end)
			}
		})
	}
}

// A deadline between two parts of a record loses nothing: the connection is waited for
// elsewhere and goes on.
func TestSecuredGoesOn(t *testing.T) {
	c, peer := securePair(t, 3)
	go func() {
		for range 20 {
			_, _ = peer.Write([]byte("0123456789"))
			time.Sleep(5 * time.Millisecond)
		}
	}()
	var got []byte
	buf := make([]byte, 64)
	for end := time.Now().Add(10 * time.Second); len(got) < 200 && time.Now().Before(end); {
		_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
		err := c.Drive(func() bool {
			n, again, err := c.TryRead(buf)
			got = append(got, buf[:n]...)
			return err != nil || !again && len(got) >= 200
		})
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(got, bytes.Repeat([]byte("0123456789"), 20)) {
		t.Errorf("%q", got)
	}
	// Outside Drive it waits like any connection.
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	go func() { _, _ = peer.Write([]byte("late")) }()
	if n, err := c.Read(buf); err != nil || string(buf[:n]) != "late" {
		t.Errorf("%q, %v", buf[:n], err)
	}
	// Answers leave inside the step, whatever their size.
	text := bytes.Repeat([]byte("y"), 4<<20)
	all := make(chan []byte)
	go func() { b, _ := io.ReadAll(peer); all <- b }()
	if err := c.Drive(func() bool { _, err := c.WriteNow(text); return err == nil }); err != nil {
		t.Error(err)
	}
	_ = c.CloseWrite()
	if !bytes.Equal(<-all, text) {
		t.Error("other bytes arrived")
	}
}
