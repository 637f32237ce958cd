//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/holdfast-edge/holdfast/bench/load"
	"github.com/holdfast-edge/holdfast/bench/proxy"
	"github.com/holdfast-edge/holdfast/bench/report"
	"github.com/holdfast-edge/holdfast/bench/suite"
)

// options are the command line.
type options struct {
	run, against, edgeEnv []string
	duration              time.Duration
	rounds, conns         int
	dir, edge             string
}

func parse(args []string) (options, error) {
	o := options{}
	list := func(to *[]string) func(string) error {
		return func(s string) error { *to = strings.Split(s, ","); return nil }
	}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.Func("run", "the `workloads` to measure, with commas between; all if not given", list(&o.run))
	f.Func("against", "the `programs` to measure: edge,nginx,haproxy,caddy; edge@PATH is another edge beside ours", list(&o.against))
	f.Func("edge-env", "`NAME=value,...` in the environment of the edge", list(&o.edgeEnv))
	f.DurationVar(&o.duration, "duration", 3*time.Second, "of one measurement, whole seconds")
	f.IntVar(&o.rounds, "rounds", 5, "how often each is measured")
	f.IntVar(&o.conns, "connections", 64, "of the load generator")
	f.StringVar(&o.dir, "dir", "/var/tmp", "where data and logs are written: a disk, not tmpfs")
	f.StringVar(&o.edge, "edge", "", "the edge's binary; built if not given")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("%q is not a flag", f.Arg(0))
	}
	if o.rounds < 1 || o.duration < time.Second || o.conns < 2 {
		return o, errors.New("-rounds wants 1, -duration 1s and -connections 2 at least")
	}
	return o, nil
}

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
	dir, err := os.MkdirTemp(o.dir, "holdfast-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Chmod(dir, 0o755); err != nil { // nginx's workers are another user
		return err
	}
	var fs unix.Statfs_t
	if unix.Statfs(dir, &fs) == nil && fs.Type == unix.TMPFS_MAGIC {
		return fmt.Errorf("%s is in memory: syncing costs nothing there; -dir wants a disk", o.dir)
	}
	files, err := raiseFileLimit()
	if err != nil {
		return err
	}
	programs, err := find(ctx, o, dir)
	if err != nil {
		return err
	}
	backend, err := proxy.StartHelper(dir, "backend")
	if err != nil {
		return err
	}
	defer backend.Stop()
	sink, err := proxy.StartHelper(dir, "sink")
	if err != nil {
		return err
	}
	defer func() { fmt.Fprintf(os.Stderr, "haproxy's log: %s lines arrived\n", sink.End()) }()
	programs.Files = files
	b := &suite.Bench{
		Programs: programs,
		Place:    proxy.Place{Dir: dir, Backend: backend.Addr, Sink: sink.Addr},
		Wrk:      load.Wrk{Dir: dir, Connections: o.conns, Threads: 2},
		Duration: o.duration, Rounds: o.rounds,
		Progress: func(line string) { fmt.Fprintln(os.Stderr, line) },
	}
	for _, w := range workloads {
		t, err := b.Run(ctx, w)
		if err != nil {
			return err
		}
		if err := report.Text(os.Stdout, t); err != nil {
			return err
		}
	}
	return nil
}

// find builds the edge and looks for the others.
func find(ctx context.Context, o options, dir string) (proxy.Programs, error) {
	p := proxy.Programs{Edge: o.edge, EdgeEnv: o.edgeEnv}
	if p.Edge == "" {
		p.Edge = filepath.Join(dir, "edge")
		if err := goBuild(ctx, ".", p.Edge, "./cmd/edge"); err != nil {
			return p, err
		}
	}
	for name, to := range map[string]*string{"nginx": &p.Nginx, "haproxy": &p.HAProxy} {
		*to, _ = exec.LookPath(name)
		if *to == "" {
			*to, _ = exec.LookPath("/usr/sbin/" + name)
		}
	}
	return p, nil
}

// goBuild builds a package of the module in folder.
func goBuild(ctx context.Context, folder, to string, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-o", to}, args...)...)
	cmd.Dir = folder
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// raiseFileLimit lets us and our children have as many open files as we may, root
// 65,536, and returns how many that is. Ten thousand connections take two each.
func raiseFileLimit() (uint64, error) {
	var now unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &now); err != nil {
		return 0, fmt.Errorf("getrlimit: %w", err)
	}
	for _, want := range []uint64{max(now.Max, 65536), now.Max} {
		if unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: want, Max: max(want, now.Max)}) == nil {
			return want, nil
		}
	}
	return now.Cur, nil
}
