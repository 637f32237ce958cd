//go:build linux

package main

import (
	"errors"
	"flag"
	"fmt"
	"strings"
	"time"
)

// options are the command line.
type options struct {
	run, against, edgeEnv []string
	duration              time.Duration
	rounds, connections   int
	dir, edge             string
	json, markdown        string
}

func parse(args []string) (options, error) {
	o := options{}
	list := func(to *[]string) func(string) error {
		return func(s string) error {
			*to = strings.Split(s, ",")
			return nil
		}
	}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.Func("run", "the `workloads` to measure, with commas between; all if not given", list(&o.run))
	f.Func("against", "the `programs` to measure, of edge,nginx,haproxy,caddy,relay; edge@PATH is another edge's binary beside ours", list(&o.against))
	f.Func("edge-env", "`NAME=value,...` for the edge's environment, which has no GO* of yours", list(&o.edgeEnv))
	f.DurationVar(&o.duration, "duration", 3*time.Second, "of one measurement, in whole seconds")
	f.IntVar(&o.rounds, "rounds", 5, "how often each is measured")
	f.IntVar(&o.connections, "connections", 64, "of the load")
	f.StringVar(&o.dir, "dir", "/var/tmp", "where data and logs are written until the end: a disk, not tmpfs")
	f.StringVar(&o.edge, "edge", "", "the edge's `binary`; built from ./cmd/edge if not given")
	f.StringVar(&o.json, "json", "", "write the result to this `file`, for programs")
	f.StringVar(&o.markdown, "markdown", "", "write the result into this `file`, between the marks (docs/benchmarks.md)")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("%q is not a flag", f.Arg(0))
	}
	if o.rounds < 1 || o.duration < time.Second || o.duration%time.Second != 0 || o.connections < 2 {
		return o, errors.New("-rounds wants 1 at least, -duration whole seconds, -connections 2 at least")
	}
	return o, nil
}
