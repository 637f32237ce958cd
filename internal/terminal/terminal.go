// Package terminal is how the commands talk to a person. The rules, the same
// for every verb:
//
//   - What was asked for goes to standard output. Everything else (errors,
//     hints, questions, progress, "I read this file") goes to standard error,
//     so that a pipe holds the answer and nothing but the answer.
//   - An error is one line, "error: " and what is wrong and where. A second
//     line, "hint:  ", says what to do next. No stack traces, no repeated
//     prefixes.
//   - Colour is decoration: it is used only on a terminal, never when NO_COLOR
//     is set to something or TERM is "dumb", and nothing is told by colour alone.
//   - A progress bar appears only when something takes longer than two seconds.
//     On a terminal it is redrawn in place and erased at the end; elsewhere it
//     is one plain line every ten seconds.
//   - A question is asked only when a person can answer it, which means that
//     both standard input and standard error are terminals. The answer is no
//     unless it was yes. Every question has a flag that answers it beforehand.
//   - What came from the network is never sent to the terminal as it is:
//     control characters are shown as \x1b, so that a logged request cannot
//     move the cursor or retitle the window of whoever reads the log.
//
// The model is age's command line.
package terminal

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mattn/go-isatty"
	"golang.org/x/sys/unix"
)

// Exit codes that mean the same for every command. The others (2, 3, 4) belong
// to single verbs and are named there.
const (
	ExitOK    = 0 // it did what was asked
	ExitError = 1 // it could not; also: wrong usage, no terminal to ask on
)

// UI is one command's conversation with its caller. Out and Err may be written
// to directly. A UI is for one goroutine, except that a Progress may be updated
// from any.
type UI struct {
	Out io.Writer // what was asked for
	Err io.Writer // everything else

	// OutTerminal and ErrTerminal say whether a person reads the stream;
	// Ask says whether one can also answer (input and error are terminals).
	OutTerminal, ErrTerminal, Ask bool

	colorOut, colorErr bool
	width              int // columns of the error stream's terminal, 0 if unknown
	in                 *bufio.Reader
}

// New looks at the three standard streams and at NO_COLOR and TERM in the
// environment (getenv is os.LookupEnv or a stand-in for it).
func New(stdout, stderr, stdin *os.File, getenv func(string) (string, bool)) *UI {
	u := &UI{Out: stdout, Err: stderr, in: bufio.NewReader(stdin)}
	u.OutTerminal, u.ErrTerminal = IsTerminal(stdout), IsTerminal(stderr)
	u.Ask = IsTerminal(stdin) && u.ErrTerminal
	color := true
	if v, ok := getenv("NO_COLOR"); ok && v != "" { // no-color.org: present and not empty
		color = false
	}
	if v, ok := getenv("TERM"); ok && v == "dumb" {
		color = false
	}
	u.colorOut, u.colorErr = color && u.OutTerminal, color && u.ErrTerminal
	if u.ErrTerminal {
		u.width = width(stderr)
	}
	return u
}

// IsTerminal reports whether f is a terminal. A nil file is none.
func IsTerminal(f *os.File) bool {
	return f != nil && (isatty.IsTerminal(f.Fd()) || isatty.IsCygwinTerminal(f.Fd()))
}

// width is the number of columns of the terminal f, 0 if it does not tell.
func width(f *os.File) int {
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(size.Col)
}

// A Color is how a word is set off from the rest. The zero Color is plain.
type Color uint8

// The colours in use, and what they stand for everywhere.
const (
	Plain  Color = iota
	Bold         // headings
	Faint        // what is there for completeness
	Green        // it went well
	Yellow       // look at this
	Red          // it failed
	Cyan         // a name to copy: a command, a file
)

var sgr = [...]string{Plain: "", Bold: "1", Faint: "2", Green: "32", Yellow: "33", Red: "31", Cyan: "36"}

// Paint puts c around s when on is true, and returns s as it is otherwise.
func Paint(on bool, c Color, s string) string {
	if !on || c == Plain || int(c) >= len(sgr) || s == "" {
		return s
	}
	return "\x1b[" + sgr[c] + "m" + s + "\x1b[0m"
}

// ColorOut reports whether standard output takes colour; ColorErr the same for
// standard error.
func (u *UI) ColorOut() bool { return u.colorOut }

// ColorErr reports whether standard error takes colour.
func (u *UI) ColorErr() bool { return u.colorErr }

// Paint colours s for standard output, if that takes colour.
func (u *UI) Paint(c Color, s string) string { return Paint(u.colorOut, c, s) }

// Printf writes to standard output.
func (u *UI) Printf(format string, args ...any) { fmt.Fprintf(u.Out, format, args...) }

// Notef writes a line to standard error: something worth knowing that was not
// asked for.
func (u *UI) Notef(format string, args ...any) {
	fmt.Fprintf(u.Err, "%s\n", strings.TrimRight(fmt.Sprintf(format, args...), "\n"))
}

// Errorf says what is wrong.
func (u *UI) Errorf(format string, args ...any) { u.labelled(Red, "error: ", format, args...) }

// Warnf says what may be wrong.
func (u *UI) Warnf(format string, args ...any) { u.labelled(Yellow, "warning: ", format, args...) }

// Hintf says what to do next.
func (u *UI) Hintf(format string, args ...any) { u.labelled(Cyan, "hint:  ", format, args...) }

// labelled indents the lines after the first, so that they stand under it.
func (u *UI) labelled(c Color, label, format string, args ...any) {
	text := strings.TrimRight(fmt.Sprintf(format, args...), "\n")
	text = strings.ReplaceAll(text, "\n", "\n"+strings.Repeat(" ", len(label)))
	fmt.Fprintf(u.Err, "%s%s\n", Paint(u.colorErr, c, label), text)
}

// Hinter is an error that knows what its reader should do next.
type Hinter interface {
	error
	Hint() string
}

// hinted is what WithHint returns.
type hinted struct {
	error
	hint string
}

func (h *hinted) Hint() string  { return h.hint }
func (h *hinted) Unwrap() error { return h.error }

// WithHint adds to err what to do next. A nil err stays nil.
func WithHint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &hinted{error: err, hint: fmt.Sprintf(format, args...)}
}

// ExitCode is an error that only carries an exit code: all there was to say has
// been said.
type ExitCode int

// Error implements error; Exit never prints it.
func (c ExitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

// Coder is an error that asks for an exit code other than ExitError. (An
// *exec.ExitError is one too: wrap it with %v unless its code is to be passed on.)
type Coder interface {
	error
	ExitCode() int
}

// Multiline is an error that prints itself: many problems, each with its own
// place and hint (a configuration file's). It is shown without the label.
type Multiline interface {
	error
	Format(w io.Writer, color bool) error
}

// Exit prints err with its hint, if there is anything to print, and returns the
// process's exit code: 0 for nil, the code an ExitCode or Coder asks for,
// ExitError for anything else.
func (u *UI) Exit(err error) int {
	if err == nil {
		return ExitOK
	}
	var only ExitCode
	if errors.As(err, &only) {
		return int(only)
	}
	var many Multiline
	if errors.As(err, &many) {
		_ = many.Format(u.Err, u.colorErr) // stderr is where a failure would be told
	} else {
		u.Errorf("%s", CleanLines(err.Error()))
	}
	var hint Hinter
	if errors.As(err, &hint) && hint.Hint() != "" {
		u.Hintf("%s", CleanLines(hint.Hint()))
	}
	var coder Coder
	if errors.As(err, &coder) {
		return coder.ExitCode()
	}
	return ExitError
}

// ErrNobody is returned by Confirm when there is no terminal to ask on.
var ErrNobody = errors.New("this needs a yes, and there is no terminal to ask on")

// Confirm asks a yes/no question on standard error and waits for a line on
// standard input. Only "y" and "yes" are yes; the end of input is no. Without a
// terminal it asks nothing and returns ErrNobody, which the caller turns into a
// hint naming its --yes flag.
func (u *UI) Confirm(question string) (bool, error) {
	if !u.Ask {
		return false, ErrNobody
	}
	fmt.Fprintf(u.Err, "%s [y/N] ", question)
	line, err := u.in.ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		fmt.Fprintln(u.Err)
		return false, fmt.Errorf("reading the answer: %w", err)
	}
	if err != nil {
		fmt.Fprintln(u.Err) // no newline was typed: end the line of the question
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return true, nil
	}
	return false, nil
}
