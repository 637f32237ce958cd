//go:build linux

package report

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/holdfast-edge/holdfast/bench/suite"
)

// A Text writes for a person.
type Text struct {
	W     io.Writer
	Color bool // w is a terminal that shows them
}

// Head says what is measured on what.
func (t Text) Head(r Report) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s · commit %s\n", r.Date.Format("2006-01-02 15:04 MST"), r.Commit)
	for _, f := range r.Machine.facts() {
		fmt.Fprintf(&b, "%s: %s\n", f.Name, f.Version)
	}
	var versions []string
	for _, v := range r.Versions {
		versions = append(versions, v.Name+" "+v.Version)
	}
	fmt.Fprintf(&b, "%s\n%d connections, %d rounds of %v each, medians; CPU is of the whole process tree; ratios to the best of nginx and haproxy in the same round\n",
		strings.Join(versions, ", "), r.Connections, r.Rounds, r.Duration)
	_, err := io.WriteString(t.W, b.String())
	return err
}

// Table prints the result of a workload.
func (t Text) Table(table suite.Table) error {
	cells := [][]string{{""}}
	for _, c := range columns() {
		cells[0] = append(cells[0], c.name)
	}
	for _, r := range table.Rows {
		line := []string{r.Label}
		if r.Skipped != "" {
			cells = append(cells, append(line, r.Skipped))
			continue
		}
		for _, c := range columns() {
			line = append(line, c.value(r))
		}
		cells = append(cells, line)
	}
	text := "\n" + t.paint("1", table.Title) + " (-run " + table.Name + ")\n" + t.align(cells)
	for _, n := range table.Notes {
		text += "  " + n + "\n"
	}
	_, err := io.WriteString(t.W, text)
	return err
}

// Targets prints what was promised beside what came.
func (t Text) Targets(r Report) error {
	cells := [][]string{{"", "target", "measured", "spread", ""}}
	for _, g := range r.goals() {
		color := "32"
		if !g.Met {
			color = "31"
		}
		cells = append(cells, []string{g.Text, limit(g.Goal), measured(g), spread(g.Figure), t.paint(color, verdict(g))})
	}
	if len(cells) == 1 {
		return nil
	}
	_, err := io.WriteString(t.W, "\n"+t.paint("1", "Targets")+"\n"+t.align(cells))
	return err
}

func (t Text) paint(color, s string) string {
	if !t.Color {
		return s
	}
	return "\x1b[" + color + "m" + s + "\x1b[0m"
}

// align puts cells under each other: the first column to the left, numbers to
// the right. A line with one cell beside its label is text of any length. The
// last column may be painted, so its width is not looked at.
func (t Text) align(cells [][]string) string {
	var widths []int
	for _, line := range cells {
		for i, c := range line {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			if len(line) != 2 || i == 0 {
				widths[i] = max(widths[i], utf8.RuneCountInString(c))
			}
		}
	}
	var b strings.Builder
	for _, line := range cells {
		text := "  "
		for i, c := range line {
			pad := strings.Repeat(" ", max(0, widths[i]-utf8.RuneCountInString(c)))
			switch {
			case i == 0:
				text += c + pad
			case len(line) == 2 || i == len(line)-1 && t.Color:
				text += "  " + c
			default:
				text += "  " + pad + c
			}
		}
		b.WriteString(strings.TrimRight(text, " ") + "\n")
	}
	return b.String()
}
