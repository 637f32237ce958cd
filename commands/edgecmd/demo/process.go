package demo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast-edge/holdfast/commands/live"
	"github.com/holdfast-edge/holdfast/internal/terminal"
)

// programs are the two binaries: where they are, and how their user calls them.
type programs struct {
	edge, replay           string // paths
	edgeTyped, replayTyped string // as the examples show them
}

// findPrograms finds replay beside this edge, else in PATH.
func findPrograms(arg0 string) (programs, error) {
	self, err := os.Executable()
	if err != nil {
		return programs{}, err
	}
	p := programs{edge: self, edgeTyped: arg0, replay: filepath.Join(filepath.Dir(self), "replay"), replayTyped: "replay"}
	if dir, _ := filepath.Split(arg0); dir != "" {
		p.replayTyped = dir + "replay"
	}
	if info, err := os.Stat(p.replay); err == nil && info.Mode().IsRegular() {
		return p, nil
	}
	if p.replay, err = exec.LookPath("replay"); err != nil {
		return p, terminal.WithHint(fmt.Errorf("the other half of Holdfast, replay, is neither beside %s nor in PATH", self),
			"make build puts both into bin/; then: ./bin/edge demo")
	}
	p.replayTyped = "replay"
	return p, nil
}

// A server is a running `edge run`.
type server struct {
	cmd   *exec.Cmd
	log   string // path of what it says
	ended chan struct{}
	err   error // how it ended, once ended is closed
}

// startEdge starts `edge run` on the configuration file and waits until it
// answers on its admin socket. Its log goes to a file.
func startEdge(ctx context.Context, program, config, log string) (*server, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	s := &server{cmd: exec.Command(program, "run", "-c", config), log: log, ended: make(chan struct{})}
	s.cmd.Stdout, s.cmd.Stderr = out, out
	// A group of its own: Ctrl-C reaches this process, which ends the edge when
	// the time has come.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		s.err = s.cmd.Wait()
		close(s.ended)
	}()
	if _, err := s.waitFor(ctx, config, func(live.Origin) bool { return true }); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

// waitFor waits, at most ten seconds, until the edge serves a configuration that
// is the wanted one.
func (s *server) waitFor(ctx context.Context, config string, wanted func(live.Origin) bool) (live.Origin, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var last error
	for {
		_, origin, err := live.Config(ctx, config, live.Live)
		if err == nil && wanted(origin) {
			return origin, nil
		}
		last = err
		select {
		case <-s.ended:
			return origin, s.failed("edge run ended by itself")
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return origin, s.failed(fmt.Sprintf("edge run is not ready after 10 s (%v)", last))
			}
			return origin, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// failed is an error with the last lines of what the edge said.
func (s *server) failed(what string) error {
	text, _ := os.ReadFile(s.log) // what cannot be read is not shown
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(lines) > 5 {
		lines = lines[len(lines)-5:]
	}
	return terminal.WithHint(fmt.Errorf("%s:\n%s", what, strings.Join(lines, "\n")), "all it said is in %s", s.log)
}

// signal sends the edge a signal.
func (s *server) signal(sig os.Signal) error { return s.cmd.Process.Signal(sig) }

// stop asks the edge to drain and end, and makes it end after ten seconds.
// Stopped already is fine.
func (s *server) stop() error {
	select {
	case <-s.ended:
		return nil
	default:
	}
	if err := s.signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-s.ended:
		return nil
	case <-time.After(10 * time.Second):
		err := s.cmd.Process.Kill()
		<-s.ended
		return errors.Join(errors.New("edge run did not end within 10 s of SIGTERM and was killed"), err)
	}
}

// show runs a command and writes its output, both streams in the order it came,
// line by line through print.
func show(ctx context.Context, print func(line string), program string, args ...string) error {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		w.Close()
		done <- err
	}()
	for lines := bufio.NewScanner(r); lines.Scan(); {
		print(lines.Text())
	}
	r.Close()
	if err := <-done; err != nil && ctx.Err() == nil {
		// As text: the demo's exit code is its own, not that of the command.
		return fmt.Errorf("%s %s: %v", filepath.Base(program), strings.Join(args, " "), err)
	}
	return ctx.Err()
}
