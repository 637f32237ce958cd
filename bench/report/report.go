//go:build linux

// Package report shows results: to a person, to a program, and in the documentation.
package report

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/holdfast-edge/holdfast/bench/measure"
	"github.com/holdfast-edge/holdfast/bench/suite"
)

// A Report is all there is to say about a run.
type Report struct {
	Date        time.Time     `json:"date"`
	Commit      string        `json:"commit"`  // of the repository; with "+changes" if files were changed
	Command     string        `json:"command"` // what was typed
	Machine     Machine       `json:"machine"`
	Versions    []Version     `json:"versions"`
	Duration    time.Duration `json:"duration"` // ns, of one measurement
	Rounds      int           `json:"rounds"`
	Connections int           `json:"connections"`
	Tables      []suite.Table `json:"tables"`
}

// A Version is of a program that took part.
type Version struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// WriteJSON writes the report for programs.
func (r Report) WriteJSON(path string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// column is one of a table of results.
type column struct {
	name  string
	value func(suite.Row) string
}

// columns are the same on the terminal and in the documentation.
func columns() []column {
	return []column{
		{"CPU µs/request", func(r suite.Row) string { return number(r.CPU.Median) }},
		{"spread", func(r suite.Row) string { return spread(r.CPU) }},
		{"requests/s", func(r suite.Row) string { return thousands(r.Rate.Median) }},
		{"p50 ms", func(r suite.Row) string { return number(r.P50.Median) }},
		{"p99 ms", func(r suite.Row) string { return number(r.P99.Median) }},
		{"p99.9 ms", func(r suite.Row) string { return number(r.P999.Median) }},
		{"MiB", func(r suite.Row) string { return fmt.Sprintf("%.1f", r.Memory.Median) }},
		{"CPU ratio", func(r suite.Row) string { return ratio(r.Ratio) }},
		{"spread", func(r suite.Row) string { return spread(r.Ratio) }},
	}
}

// goals are all targets of the tables, in order.
func (r Report) goals() []suite.Target {
	var all []suite.Target
	for _, t := range r.Tables {
		for _, row := range t.Rows {
			if row.Target != nil {
				all = append(all, *row.Target)
			}
		}
	}
	return all
}

// limit is how a goal's number is written.
func limit(g suite.Goal) string {
	if g.Metric == suite.Memory {
		return fmt.Sprintf("<= %.0f MiB", g.Max)
	}
	return fmt.Sprintf("<= %.2f", g.Max)
}

// measured is how a target's figure is written: with more digits than the limit,
// so that a near miss does not look like a hit.
func measured(t suite.Target) string {
	if t.Metric == suite.Memory {
		return fmt.Sprintf("%.1f MiB", t.Figure.Median)
	}
	return fmt.Sprintf("%.3f", t.Figure.Median)
}

func verdict(t suite.Target) string {
	if t.Met {
		return "met"
	}
	return "missed"
}

// number shows three digits or so.
func number(v float64) string {
	switch {
	case v != v:
		return "–"
	case v < 100:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

func thousands(v float64) string {
	s := fmt.Sprintf("%.0f", v)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func ratio(f measure.Figure) string {
	if !f.Known() {
		return ""
	}
	return fmt.Sprintf("%.3f", f.Median)
}

func spread(f measure.Figure) string {
	if !f.Known() {
		return ""
	}
	return number(f.Min) + "–" + number(f.Max)
}
