//go:build linux

// Bench measures the edge beside nginx, haproxy and Caddy, on this machine:
//
//	go run ./bench -run get,post -duration 3s -rounds 3 -against edge,nginx,haproxy
//
// CONTRIBUTING.md says when; docs/benchmarks.md has a result and how to read it.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/holdfast-edge/holdfast/bench/backend"
)

func main() {
	runtime.LockOSThread() // the children die with the thread that starts them
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := role(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

// role is what this process is: the benchmark, or one of its helpers.
func role(ctx context.Context, args []string) error {
	if len(args) == 1 {
		switch args[0] {
		case "backend":
			signal.Reset()
			return backend.Serve(os.Stdout)
		case "sink":
			return backend.Sink(os.Stdout)
		}
	}
	return run(ctx, args)
}
