package edgetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Launch runs the edge as Start does, but does not wait until it is ready.
func (e *Edge) Launch() {
	e.t.Helper()
	line := append(slices.Clone(e.Wrapper), Binary(e.t, "edge"), "run", "-c", e.Config)
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Dir = e.Dir
	cmd.Stderr, cmd.Stdout = &e.log, &e.log
	if err := cmd.Start(); err != nil {
		e.t.Fatal(err)
	}
	done := make(chan struct{})
	e.cmd, e.done = cmd, done
	go func() { e.err = cmd.Wait(); close(done) }()
	e.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-done
	})
}

// Signal sends the process a signal.
func (e *Edge) Signal(s os.Signal) {
	e.t.Helper()
	if err := e.cmd.Process.Signal(s); err != nil {
		e.t.Fatal(err)
	}
}

// Ended is closed when the process has ended.
func (e *Edge) Ended() <-chan struct{} { return e.done }

// Wait waits until the process has ended and returns its exit code.
func (e *Edge) Wait(limit time.Duration) int {
	e.t.Helper()
	select {
	case <-e.done:
	case <-time.After(limit):
		e.t.Fatalf("the edge does not end within %v\n%s", limit, e.Log())
	}
	return e.cmd.ProcessState.ExitCode()
}

// Resident is how much memory the process has in RAM, in bytes (VmRSS of
// /proc/PID/status); 0 where that can't be told.
func (e *Edge) Resident() int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", e.PID()))
	if err != nil {
		return 0
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if v, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(v), " kB"), 10, 64)
			return kb << 10
		}
	}
	return 0
}

// Command is a command of ours that runs beside the test.
type Command struct {
	cmd            *exec.Cmd
	stdout, stderr lockedBuffer
	cancel         context.CancelFunc
	done           chan error
}

// Go starts a command with -c FILE behind args and kills it after the limit.
func (e *Edge) Go(limit time.Duration, name string, args ...string) *Command {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	c := &Command{cmd: exec.CommandContext(ctx, Binary(e.t, name), append(args, "-c", e.Config)...),
		cancel: cancel, done: make(chan error, 1)}
	c.cmd.Dir = e.Dir
	c.cmd.Stdin = bytes.NewReader(nil)
	c.cmd.Stdout, c.cmd.Stderr = &c.stdout, &c.stderr
	if err := c.cmd.Start(); err != nil {
		cancel()
		e.t.Fatal(err)
	}
	go func() { c.done <- c.cmd.Wait() }()
	e.t.Cleanup(cancel) // which kills it, if Wait was not called
	return c
}

// Signal sends the command a signal.
func (c *Command) Signal(s os.Signal) error { return c.cmd.Process.Signal(s) }

// Stderr is what the command has said so far.
func (c *Command) Stderr() string { return c.stderr.String() }

// Wait waits for the end and returns what the command said. A command that had to be
// killed, or was by a signal, has exit code -1.
func (c *Command) Wait() (Result, error) {
	err := <-c.done
	c.cancel()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = nil
	}
	return Result{c.stdout.String(), c.stderr.String(), c.cmd.ProcessState.ExitCode()}, err
}

// RunFor is Run with a limit.
func (e *Edge) RunFor(limit time.Duration, name string, args ...string) Result {
	e.t.Helper()
	r, err := e.Go(limit, name, args...).Wait()
	if err != nil {
		e.t.Fatal(err)
	}
	if r.Code < 0 {
		e.t.Fatalf("%s %s did not end within %v\n%s%s", name, strings.Join(args, " "), limit, r.Stdout, r.Stderr)
	}
	return r
}
