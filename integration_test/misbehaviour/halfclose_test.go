package misbehaviour

import (
	"io"
	"syscall"
	"testing"
	"time"
)

// TestHalfClosed: a client that says all it has to say and ends its side gets the answer,
// and then the end: it may be reading to the end of the stream, as nc does. Whether
// the FIN came alone, or in the segment of the request, makes no difference.
func TestHalfClosed(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for name, corked := range map[string]bool{"fin alone": false, "fin with the request": true} {
		for message, text := range map[string]string{
			"get":  request("GET", "/half", "quick.test"),
			"post": request("POST", "/half", "quick.test", "Content-Length: 5") + "hello",
			"two":  request("GET", "/half", "quick.test") + request("GET", "/half", "quick.test", "X-Second: yes"), // its answer is read with the end
		} {
			t.Run(name+" "+message, func(t *testing.T) {
				t.Parallel()
				c := s.dial()
				if corked {
					raw, err := c.SyscallConn()
					if err != nil {
						t.Fatal(err)
					}
					if err := raw.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_CORK, 1) }); err != nil {
						t.Fatal(err)
					}
				}
				if _, err := io.WriteString(c, text); err != nil {
					t.Fatal(err)
				}
				if err := c.CloseWrite(); err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				resp, err := c.answer("GET")
				if err != nil || resp.StatusCode != 200 {
					t.Fatalf("%+v, %v", resp, err)
				}
				if _, err := io.ReadAll(resp.Body); err != nil {
					t.Fatal(err)
				}
				_ = c.SetReadDeadline(start.Add(idleTimeout / 2))
				if _, err := io.ReadAll(c.br); err != nil {
					t.Errorf("after %v the connection is still open: %v", time.Since(start).Round(time.Millisecond), err)
				}
			})
		}
	}
}
