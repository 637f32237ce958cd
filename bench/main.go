//go:build linux

// Bench measures the edge beside nginx, haproxy and Caddy, on this machine. Run it
// in the repository:
//
//	go run ./bench -run get,post -duration 3s -rounds 3 -against edge,nginx,haproxy
//	go run ./bench -run get -against edge,edge@/tmp/edge-before,nginx
//
// docs/benchmarks.md has a result and says how to read it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/holdfast-edge/holdfast/bench/backend"
	"github.com/holdfast-edge/holdfast/bench/proxy"
)

func main() {
	runtime.LockOSThread() // the children die with the thread that starts them
	if err := role(os.Args[1:]); err != nil {
		if errors.Is(err, context.Canceled) {
			err = errors.New("interrupted; everything that was started has ended")
		}
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// role is what this process is: the benchmark, or one of its helpers, which end
// when they are told to.
func role(args []string) error {
	switch {
	case len(args) == 1 && args[0] == proxy.Backend:
		return backend.Serve(os.Stdout)
	case len(args) == 3 && args[0] == proxy.Relay:
		return backend.Relay(args[1], args[2])
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	err := run(ctx, args)
	if err != nil && ctx.Err() != nil {
		return ctx.Err() // whatever was going on broke because of it
	}
	return err
}
