package edgecmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/internal/terminal/ptytest"
)

// TestOnATerminal: colour and tables where a person reads, unless NO_COLOR is set.
func TestOnATerminal(t *testing.T) {
	for _, c := range []struct{ noColor, want, not string }{
		{"", "\x1b[1mHOST\x1b[0m", "\x1b[31m"},
		{"1", "HOST  ", "\x1b"},
	} {
		t.Setenv("NO_COLOR", c.noColor)
		config := filepath.Join(t.TempDir(), "edge.yaml")
		text := "listen: {http: \":0\"}\napps: {a: \"http://127.0.0.1:3000\"}\nsites: [{hosts: [a.example], app: a}]\n"
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		screen, tty := ptytest.Open(t, 200)
		if code := Main([]string{"edge", "hosts", "-c", config}, tty, tty, tty); code != 0 {
			t.Errorf("exit code %d", code)
		}
		got := read(t, screen, "any other")
		if !strings.Contains(got, c.want) || strings.Contains(got, c.not) {
			t.Errorf("NO_COLOR=%q: want %q and not %q in %q", c.noColor, c.want, c.not, got)
		}
	}
}

// read reads from the screen until it has shown last.
func read(t *testing.T, screen *os.File, last string) string {
	t.Helper()
	if err := screen.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	var got []byte
	buf := make([]byte, 4096)
	for !strings.Contains(string(got), last) {
		n, err := screen.Read(buf)
		got = append(got, buf[:n]...)
		if err != nil {
			t.Fatalf("%v after %q", err, got)
		}
	}
	return string(got)
}
