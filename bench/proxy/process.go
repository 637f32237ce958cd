//go:build linux

// Package proxy starts what is measured, each with the configuration that its
// users would write: routing by host, the headers that apps need, keep-alive on
// both sides, and its log on.
package proxy

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast-edge/holdfast/bench/measure"
)

// A Process is a program that runs until Stop.
type Process struct {
	name   string
	cmd    *exec.Cmd
	stderr string // the file
	done   chan struct{}
	err    error // of Wait; read after done
}

// launch starts a program in a process group of its own, so that the Ctrl-C of a
// terminal reaches only us and we end it in order. It dies with us in any case:
// the kernel sends SIGTERM when the thread that started it ends, which for that
// reason must be locked (main does it).
func launch(name, dir string, env []string, stdout *os.File, program string, args ...string) (*Process, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	p := &Process{name: name, stderr: filepath.Join(dir, "stderr"), done: make(chan struct{})}
	stderr, err := os.Create(p.stderr)
	if err != nil {
		return nil, err
	}
	defer stderr.Close() // the child has it
	p.cmd = exec.Command(program, args...)
	p.cmd.Dir, p.cmd.Env, p.cmd.Stderr = dir, env, stderr
	if stdout != nil {
		p.cmd.Stdout = stdout
	}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// Tree is the process and its children, to be measured.
func (p *Process) Tree() measure.Tree { return measure.Tree{Root: p.cmd.Process.Pid} }

// Stop ends the process and what it started: first politely, then after ten
// seconds without asking. It returns when the process is gone.
func (p *Process) Stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
	}
	// Its process group is ours to kill; the number is taken as long as one of
	// the group is there.
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
}

// failure is what the process said at its end, for an error message.
func (p *Process) failure(what string) error {
	text, _ := os.ReadFile(p.stderr)
	if len(text) > 4000 {
		text = text[len(text)-4000:]
	}
	return &StartError{p.name, what, strings.TrimSpace(string(text))}
}

// A StartError is of a program that did not start as it should.
type StartError struct{ Name, What, Stderr string }

func (e *StartError) Error() string { return e.Name + ": " + e.What + "\n" + e.Stderr }

// await waits until addr takes connections, at most half a minute.
func (p *Process) await(ctx context.Context, network, addr string) error {
	for range 600 {
		c, err := net.DialTimeout(network, addr, time.Second)
		if err == nil {
			return c.Close()
		}
		select {
		case <-p.done:
			return p.failure(fmt.Sprintf("ended at once: %v", p.err))
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return p.failure("does not listen on " + addr)
}

// StartHelper starts this program itself in another role, its only argument. The
// first line it prints is returned: its address.
func StartHelper(dir, role string) (*Process, string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, "", err
	}
	defer r.Close() // the helper says nothing more
	p, err := launch(role, filepath.Join(dir, role), os.Environ(), w, self, role)
	_ = w.Close()
	if err != nil {
		return nil, "", err
	}
	addr, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		p.Stop()
		return nil, "", p.failure("said no address")
	}
	return p, strings.TrimSpace(addr), nil
}

// freePort is a port of 127.0.0.1 that was free a moment ago.
func freePort() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	addr := ln.Addr().String()
	return addr, ln.Close()
}
