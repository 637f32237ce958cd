package upstream

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/holdfast-edge/holdfast/configs"
)

// An app behind a unix socket restarts: its socket vanishes and comes back.
func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.sock")
	a := newApp(t, nil, "unix:"+path)
	var marks int
	a.Marked = func(url string, cause error) {
		marks++
		if url != "unix:"+path || cause != nil && !errors.Is(cause, os.ErrNotExist) {
			t.Errorf("%s %v", url, cause)
		}
	}
	for range 3 {
		if _, _, err := ask(a); !errors.Is(err, ErrUnreachable) {
			t.Fatalf("without a socket: %v", err)
		}
		stop := make(chan struct{})
		s := listen(t, "unix", path, func(nc net.Conn) {
			go func() { <-stop; _ = nc.Close() }()
			answerAll(okAnswer)(nc)
		})
		for range 5 {
			if status, _, err := ask(a); err != nil || status != 200 {
				t.Fatalf("%d %v", status, err)
			}
		}
		if n := s.opened.Load(); n != 1 {
			t.Errorf("%d connections", n)
		}
		_ = s.Close() // which removes the file
		close(stop)
		eventually(t, "it is down", func() bool { _, _, err := ask(a); return err != nil })
	}
	// The last end may have been seen by a request that broke off, which is no mark.
	if marks != 6 && marks != 7 {
		t.Errorf("told %d times", marks)
	}
}

// Bytes that arrive while a unix connection is idle spoil it, as with TCP.
func TestUnixIdle(t *testing.T) {
	s := listen(t, "unix", filepath.Join(t.TempDir(), "app.sock"), func(nc net.Conn) {
		readHeads(nc, func(string) bool { _, err := io.WriteString(nc, okAnswer+"x"); return err == nil })
	})
	a := newApp(t, nil, "unix:"+s.Addr().String())
	for range 3 {
		if status, _, err := ask(a); err != nil || status != 200 {
			t.Fatalf("%d %v", status, err)
		}
	}
	if n := s.opened.Load(); n != 3 {
		t.Errorf("%d connections for three requests", n)
	}
}

func TestHostModes(t *testing.T) {
	for _, tt := range []struct{ url, host, want string }{
		{"http://127.0.0.1:3000", configs.HostKeep, ""},
		{"http://127.0.0.1:3000", configs.HostUpstream, "127.0.0.1:3000"},
		{"http://App.internal:80", configs.HostUpstream, "app.internal"},
		{"https://app.internal:80", configs.HostUpstream, "app.internal:80"},
		{"https://[::1]", configs.HostUpstream, "[::1]"},
		{"unix:/run/app.sock", configs.HostUpstream, "localhost"},
		{"unix:/run/app.sock", "app.internal", "app.internal"},
	} {
		a := newApp(t, func(c *configs.App) { c.Host = tt.host }, tt.url)
		if got := a.endpoints[0].host; got != tt.want {
			t.Errorf("%s with host: %s sends %q, want %q", tt.url, tt.host, got, tt.want)
		}
	}
}
