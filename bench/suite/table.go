//go:build linux

package suite

import (
	"fmt"
	"time"

	"github.com/holdfast-edge/holdfast/bench/measure"
)

// A Table is the result of a workload.
type Table struct {
	Name  string   `json:"name"`
	Title string   `json:"title"`
	Rows  []Row    `json:"rows"`
	Notes []string `json:"notes,omitempty"` // what the columns have no place for
}

// A Row is what the rounds say about a proxy.
type Row struct {
	Label   string         `json:"label"`
	Role    Role           `json:"role"`
	Skipped string         `json:"skipped,omitempty"` // why there are no figures
	Samples []Sample       `json:"samples,omitempty"`
	CPU     measure.Figure `json:"cpu"`    // microseconds per request
	Rate    measure.Figure `json:"rate"`   // requests per second
	P50     measure.Figure `json:"p50"`    // ms
	P99     measure.Figure `json:"p99"`    // ms
	P999    measure.Figure `json:"p999"`   // ms; unknown where there were too few requests
	Memory  measure.Figure `json:"memory"` // MiB
	Ratio   measure.Figure `json:"ratio"`  // of ours: CPU to that of the best reference of each round
	Target  *Target        `json:"target,omitempty"`
}

// A Target is a goal with what became of it.
type Target struct {
	Goal   `json:"goal"`
	Figure measure.Figure `json:"figure"`
	Met    bool           `json:"met"`
}

// skipWithoutOurs leaves out all rows if there was to be one of ours and there is
// none, and reports that.
func (t *Table) skipWithoutOurs() bool {
	why := ""
	for _, r := range t.Rows {
		if r.Role == Ours {
			if why = r.Skipped; why == "" {
				return false
			}
		}
	}
	for i := range t.Rows {
		if t.Rows[i].Skipped == "" && why != "" {
			t.Rows[i].Skipped = "not measured: nothing to compare with"
		}
	}
	return why != ""
}

// finish makes the figures of the samples.
func (t *Table) finish(w Workload) {
	for i := range t.Rows {
		r := &t.Rows[i]
		r.CPU = measure.Summarise(r.pick(cpu))
		r.Rate = measure.Summarise(r.pick(func(s Sample) float64 { return float64(s.Requests) / s.Duration.Seconds() }))
		r.Memory = measure.Summarise(r.pick(mebibytes))
		r.P50, r.P99, r.P999 = measure.Summarise(nil), measure.Summarise(nil), measure.Summarise(nil)
		if len(r.Samples) == 0 || w.Drive == Idle { // which is not about latency
			continue
		}
		r.P50 = measure.Summarise(r.pick(func(s Sample) float64 { return ms(s.P50) }))
		r.P99 = measure.Summarise(r.pick(p99))
		if r.Samples[0].Requests >= 2000 { // else it is one request or two
			r.P999 = measure.Summarise(r.pick(func(s Sample) float64 { return ms(s.P999) }))
		}
	}
	for i := range t.Rows {
		r := &t.Rows[i]
		r.Ratio = measure.Summarise(nil)
		if r.Role != Ours || len(r.Samples) == 0 {
			continue
		}
		r.Ratio = measure.Summarise(measure.Ratios(r.pick(cpu), t.references(w, "", cpu)...))
		r.Target = t.target(w, i)
	}
	t.notes()
}

func (t *Table) target(w Workload, i int) *Target {
	g := w.Entries[i].Goal
	var f measure.Figure
	switch g.Metric {
	case CPU:
		f = measure.Summarise(measure.Ratios(t.Rows[i].pick(cpu), t.references(w, g.Of, cpu)...))
	case P99:
		f = measure.Summarise(measure.Ratios(t.Rows[i].pick(p99), t.references(w, g.Of, p99)...))
	case Memory:
		f = t.Rows[i].Memory
	}
	if g.Metric == "" || !f.Known() {
		return nil
	}
	return &Target{g, f, f.Median <= g.Max}
}

// references are the samples of what ours is compared with, of one program or all.
func (t *Table) references(w Workload, of string, value func(Sample) float64) [][]float64 {
	var all [][]float64
	for i, r := range t.Rows {
		if r.Role == Reference && (of == "" || w.Entries[i].Program == of) {
			all = append(all, r.pick(value))
		}
	}
	return all
}

// notes says how the records came to the disk, and what the app cost.
func (t *Table) notes() {
	var app []float64
	for _, r := range t.Rows {
		var dropped, failed, records, commits int64
		var seconds float64
		for _, s := range r.Samples {
			dropped, failed = dropped+s.Log.Dropped, failed+s.Log.Failed
			records, commits = records+s.Log.Records, commits+s.Log.Commits
			seconds += s.Duration.Seconds()
			app = append(app, s.Backend)
		}
		if records > 1000 { // a few are connections that wrk left
			t.Notes = append(t.Notes, fmt.Sprintf("%s: %.0f commits a second, %.1f requests each", r.Label, float64(commits)/seconds, float64(records)/float64(commits)))
		}
		if dropped > 0 || failed > 0 {
			t.Notes = append(t.Notes, fmt.Sprintf("%s: the disk did not keep up: %d lines of the log and %d records were lost", r.Label, dropped, failed))
		}
	}
	if f := measure.Summarise(app); f.Known() {
		t.Notes = append(t.Notes, fmt.Sprintf("the app behind them: %.1f µs a request", f.Median))
	}
}

func (r Row) pick(value func(Sample) float64) []float64 {
	var all []float64
	for _, s := range r.Samples {
		all = append(all, value(s))
	}
	return all
}

func cpu(s Sample) float64       { return s.CPU }
func p99(s Sample) float64       { return ms(s.P99) }
func mebibytes(s Sample) float64 { return float64(s.Memory) / (1 << 20) }
func ms(d time.Duration) float64 { return float64(d) / 1e6 }
