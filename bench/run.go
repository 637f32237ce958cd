//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/holdfast-edge/holdfast/bench/load"
	"github.com/holdfast-edge/holdfast/bench/proxy"
	"github.com/holdfast-edge/holdfast/bench/report"
	"github.com/holdfast-edge/holdfast/bench/suite"
)

// run measures and prints.
func run(ctx context.Context, args []string) (err error) {
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	workloads, err := suite.Select(suite.Workloads(), o.run, o.against)
	if err != nil {
		return err
	}
	dir, err := folder(o.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	say := progress()
	b := &suite.Bench{
		Place:    proxy.Place{Dir: dir},
		Wrk:      load.Wrk{Dir: dir, Connections: o.connections, Threads: 2},
		Duration: o.duration, Rounds: o.rounds, Progress: say,
	}
	if b.Programs, err = find(ctx, o, workloads, dir, say); err != nil {
		return err
	}
	if b.Place.Cert, b.Place.Key, err = certificate(dir); err != nil {
		return err
	}
	if err := raiseFileLimit(); err != nil {
		return err
	}
	app, addr, err := proxy.StartHelper(dir, proxy.Backend)
	if err != nil {
		return err
	}
	defer app.Stop()
	b.Backend, b.Place.Backend = app.Tree(), addr

	r := report.Report{Date: time.Now(), Commit: commit(ctx), Command: strings.TrimSpace("go run ./bench " + strings.Join(args, " ")), Versions: versions(ctx, b.Programs, o.edge),
		Duration: o.duration, Rounds: o.rounds, Connections: o.connections}
	if r.Machine, err = report.Look(dir); err != nil {
		return err
	}
	text := report.Text{W: os.Stdout, Color: terminal(os.Stdout) && os.Getenv("NO_COLOR") == ""}
	if err := text.Head(r); err != nil {
		return err
	}
	for _, w := range workloads {
		t, err := b.Run(ctx, w)
		if err != nil {
			return err
		}
		say("")
		if err := text.Table(t); err != nil {
			return err
		}
		r.Tables = append(r.Tables, t)
	}
	if err := text.Targets(r); err != nil {
		return err
	}
	if o.json != "" {
		err = r.WriteJSON(o.json)
	}
	if o.markdown != "" {
		err = errors.Join(err, r.WriteMarkdown(o.markdown))
	}
	return err
}

// folder makes the place for everything that is written, and refuses memory.
func folder(parent string) (string, error) {
	dir, err := os.MkdirTemp(parent, "holdfast-bench-")
	if err != nil {
		return "", err
	}
	var fs unix.Statfs_t
	err = unix.Statfs(dir, &fs)
	if err == nil && fs.Type == unix.TMPFS_MAGIC {
		err = fmt.Errorf("%s is in memory, where a sync costs nothing: -dir wants a folder on a disk", parent)
	}
	if err == nil {
		err = os.Chmod(dir, 0o755) // nginx's workers are another user
	}
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	return filepath.Clean(dir), nil
}

// progress says what is being done: on a terminal in one line that is written
// over, and taken away by an empty text; else in lines.
func progress() func(string) {
	if terminal(os.Stderr) {
		return func(s string) { fmt.Fprint(os.Stderr, "\r\x1b[K"+s) }
	}
	return func(s string) {
		if s != "" {
			fmt.Fprintln(os.Stderr, s)
		}
	}
}

func terminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// raiseFileLimit lets us and our children have as many open files as we may. Ten
// thousand idle connections need as many, and some.
func raiseFileLimit() error {
	var now unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &now); err != nil {
		return fmt.Errorf("getrlimit: %w", err)
	}
	if now.Max < suite.IdleConnections+1000 {
		now.Max = suite.IdleConnections + 1000 // only root may
	}
	now.Cur = now.Max
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &now); err != nil {
		return fmt.Errorf("%d open files are needed (ulimit -n): %w", now.Max, err)
	}
	return nil
}
