package tlsgate

import (
	"crypto/tls"
	"io"
	"testing"
	"time"
)

// BenchmarkExchange is one request of 128 bytes and its answer of 1.3 KiB: what TLS
// costs both sides, and what it allocates (the reads of crypto/tls; nothing of ours).
func BenchmarkExchange(b *testing.B) {
	ca, n := authority(b), names{}
	g := n.gate()
	n.add(b, g, ca, "a.test")
	answer := make([]byte, 1300)
	addr, _ := serve(b, g, func(c *Conn) {
		_ = c.SetDeadline(time.Time{})
		p := make([]byte, 512)
		for {
			if _, err := c.Read(p); err != nil {
				return
			}
			if _, err := c.Write(answer); err != nil {
				return
			}
		}
	})
	c, err := dial(b, addr, &tls.Config{ServerName: "a.test", RootCAs: ca.Pool()})
	if err != nil {
		b.Fatal(err)
	}
	_ = c.SetDeadline(time.Time{})
	request, p := make([]byte, 128), make([]byte, 1300)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Write(request); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, p); err != nil {
			b.Fatal(err)
		}
	}
}
