//go:build linux

// Package report shows results: to a person, to a program, and in the documentation.
package report

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"

	"github.com/holdfast-edge/holdfast/bench/measure"
	"github.com/holdfast-edge/holdfast/bench/suite"
)

// Text prints a table as aligned columns.
func Text(w io.Writer, t suite.Table) error {
	var b strings.Builder
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "%s\tCPU µs/req\tspread\treq/s\tp50 ms\tp99\tp99.9\tMiB\tratio\tspread\ttarget\n", t.Name)
	for _, r := range t.Rows {
		if r.Skipped != "" {
			fmt.Fprintf(tw, "  %s\t%s\n", r.Label, r.Skipped)
			continue
		}
		fmt.Fprintf(tw, "  %s\t%.2f\t%s\t%.0f\t%.2f\t%.2f\t%.2f\t%.1f\t%s\n", r.Label, r.CPU.Median, spread(r.CPU), r.Rate.Median,
			r.P50.Median, r.P99.Median, r.P999.Median, r.Memory.Median, ratio(r))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s\n%s\n", t.Title, strings.TrimRight(b.String(), " \n"))
	return err
}

func ratio(r suite.Row) string {
	if math.IsNaN(r.Ratio.Median) {
		return "\t\t"
	}
	s := fmt.Sprintf("%.3f\t%s", r.Ratio.Median, spread(r.Ratio))
	if v := r.Verdict(); v != "" {
		return fmt.Sprintf("%s\t<= %.2f %s", s, r.Target, v)
	}
	return s + "\t"
}

func spread(f measure.Figure) string {
	return fmt.Sprintf("%.2f–%.2f", f.Min, f.Max)
}
