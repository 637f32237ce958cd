package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/holdfast-edge/holdfast/configs"
	"github.com/holdfast-edge/holdfast/edge/socket"
)

const (
	// maxSessions is how many upstreams of an app have a TLS session to resume.
	maxSessions = configs.MaxUpstreams
	// byeTime is how long the end of a TLS connection may take to say.
	byeTime = 50 * time.Millisecond
)

// TLSError says why an upstream is not spoken to over TLS: it could not prove who it
// is, or does not speak it. Nothing was sent.
type TLSError struct {
	Upstream string // as the configuration writes it
	Err      error
	hint     string
}

func (e *TLSError) Error() string { return "TLS with " + e.Upstream + ": " + e.Err.Error() }
func (e *TLSError) Unwrap() error { return e.Err }

// Hint says what to do.
func (e *TLSError) Hint() string { return e.hint }

// secure is how an endpoint is spoken to over TLS.
type secure struct {
	upstream string
	config   *tls.Config
	broken   error // of the configuration: nothing can be trusted
}

// newSecure makes the TLS settings of an app's https upstreams; all share one cache of
// sessions, which belongs to the app because its trust does.
func newSecure(c *configs.AppTLS, upstream, host string, sessions tls.ClientSessionCache) *secure {
	s := &secure{upstream: upstream, config: &tls.Config{
		ServerName: host, NextProtos: []string{"http/1.1"}, ClientSessionCache: sessions,
	}}
	if c.ServerName != "" {
		s.config.ServerName = c.ServerName
	}
	if c.CA == "" {
		return s
	}
	text := c.Authorities
	if text == nil { // the configuration of a running edge has the path only
		if text, s.broken = os.ReadFile(c.CA); s.broken != nil {
			return s
		}
	}
	s.config.RootCAs = x509.NewCertPool()
	if !s.config.RootCAs.AppendCertsFromPEM(text) {
		s.broken = fmt.Errorf("%s has no certificate", c.CA)
	}
	return s
}

// handshake makes a TLS connection of nc, and closes it if it can't.
func (s *secure) handshake(ctx context.Context, nc net.Conn) (*socket.Conn, error) {
	if s.broken != nil {
		_ = nc.Close()
		return nil, &TLSError{s.upstream, s.broken, "tls.ca has to be readable here too"}
	}
	sock := socket.New(nc)
	w := &wire{Conn: sock.Transport(), nc: nc}
	if sc, ok := nc.(syscall.Conn); ok {
		w.raw, _ = sc.SyscallConn() // without it nothing is looked at
	}
	w.try = func(fd uintptr) { w.n, w.err = readNow(fd, w.into) }
	c := &tlsConn{Conn: tls.Client(w, s.config), wire: w}
	err := c.HandshakeContext(ctx)
	if err == nil {
		sock.Secure(c)
		return sock, nil
	}
	_ = nc.Close()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("TLS handshake: %w", os.ErrDeadlineExceeded)
	}
	if hint := hintOf(err, s.config.ServerName); hint != "" {
		return nil, &TLSError{s.upstream, err, hint}
	}
	return nil, fmt.Errorf("TLS handshake: %w", err)
}

// hintOf says what to do about a handshake that failed, "" if the connection did.
func hintOf(err error, name string) string {
	var unknown x509.UnknownAuthorityError
	var other x509.HostnameError
	var invalid x509.CertificateInvalidError
	var unverified *tls.CertificateVerificationError
	var clear tls.RecordHeaderError
	var remote *net.OpError
	switch {
	case errors.As(err, &unknown):
		return "name the certificate of its authority: tls: {ca: FILE}"
	case errors.As(err, &other):
		return fmt.Sprintf("the certificate is not for %s: set tls: {server_name: NAME} to a name it has, or give the app another certificate", name)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "renew the certificate of the app, and check the clocks of both machines"
	case errors.As(err, &unverified):
		return "give the app a certificate that holds"
	case errors.As(err, &clear):
		return "the app does not speak TLS at this port: write http://, or name the right port"
	case errors.As(err, &remote) && remote.Op == "remote error" && strings.Contains(err.Error(), "certificate"):
		return "the app asks for a certificate of its client, which this version does not have"
	case errors.As(err, &remote) && remote.Op == "remote error", strings.HasPrefix(err.Error(), "tls: "):
		return "look at the TLS settings of the app: versions, ciphers, and that it speaks HTTP/1.1"
	}
	return ""
}

// tlsConn is a TLS connection to an upstream that can be looked at while it is idle.
type tlsConn struct {
	*tls.Conn
	wire *wire
}

// Quiet reports whether an idle connection is open and has nothing to say. What
// concerns TLS alone, such as the session tickets that TLS 1.3 sends after its
// handshake, is taken in; anything else would be taken for the next answer.
//
// The socket alone cannot tell: it may have such a ticket to read, and bytes of an
// answer nobody asked for may have been read from it already, together with the end of
// the last one. So this is a read that does not wait: it looks through what TLS
// holds, then through what the socket has.
func (c *tlsConn) Quiet() bool {
	if c.wire.raw == nil || !canReadNow {
		return true
	}
	var p [1]byte
	c.wire.polling = true
	n, err := c.Read(p[:])
	c.wire.polling = false
	return n == 0 && errors.Is(err, errNothing) && !c.wire.records.inside()
}

// Close says good-bye, if that can be done at once.
func (c *tlsConn) Close() error {
	c.wire.closing.Store(true)
	return c.Conn.Close()
}

// wire is the connection below TLS. Reads belong to one goroutine at a time, and so
// does polling.
type wire struct {
	net.Conn // the socket's Transport
	nc       net.Conn
	raw      syscall.RawConn
	polling  bool // Read must not wait
	records  records
	closing  atomic.Bool

	into []byte // of the read under way
	n    int
	err  error
	try  func(fd uintptr)
}

// Read reads from the connection; without waiting, while polling.
func (w *wire) Read(p []byte) (int, error) {
	var n int
	var err error
	if w.polling {
		w.into = p
		if err = w.raw.Control(w.try); err == nil {
			n, err = w.n, w.err
		}
		w.into = nil
	} else {
		n, err = w.Conn.Read(p)
	}
	w.records.take(p[:n])
	return n, err
}

// Write writes to the connection. The good-bye does not wait for a peer that does not
// read.
func (w *wire) Write(p []byte) (int, error) {
	if w.closing.Load() {
		_ = w.nc.SetWriteDeadline(time.Now().Add(byeTime))
		return w.nc.Write(p)
	}
	return w.Conn.Write(p)
}

// errNothing is that there is nothing to read now. To crypto/tls it is a time-out, after
// which a connection can be read on.
var errNothing error = nothing{}

type nothing struct{}

func (nothing) Error() string   { return "nothing to read now" }
func (nothing) Timeout() bool   { return true }
func (nothing) Temporary() bool { return true }

// records follows the TLS records of a stream (RFC 8446, section 5.1): five bytes, the
// last two of them the length of what follows.
type records struct {
	head int // bytes of the header that have passed
	left int // bytes of the record that are to come
}

func (r *records) take(p []byte) {
	for len(p) > 0 {
		if r.head == 5 {
			n := min(r.left, len(p))
			p = p[n:]
			if r.left -= n; r.left == 0 {
				r.head = 0
			}
			continue
		}
		switch r.head {
		case 3:
			r.left = int(p[0]) << 8
		case 4:
			r.left |= int(p[0])
		}
		r.head++
		p = p[1:]
		if r.head == 5 && r.left == 0 {
			r.head = 0
		}
	}
}

// inside reports whether the stream stands in the middle of a record.
func (r *records) inside() bool { return r.head != 0 }
