package configs

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/holdfast-edge/holdfast/internal/terminal"
	"github.com/holdfast-edge/holdfast/routing"
)

// maxProblems bounds what is kept of a file that is wrong everywhere.
const maxProblems = 1000

// Problem is one thing that is wrong, or worth a warning, and where.
type Problem struct {
	// Origin.File is relative to the folder of the main file where it can be.
	// Line and Column count from 1, columns in characters (runes); Line 0 means
	// the file as a whole.
	Origin  routing.Origin
	Message string // what is wrong
	Line    string // the source line, without its line end; empty when it must not be shown
	Hint    string // what to do about it; may be empty
	Warning bool   // the configuration is usable all the same

	cause error // the I/O error behind it, for errors.Is
}

// Errors is everything that is wrong with a configuration, and the warnings
// that go with it, sorted by file, line and column. At least one problem is
// not a warning.
type Errors struct {
	Problems []Problem
	Omitted  int // further problems, beyond the first thousand
}

// Error is every problem, rendered without colour.
func (e *Errors) Error() string {
	var b strings.Builder
	e.Format(&b, false)
	return strings.TrimSuffix(b.String(), "\n")
}

// Format writes every problem for a person, with a blank line between them.
func (e *Errors) Format(w io.Writer, color bool) {
	for i, p := range e.Problems {
		if i > 0 {
			_, _ = io.WriteString(w, "\n")
		}
		p.Format(w, color)
	}
	if e.Omitted > 0 {
		_, _ = fmt.Fprintf(w, "\nand %d more\n", e.Omitted)
	}
}

// Unwrap gives the I/O errors among the problems, for errors.Is.
func (e *Errors) Unwrap() []error {
	var causes []error
	for _, p := range e.Problems {
		if p.cause != nil {
			causes = append(causes, p.cause)
		}
	}
	return causes
}

// Count says how many of the problems are errors and how many warnings.
func (e *Errors) Count() (errs, warnings int) {
	for _, p := range e.Problems {
		if p.Warning {
			warnings++
		} else {
			errs++
		}
	}
	return errs + e.Omitted, warnings
}

// Format writes the problem for a person, in up to four lines:
//
//	edge.yaml:7:14: app "colector" does not exist
//	      - {app: colector}
//	              ^
//	hint: did you mean "collector"?
//
// A warning says so before its message. Control characters of the source are
// shown as escapes, so that a file cannot play tricks with the terminal.
func (p Problem) Format(w io.Writer, color bool) {
	var b strings.Builder
	where := p.Origin.File
	if p.Origin.Line > 0 {
		where = fmt.Sprintf("%s:%d:%d", p.Origin.File, p.Origin.Line, p.Origin.Column)
	}
	caret := terminal.Red
	b.WriteString(terminal.Paint(color, terminal.Bold, terminal.Clean(where)+":") + " ")
	if p.Warning {
		caret = terminal.Yellow
		b.WriteString(terminal.Paint(color, caret, "warning:") + " ")
	}
	b.WriteString(terminal.Clean(p.Message) + "\n")
	if p.Line != "" && p.Origin.Line > 0 {
		line, pad := excerpt(p.Line, p.Origin.Column)
		b.WriteString("  " + line + "\n  " + pad + terminal.Paint(color, caret, "^") + "\n")
	}
	if p.Hint != "" {
		b.WriteString(terminal.Paint(color, terminal.Cyan, "hint:") + " " + terminal.Clean(p.Hint) + "\n")
	}
	// Whoever prints for a person has nobody left to tell that it failed.
	_, _ = io.WriteString(w, b.String())
}

// problems collects what is found, up to maxProblems.
type problems struct {
	list    []Problem
	omitted int
	failed  bool // at least one is an error
}

func (ps *problems) add(p Problem) {
	if ps.full() {
		ps.count(p.Warning)
		return
	}
	ps.failed = ps.failed || !p.Warning
	ps.list = append(ps.list, p)
}

// count notes a problem that is not kept.
func (ps *problems) count(warning bool) {
	ps.failed = ps.failed || !warning
	ps.omitted++
}

// full reports whether further problems are only counted: then there is no
// need to look for the best hint.
func (ps *problems) full() bool { return len(ps.list) >= maxProblems }

// errorAt adds an error; hint may be empty.
func (ps *problems) errorAt(at spot, hint, format string, args ...any) {
	if ps.full() {
		ps.count(false)
		return
	}
	ps.add(at.problem(hint, fmt.Sprintf(format, args...)))
}

// warnAt adds a warning; hint may be empty.
func (ps *problems) warnAt(at spot, hint, format string, args ...any) {
	if ps.full() {
		ps.count(true)
		return
	}
	p := at.problem(hint, fmt.Sprintf(format, args...))
	p.Warning = true
	ps.add(p)
}

// sorted returns the problems by file, line and column, without repetitions.
func (ps *problems) sorted() []Problem {
	slices.SortStableFunc(ps.list, func(a, b Problem) int {
		return cmp.Or(
			strings.Compare(a.Origin.File, b.Origin.File),
			cmp.Compare(a.Origin.Line, b.Origin.Line),
			cmp.Compare(a.Origin.Column, b.Origin.Column),
		)
	})
	return slices.CompactFunc(ps.list, func(a, b Problem) bool {
		return a.Origin == b.Origin && a.Message == b.Message
	})
}

// err is nil if nothing but warnings was found.
func (ps *problems) err() error {
	if !ps.failed {
		return nil
	}
	return &Errors{Problems: ps.sorted(), Omitted: ps.omitted}
}

// hinted is an error that knows what to do about it. Its text leaves the
// offending value out: the value may be a secret.
type hinted struct{ what, hint string }

func (e *hinted) Error() string { return e.what }

// Hint says what to do.
func (e *hinted) Hint() string { return e.hint }

// hintOf returns the hint of an error made by this package.
func hintOf(err error) string {
	var h *hinted
	if errors.As(err, &h) {
		return h.hint
	}
	return ""
}
