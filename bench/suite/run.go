//go:build linux

package suite

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/bench/load"
	"github.com/holdfast-edge/holdfast/bench/measure"
	"github.com/holdfast-edge/holdfast/bench/proxy"
)

// A Bench measures.
type Bench struct {
	Programs proxy.Programs
	Place    proxy.Place
	Wrk      load.Wrk
	Duration time.Duration // of one measurement
	Rounds   int
	Progress func(string) // takes a line about what is being done
}

// A Sample is one measurement: one proxy, one round.
type Sample struct {
	load.Result
	CPU    float64 `json:"cpu"`    // of the proxy's process tree, microseconds per request
	Memory int64   `json:"memory"` // resident bytes after the load
}

// A Row is what the rounds say about a proxy.
type Row struct {
	Label   string         `json:"label"`
	Role    Role           `json:"role"`
	Skipped string         `json:"skipped,omitempty"` // why there are no figures
	Samples []Sample       `json:"samples,omitempty"`
	CPU     measure.Figure `json:"cpu"`
	Rate    measure.Figure `json:"rate"` // requests per second
	P50     measure.Figure `json:"p50"`  // ms
	P99     measure.Figure `json:"p99"`
	P999    measure.Figure `json:"p999"`
	Memory  measure.Figure `json:"memory"` // MiB
	Ratio   measure.Figure `json:"ratio"`  // of ours, to the best reference of each round
	Target  float64        `json:"target,omitempty"`
}

// A Table is the result of a workload.
type Table struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	Rows  []Row  `json:"rows"`
}

// Run measures a workload: all its proxies run, and take turns round by round.
// The first to go is another one each round.
func (b *Bench) Run(ctx context.Context, w Workload) (_ Table, err error) {
	t := Table{Name: w.Name, Title: w.Title, Rows: make([]Row, len(w.Entries))}
	proxies := make([]*proxy.Proxy, len(w.Entries))
	defer func() {
		for _, p := range proxies {
			if p != nil {
				if e := p.Remove(); err == nil {
					err = e
				}
			}
		}
	}()
	for i, e := range w.Entries {
		t.Rows[i] = Row{Label: e.Label, Role: e.Role, Target: e.Target}
		place := b.Place
		place.Dir = filepath.Join(place.Dir, w.Name)
		p, err := proxy.Start(ctx, e.Kind, b.Programs, place)
		if err != nil {
			return t, err
		}
		proxies[i] = p
		b.Progress(fmt.Sprintf("%s: warming up %s", w.Name, e.Label))
		if _, err := b.measure(ctx, w, p, time.Second); err != nil {
			return t, err
		}
	}
	for round := range b.Rounds {
		for k := range proxies {
			i := (round + k) % len(proxies)
			if proxies[i] == nil {
				continue
			}
			b.Progress(fmt.Sprintf("%s: round %d of %d: %s", w.Name, round+1, b.Rounds, w.Entries[i].Label))
			s, err := b.measure(ctx, w, proxies[i], b.Duration)
			if err != nil {
				return t, err
			}
			t.Rows[i].Samples = append(t.Rows[i].Samples, s)
		}
	}
	t.finish()
	return t, nil
}

// measure is one measurement. The proxy's time is counted from before the first
// connection until it is quiet again.
func (b *Bench) measure(ctx context.Context, w Workload, p *proxy.Proxy, d time.Duration) (Sample, error) {
	r := w.Request
	r.URL, r.Host = p.URL(w.Path), proxy.Host
	before, err := p.Tree().CPU()
	if err != nil {
		return Sample{}, err
	}
	result, err := b.Wrk.Run(ctx, r, d)
	if err != nil {
		return Sample{}, fmt.Errorf("%s, %s: %w", w.Name, p.Kind.Label, err)
	}
	after, err := p.Tree().Settle(3 * time.Second)
	if err != nil {
		return Sample{}, err
	}
	memory, err := p.Tree().Resident()
	if err != nil {
		return Sample{}, err
	}
	if err := w.check(result); err != nil {
		return Sample{}, fmt.Errorf("%s, %s: %w", w.Name, p.Kind.Label, err)
	}
	return Sample{Result: result, Memory: memory,
		CPU: float64(after.Since(before).Nanoseconds()) / 1000 / float64(result.Requests)}, nil
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

// finish makes the figures of the samples.
func (t *Table) finish() {
	cpu := func(s Sample) float64 { return s.CPU }
	var references [][]float64
	for _, r := range t.Rows {
		if r.Role == Reference {
			references = append(references, r.pick(cpu))
		}
	}
	ms := func(d time.Duration) float64 { return float64(d) / 1e6 }
	for i := range t.Rows {
		r := &t.Rows[i]
		r.CPU = measure.Summarise(r.pick(cpu))
		r.Rate = measure.Summarise(r.pick(func(s Sample) float64 { return float64(s.Requests) / s.Duration.Seconds() }))
		r.P50 = measure.Summarise(r.pick(func(s Sample) float64 { return ms(s.P50) }))
		r.P99 = measure.Summarise(r.pick(func(s Sample) float64 { return ms(s.P99) }))
		r.P999 = measure.Summarise(r.pick(func(s Sample) float64 { return ms(s.P999) }))
		r.Memory = measure.Summarise(r.pick(func(s Sample) float64 { return float64(s.Memory) / (1 << 20) }))
		r.Ratio = measure.Summarise(nil)
		if r.Role == Ours {
			r.Ratio = measure.Summarise(measure.Ratios(r.pick(cpu), references...))
		}
	}
}

func (r Row) pick(value func(Sample) float64) []float64 {
	var all []float64
	for _, s := range r.Samples {
		all = append(all, value(s))
	}
	return all
}

// Verdict says whether the target is met: "", "met" or "missed".
func (r Row) Verdict() string {
	switch {
	case r.Target == 0 || math.IsNaN(r.Ratio.Median):
		return ""
	case r.Ratio.Median <= r.Target:
		return "met"
	}
	return "missed"
}

// Select keeps the workloads that names lists (all if empty) and of their entries
// the programs in against; "edge@PATH" there is another edge's binary beside ours.
func Select(all []Workload, names, against []string) ([]Workload, error) {
	var chosen []Workload
	known := map[string]bool{}
	for _, w := range all {
		known[w.Name] = true
		if len(names) > 0 && !contains(names, w.Name) {
			continue
		}
		var entries []Entry
		for _, e := range w.Entries {
			if len(against) == 0 || contains(against, e.Program) {
				entries = append(entries, e)
			}
			if e.Program != "edge" {
				continue
			}
			for _, a := range against {
				if binary, ok := strings.CutPrefix(a, "edge@"); ok {
					other := e
					other.Label, other.Binary = e.Label+"@"+filepath.Base(binary), binary
					entries = append(entries, other)
				}
			}
		}
		if w.Entries = entries; len(entries) > 0 {
			chosen = append(chosen, w)
		}
	}
	for _, n := range names {
		if !known[n] {
			return nil, fmt.Errorf("no workload is called %q", n)
		}
	}
	return chosen, nil
}

func contains(all []string, s string) bool {
	for _, a := range all {
		if a == s {
			return true
		}
	}
	return false
}
