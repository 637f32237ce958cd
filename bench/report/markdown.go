//go:build linux

package report

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// What is between the marks in docs/benchmarks.md is ours; the rest is people's.
const (
	beginMark = "<!-- written by make bench: begin -->\n"
	endMark   = "<!-- written by make bench: end -->\n"
)

// WriteMarkdown writes the tables into a file between the two marks, and leaves
// what is around them. A file without marks gets them at its end; one that is not
// there is made.
func (r Report) WriteMarkdown(path string) error {
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.WriteFile(path, between(old, r.Markdown()), 0o644)
}

// between puts text between the marks of a document.
func between(old []byte, text string) []byte {
	before, rest, found := bytes.Cut(old, []byte(beginMark))
	_, after, closed := bytes.Cut(rest, []byte(endMark))
	if found && !closed {
		after = rest // somebody lost the end: nothing of theirs is thrown away
	}
	var b bytes.Buffer
	b.Write(before)
	if !found && len(before) > 0 {
		b.WriteString("\n")
	}
	b.WriteString(beginMark + "\n" + text + "\n" + endMark)
	b.Write(after)
	return b.Bytes()
}

// Markdown is the report as the documentation shows it.
func (r Report) Markdown() string {
	var b strings.Builder
	b.WriteString("### Targets\n\n")
	table(&b, []string{"", "target", "measured", "spread", ""}, func(row func(...string)) {
		for _, g := range r.goals() {
			v := verdict(g)
			if !g.Met {
				v = "**" + v + "**"
			}
			row(g.Text, limit(g.Goal), measured(g), spread(g.Figure), v)
		}
	})
	b.WriteString("\n### Where and with what\n\n")
	table(&b, []string{"", ""}, func(row func(...string)) {
		row("date", r.Date.Format("2006-01-02 15:04 MST"))
		row("commit", r.Commit)
		row("command", "`"+r.Command+"`")
		for _, f := range r.Machine.facts() {
			row(f.Name, f.Version)
		}
		for _, v := range r.Versions {
			row(v.Name, v.Version)
		}
		row("measured", fmt.Sprintf("%d rounds of %v for each proxy, in turns, %d connections", r.Rounds, r.Duration, r.Connections))
	})
	for _, t := range r.Tables {
		fmt.Fprintf(&b, "\n### %s\n\n", t.Title)
		head := []string{""}
		for _, c := range columns() {
			head = append(head, c.name)
		}
		table(&b, head, func(row func(...string)) {
			for _, line := range t.Rows {
				cells := []string{line.Label}
				if line.Skipped != "" {
					row(line.Label + " (" + line.Skipped + ")")
					continue
				}
				for _, c := range columns() {
					cells = append(cells, c.value(line))
				}
				row(cells...)
			}
		})
		for i, n := range t.Notes {
			if i == 0 {
				b.WriteString("\n")
			}
			fmt.Fprintf(&b, "- %s\n", n)
		}
	}
	return b.String()
}

// table writes a table of GitHub's Markdown; numbers are to the right.
func table(b *strings.Builder, head []string, rows func(row func(...string))) {
	row := func(cells ...string) {
		for len(cells) < len(head) {
			cells = append(cells, "")
		}
		b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	}
	row(head...)
	b.WriteString("|---" + strings.Repeat("|--:", max(0, len(head)-2)) + "|---|\n")
	rows(row)
}
