package http1

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/edge/exchange"
)

// TestEndsAlone: how one connection ended says nothing about the next that gets its
// memory. One that never asked for anything is closed when its client ends.
func TestEndsAlone(t *testing.T) {
	_, addr := serve(t, func(x *exchange.Exchange) {
		if err := x.Answer.Begin(&exchange.AnswerHead{Status: 101, NoBody: true}); err != nil {
			return
		}
		if tunnel, err := x.Answer.Tunnel(io.NopCloser(nil)); err == nil {
			_ = tunnel.Close()
		}
	})
	for range 50 {
		c := dial(t, addr)
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		_, _ = io.Copy(io.Discard, c)
		silent := dial(t, addr)
		_ = silent.(*net.TCPConn).CloseWrite()
		_ = silent.SetReadDeadline(time.Now().Add(3 * time.Second))
		if _, err := silent.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("a connection that was never used is not closed")
		}
	}
}
