package tlsgate

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"net"
)

// Gate answers handshakes. A client that names a host with a certificate is shown that
// one; any other gets the alert unrecognized_name (RFC 6066, section 3) and nothing else.
// A gate lives as long as the process, longer than any configuration: it owns the keys
// of session tickets, which crypto/tls makes anew every day and forgets after a week.
// Its methods are safe for concurrent use.
type Gate struct {
	lookup func(name string) *Certificate
	base   *tls.Config // every handshake begins with it; its ticket keys seal all tickets
	refuse *tls.Config
}

// NewGate makes a gate. lookup says which certificate a name gets, nil for none; the
// name is as the client sent it, never empty. It is called in every handshake, by many
// goroutines, and must not block.
func NewGate(lookup func(name string) *Certificate) *Gate {
	g := &Gate{lookup: lookup}
	g.base = &tls.Config{GetConfigForClient: g.choose}
	g.refuse = &tls.Config{
		// No certificate is what makes crypto/tls send unrecognized_name; any error of
		// ours would be internal_error.
		GetCertificate: nil,
		// A ticket would do in place of a certificate.
		SessionTicketsDisabled: true,
		// The key exchange comes before the certificate. It is for nothing here, so it
		// is a cheap one.
		CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521},
	}
	return g
}

// choose is called with the ClientHello.
func (g *Gate) choose(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	w, ok := hello.Conn.(*wire)
	if ok {
		w.name = hello.ServerName
	}
	if hello.ServerName != "" {
		if c := g.lookup(hello.ServerName); c != nil {
			return c.live.Load().config, nil
		}
	}
	if ok {
		w.refused = true
	}
	return g.refuse, nil
}

// config makes what a certificate is served with.
func (g *Gate) config(p *Pair) *tls.Config {
	tag := append([]byte("holdfast certificate "), sum(p)...)
	return &tls.Config{
		Certificates: []tls.Certificate{p.cert},
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"http/1.1", "http/1.0"},
		// An answer that fits one record leaves in one write, from the first one on.
		DynamicRecordSizingDisabled: true,
		// A ticket says which certificate it was given under, and is worth nothing
		// under another: resuming does not lead past the gate.
		WrapSession: func(cs tls.ConnectionState, s *tls.SessionState) ([]byte, error) {
			s.Extra = append(s.Extra, tag)
			return g.base.EncryptTicket(cs, s)
		},
		UnwrapSession: func(ticket []byte, cs tls.ConnectionState) (*tls.SessionState, error) {
			s, err := g.base.DecryptTicket(ticket, cs)
			if err != nil || s == nil {
				return nil, nil
			}
			for _, e := range s.Extra {
				if bytes.Equal(e, tag) {
					return s, nil
				}
			}
			return nil, nil
		},
	}
}

func sum(p *Pair) []byte {
	s := sha256.Sum256(p.Leaf.Raw)
	return s[:]
}

// Server puts a client connection that was accepted behind the gate. Nothing is read
// or written before Handshake.
func (g *Gate) Server(nc net.Conn) *Conn {
	c := &Conn{Conn: nc}
	c.tls = tls.Server((*wire)(c), g.base)
	return c
}
