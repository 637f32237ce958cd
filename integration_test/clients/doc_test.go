// Package clients tries a real edge process with the software that people have: curl,
// a browser, wrk, WebSocket and SSE clients in front of it; Python, Node, nginx and
// haproxy behind it, and the last two in front of it as well.
//
// A program that is missing skips its tests on a developer's machine and fails them
// where CI is set in the environment.
package clients

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/integration_test/edgetest"
)

func TestMain(m *testing.M) { edgetest.MainFast(m) }

// need returns the path of a program.
func need(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath(filepath.Join("/usr/sbin", name))
	}
	if err == nil {
		return path
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is not installed: make install-tools", name)
	}
	t.Skipf("%s is not installed: make install-tools", name)
	return ""
}

// start runs an edge that must have no bug to tell of when the test ends.
func start(t testing.TB, config string) *edgetest.Edge {
	t.Helper()
	e := edgetest.Start(t, config)
	t.Cleanup(func() { e.Sound(t) })
	return e
}

// port is the port of the edge.
func port(e *edgetest.Edge) string { return e.Addr[strings.LastIndexByte(e.Addr, ':')+1:] }

// run runs a program to its end, for at most two minutes.
func run(t testing.TB, stdin io.Reader, path string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), path, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &out, &errs
	cmd.WaitDelay = time.Second
	timer := time.AfterFunc(2*time.Minute, func() { _ = cmd.Process.Kill() })
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	err = cmd.Wait()
	timer.Stop()
	return out.String(), errs.String(), err
}

// spawn runs a program, with all that it starts, until the test ends. It returns the
// lines of its output and of its errors.
func spawn(t testing.TB, path string, args ...string) <-chan string {
	t.Helper()
	cmd := exec.Command(path, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	lines, done := make(chan string, 1000), make(chan struct{})
	go func() {
		defer close(done)
		for s := bufio.NewScanner(r); s.Scan(); {
			select {
			case lines <- s.Text():
			default: // nobody reads them
			}
		}
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		_ = r.SetReadDeadline(time.Now().Add(5 * time.Second))
		_ = r.Close()
		<-done
		if t.Failed() {
			close(lines)
			for l := range lines {
				if strings.Contains(l, "dbus") {
					continue // chromium misses a desktop
				}
				t.Logf("%s: %s", filepath.Base(path), l)
			}
		}
	})
	return lines
}

// waitListen waits until somebody accepts connections on the address.
func waitListen(t testing.TB, addr string) {
	t.Helper()
	waitUntil(t, addr+" accepts connections", func() bool { return dials(addr) })
}

// waitUntil waits until it is so, for at most 20 s.
func waitUntil(t testing.TB, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !so(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// pattern is n bytes that tell their place.
func pattern(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i + i>>8 + i>>16)
	}
	return p
}
