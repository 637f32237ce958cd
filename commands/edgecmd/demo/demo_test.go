package demo

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// build makes both binaries, as make build does, in a directory of its own.
func build(t *testing.T) (bin string) {
	t.Helper()
	bin = t.TempDir()
	cmd := exec.Command("go", "build", "-o", bin, "./cmd/edge", "./cmd/replay")
	cmd.Dir = "../../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return bin
}

// TestDemo is what a newcomer types first.
func TestDemo(t *testing.T) {
	bin, dir := build(t), t.TempDir()
	cmd := exec.Command(filepath.Join(bin, "edge"), "demo")
	cmd.Dir = dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	began := time.Now()
	err := cmd.Run()
	took := time.Since(began)
	if err != nil {
		t.Fatalf("%v\n%s%s", err, stdout.String(), stderr.String())
	}
	out := stdout.String()
	for _, want := range []string{
		`(?m)^ +50 visits to queue\.demo\.test, each with a body: all answered 200$`,
		`(?m)^ +60 visits to queue\.demo\.test, each with a body: all answered 502$`,
		`(?m)^ +\| .* 502 +upstream_down +queue`,
		`(?m)^ +40 visits to stats\.customer\.test, each with a body: all answered 421$`,
		`The monitor saw none\.`,
		`reloaded: generation [0-9a-f]{8} -> [0-9a-f]{8}`,
		`(?m)^ +\| delivered +100$`,
		`(?m)^ +150   visits$`,
		`(?m)^ +100   recovered by replay$`,
		`(?m)^ +0   lost$`,
		`(?m)^ +0   arrived more than once$`,
		`(?m)^ +0   differ`,
		`(?m)^ +Every visit arrived exactly once, byte for byte\.$`,
	} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("the story lacks %s", want)
		}
	}
	if strings.Contains(out, "\x1b") || stderr.Len() > 0 {
		t.Errorf("piped, the story is plain and stderr empty; stderr: %s", stderr.String())
	}
	if took > 40*time.Second {
		t.Errorf("it took %v", took)
	}
	if t.Failed() {
		t.Log(out)
	}
	// What it says is left is left, and what it says to try works.
	tried := 0
	_, rest, _ := strings.Cut(out, "\nTry\n")
	for line := range strings.Lines(rest) {
		command, ok := strings.CutPrefix(strings.TrimSpace(line), "$ ")
		if !ok {
			break
		}
		tried++
		cmd := exec.Command("sh", "-c", command)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil || len(out) == 0 {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
	}
	if tried < 3 {
		t.Errorf("only %d commands to try in:\n%s", tried, out)
	}
}

// TestInterrupted: Ctrl-C in the middle ends the edge too, and what there is stays.
func TestInterrupted(t *testing.T) {
	bin, dir := build(t), t.TempDir()
	cmd := exec.Command(filepath.Join(bin, "edge"), "demo")
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var seen []byte
	buf := make([]byte, 4096)
	for !bytes.Contains(seen, []byte("all answered 200")) {
		n, err := stdout.Read(buf)
		seen = append(seen, buf[:n]...)
		if err != nil {
			t.Fatalf("%v after %s%s", err, seen, stderr.String())
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(stderr.String(), "error: interrupted\nhint:  ") {
		t.Errorf("%v, stderr: %s", err, stderr.String())
	}
	logs, err := filepath.Glob(filepath.Join(dir, "holdfast-demo-*", "edge.log"))
	if err != nil || len(logs) != 1 {
		t.Fatalf("%v, %v", logs, err)
	}
	text, err := os.ReadFile(logs[0])
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`"pid":(\d+)`).FindSubmatch(text)
	if m == nil {
		t.Fatalf("the edge's log names no pid:\n%s", text)
	}
	pid, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the edge, process %d, is still there: %v", pid, err)
	}
}

func TestWithoutReplay(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := findPrograms("./edge")
	var hint interface{ Hint() string }
	if !errors.As(err, &hint) || !strings.Contains(hint.Hint(), "make build") {
		t.Errorf("got %v", err)
	}
}
