//go:build linux

package suite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/bench/load"
	"github.com/holdfast-edge/holdfast/bench/measure"
	"github.com/holdfast-edge/holdfast/bench/proxy"
)

// A Bench measures. It is not safe for concurrent use; the processes are started
// from the goroutine that calls Run (see proxy.launch).
type Bench struct {
	Programs proxy.Programs
	Place    proxy.Place
	Backend  measure.Tree // of the app
	Wrk      load.Wrk
	Duration time.Duration // of one measurement
	Rounds   int
	Progress func(string) // takes a line about what is being done
}

// A Sample is one measurement: one proxy, one round.
type Sample struct {
	load.Result
	CPU     float64   `json:"cpu"`      // of the proxy's process tree, microseconds per request
	Backend float64   `json:"backend"`  // of the app, the same
	Memory  int64     `json:"memory"`   // resident bytes, after the load or with idle connections open
	Log     proxy.Log `json:"edge_log"` // of an edge: what this measurement added
}

// Run measures a workload: all its proxies run, and take turns round by round.
// The first to go is another one each round.
func (b *Bench) Run(ctx context.Context, w Workload) (_ Table, err error) {
	t := Table{Name: w.Name, Title: w.Title, Rows: make([]Row, len(w.Entries))}
	proxies := make([]*proxy.Proxy, len(w.Entries))
	defer func() {
		for _, p := range proxies {
			if p != nil {
				err = errors.Join(err, p.Remove())
			}
		}
	}()
	for i, e := range w.Entries {
		t.Rows[i] = Row{Label: e.Label, Role: e.Role}
		b.Progress(w.Name + ": starting " + e.Label)
		if proxies[i], t.Rows[i].Skipped, err = b.start(ctx, w, e.Kind); err != nil {
			return t, err
		}
	}
	if t.skipWithoutOurs() {
		return t, nil
	}
	rounds := w.rounds(b.Rounds)
	for round := range rounds {
		for k := range proxies {
			i := (round + k) % len(proxies)
			if proxies[i] == nil {
				continue
			}
			b.Progress(fmt.Sprintf("%s: round %d of %d: %s", w.Name, round+1, rounds, w.Entries[i].Label))
			s, err := b.measure(ctx, w, proxies[i], b.Duration)
			if err != nil {
				return t, fmt.Errorf("%s, %s: %w", w.Name, w.Entries[i].Label, err)
			}
			t.Rows[i].Samples = append(t.Rows[i].Samples, s)
		}
	}
	t.finish(w)
	return t, nil
}

// start starts a proxy and warms it up. An edge that does not know what a row
// needs, and a program that is not there, skip the row: the reason is returned.
func (b *Bench) start(ctx context.Context, w Workload, k proxy.Kind) (_ *proxy.Proxy, skipped string, err error) {
	if !b.Programs.Has(k) {
		return nil, "not measured: " + k.Program + " is not there", nil
	}
	place := b.Place
	place.Dir = filepath.Join(place.Dir, w.Name)
	p, err := proxy.Start(ctx, k, b.Programs, place)
	var refused *proxy.StartError
	if errors.As(err, &refused) && k.Program == "edge" && strings.Contains(refused.Stderr, "unknown key") {
		return nil, "not measured: this edge does not know the configuration's keys yet", nil
	}
	if err != nil {
		return nil, "", err
	}
	if w.Drive != Idle {
		if _, err := b.measure(ctx, w, p, time.Second); err != nil {
			p.Stop()
			return nil, "", fmt.Errorf("%s, %s: warming up: %w", w.Name, k.Label, err)
		}
	}
	return p, "", nil
}

// measure is one measurement. The proxy's time is counted from before the first
// connection until it is quiet again after the last.
func (b *Bench) measure(ctx context.Context, w Workload, p *proxy.Proxy, d time.Duration) (s Sample, err error) {
	before, err := b.clocks(p)
	if err != nil {
		return s, err
	}
	if s.Result, s.Memory, err = b.drive(ctx, w, p, d); err != nil {
		return s, err
	}
	if err := w.check(s.Result); err != nil {
		return s, err
	}
	if _, err := p.Tree().Settle(3 * time.Second); err != nil {
		return s, err
	}
	after, err := b.clocks(p)
	if err != nil {
		return s, err
	}
	perRequest := func(d time.Duration) float64 { return float64(d) / 1000 / float64(s.Requests) }
	s.CPU = perRequest(after.proxy.Since(before.proxy))
	s.Backend = perRequest(after.backend.Since(before.backend))
	s.Log = after.log.Since(before.log)
	return s, nil
}

// clocks are what is read before and after.
type clocks struct {
	proxy, backend measure.CPU
	log            proxy.Log
}

func (b *Bench) clocks(p *proxy.Proxy) (c clocks, err error) {
	if c.log, err = p.Log(); err != nil {
		return c, err
	}
	if c.backend, err = b.Backend.CPU(); err != nil {
		return c, err
	}
	c.proxy, err = p.Tree().CPU()
	return c, err
}

// drive makes the load, and reads the memory when it is at its most telling.
func (b *Bench) drive(ctx context.Context, w Workload, p *proxy.Proxy, d time.Duration) (r load.Result, memory int64, err error) {
	q := w.Request
	q.URL, q.Host, q.Hosts = p.URL(w.Path), proxy.Host, p.Kind.Hosts
	switch w.Drive {
	case Wrk:
		r, err = b.Wrk.Run(ctx, q, d)
	case Closed:
		r, err = load.Closed{Connections: b.Wrk.Connections}.Run(ctx, q, d)
	case Paced:
		r, err = load.Paced{Connections: b.Wrk.Connections, Rate: w.Rate}.Run(ctx, q, d)
	case Idle:
		return idle(ctx, q, p, d)
	}
	if err == nil {
		memory, err = p.Tree().Resident()
	}
	return r, memory, err
}

// idle opens the connections and looks at the memory after they rested, so that
// what was needed for a moment can be given back.
func idle(ctx context.Context, q load.Request, p *proxy.Proxy, d time.Duration) (r load.Result, memory int64, err error) {
	start := time.Now()
	connections, err := load.OpenIdle(ctx, q, IdleConnections)
	if err != nil {
		return r, 0, err
	}
	defer connections.Close()
	r = load.Result{Requests: IdleConnections, Duration: time.Since(start)}
	select {
	case <-ctx.Done():
		return r, 0, ctx.Err()
	case <-time.After(max(2*d, 5*time.Second)):
	}
	memory, err = p.Tree().Resident()
	if alive := connections.Alive(); err == nil && alive < IdleConnections {
		err = fmt.Errorf("%d of %d idle connections were closed", IdleConnections-alive, IdleConnections)
	}
	return r, memory, err
}

// rounds is how many are measured where most workloads have n.
func (w Workload) rounds(n int) int {
	if w.Rounds > 0 {
		n = min(n, w.Rounds)
	}
	if w.Twice {
		n *= 2
	}
	return n
}

// check refuses a measurement of something else than the workload.
func (w Workload) check(r load.Result) error {
	wrong := r.Status
	if w.Fails {
		wrong = r.Requests - r.Status
	}
	if r.Failures > 0 || wrong > 0 {
		return fmt.Errorf("of %d requests %d failed and %d had the wrong status", r.Requests, r.Failures, wrong)
	}
	return nil
}
