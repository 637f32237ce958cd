package live

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// An edge that takes the connection and says nothing does not stop who only reads.
func TestSilentEdge(t *testing.T) {
	t.Setenv("LIVE_HOST", "a.example")
	path := write(t, valid)
	cfg, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(cfg.Admin), 0o700); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("unix", cfg.Admin)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, origin, err := Config(t.Context(), path, Any)
	if err != nil || origin.Live || !origin.Silent || !strings.Contains(origin.Describe(time.Now()), "does not answer") {
		t.Errorf("%+v %v", origin, err)
	}
}
