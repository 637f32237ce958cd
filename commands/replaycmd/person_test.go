package replaycmd

import (
	"bytes"
	"io/fs"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/internal/terminal/ptytest"
)

// site makes a configuration whose app is a, and records.
func site(t *testing.T, a *app, records string) (config string) {
	t.Helper()
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	dir := t.TempDir()
	config = filepath.Join(dir, "edge.yaml")
	text := `{listen: {http: ":0"}, apps: {main: "` + server.URL + `"}, sites: [{hosts: [queue.test], app: main}]}`
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := fillRecords(filepath.Join(dir, "data"), records); err != nil {
		t.Fatal(err)
	}
	return config
}

func (a *app) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.arrived)
}

// TestAsks: on a terminal it asks, sends nothing without a yes, and shows a bar
// and colours.
func TestAsks(t *testing.T) {
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "xterm")
	for _, test := range []struct {
		answer        string
		code, arrived int
		want          []string
	}{
		{"n\r", 3, 0, []string{"Send 60 requests to main? [y/N]", "Nothing was sent."}},
		{"\r", 3, 0, []string{"Nothing was sent."}},
		{"y\r", 0, 60, []string{"\x1b[1mHOST\x1b[0m", "canary main  200", "[#", "ok ", "delivered      60", "ledger synced"}},
	} {
		a := &app{status: 200}
		config := site(t, a, "times=60\n")
		screen, tty := ptytest.Open(t, 200)
		var got bytes.Buffer
		read := make(chan struct{})
		answered := false
		if err := screen.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		go func() {
			defer close(read)
			buf := make([]byte, 4096)
			for {
				n, err := screen.Read(buf)
				got.Write(buf[:n])
				if !answered && bytes.Contains(got.Bytes(), []byte("[y/N]")) {
					answered = true
					if _, err := screen.WriteString(test.answer); err != nil {
						return
					}
				}
				if err != nil || bytes.Contains(got.Bytes(), []byte("the end.")) {
					return
				}
			}
		}()
		code := Main([]string{"replay", "-c", config, "--since", "2h"}, tty, tty, tty)
		if _, err := tty.WriteString("the end."); err != nil {
			t.Fatal(err)
		}
		<-read
		if code != test.code || a.count() != test.arrived {
			t.Errorf("%q: exit code %d, %d arrived; want %d, %d", test.answer, code, a.count(), test.code, test.arrived)
		}
		for _, text := range test.want {
			if !strings.Contains(got.String(), text) {
				t.Errorf("%q: no %q in\n%q", test.answer, text, got.String())
			}
		}
	}
}

// TestRootBecomesTheOwner: what root's replay writes belongs to the data's owner.
func TestRootBecomesTheOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give its rights up")
	}
	const nobody = 65534
	a := &app{status: 200}
	config := site(t, a, "times=2\n")
	dir := filepath.Dir(config)
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	data := filepath.Join(dir, "data")
	owned := func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(path, nobody, nobody)
	}
	if err := filepath.WalkDir(data, owned); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("replay", "-c", config, "--since", "2h", "--yes").CombinedOutput()
	if err != nil || a.count() != 2 {
		t.Fatalf("%v, %d arrived\n%s", err, a.count(), out)
	}
	err = filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if uid := info.Sys().(*syscall.Stat_t).Uid; uid != nobody {
			t.Errorf("%s belongs to %d", path, uid)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}

	// Another user is told the right command.
	replay, err := exec.LookPath("replay")
	if err != nil {
		t.Fatal(err)
	}
	for d := filepath.Dir(replay); d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("replay", "-c", config, "--since", "2h", "--yes")
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65533, Gid: 65533}}
	out, err = cmd.CombinedOutput()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != 1 ||
		!strings.Contains(string(out), "error: ") || !strings.Contains(string(out), "hint:  sudo -u nobody replay -c "+config+" --since 2h --yes") {
		t.Errorf("another user: %v\n%s", err, out)
	}
}
