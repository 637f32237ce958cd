// Package replaycmd is the command line of replay.
//
// What was asked for (the summary, the result, or JSON) goes to standard output;
// questions, progress and warnings go to standard error. With --json standard
// output holds nothing but JSON. Exit codes: 0 nothing is left to send, 1 could
// not run, 3 something remains, 4 some requests are unknown.
package replaycmd

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/holdfast-edge/holdfast/internal/terminal"
)

// The exit codes of replay beside terminal.ExitOK and terminal.ExitError.
const (
	exitRemain  terminal.ExitCode = 3 // failed, rejected, pending or unsendable ones remain
	exitUnknown terminal.ExitCode = 4 // some may or may not have arrived
)

// sending is the grammar of replay itself.
type sending struct {
	Config configFlag `short:"c" placeholder:"FILE" help:"Configuration file. Default: $$EDGE_CONFIG, ./edge.yaml, /etc/holdfast/edge.yaml."`
	sendCmd
}

// looking is the grammar of replay's other verbs, which only look.
type looking struct {
	Config configFlag `short:"c" placeholder:"FILE" help:"Configuration file. Default: $$EDGE_CONFIG, ./edge.yaml, /etc/holdfast/edge.yaml."`

	Status  statusCmd  `cmd:"" help:"Say how a run stands: all its requests by state."`
	History historyCmd `cmd:"" help:"List the runs."`
}

const (
	description = "Brings failed requests to the app they should have reached, exactly once where that can be known."
	usage       = "\n\nreplay status [RUN] says how a run stands; replay history lists the runs." +
		"\n\nExit 0: nothing is left to send. 3: failed, rejected, pending or unsendable requests remain. " +
		"4: some may or may not have arrived. 1: it could not run."
)

// configFlag is the path given with -c, if any.
type configFlag string

// replay is a replay command line to be typed next, for hints.
func (c configFlag) replay(args ...string) string { return c.command("replay", args) }

// edge is the same for edge.
func (c configFlag) edge(args ...string) string { return c.command("edge", args) }

func (c configFlag) command(name string, args []string) string {
	words := []string{name}
	if c != "" {
		words = append(words, "-c", string(c))
	}
	words = append(words, args...)
	for i, w := range words {
		words[i] = quote(w)
	}
	return strings.Join(words, " ")
}

// Main runs the command line args (os.Args) and returns the exit code.
func Main(args []string, stdout, stderr, stdin *os.File) int {
	ui := terminal.New(stdout, stderr, stdin, os.LookupEnv)
	args = args[1:]
	if looks(args) {
		var grammar looking
		parsed, done, err := parse(&grammar, description, args, stdout, stderr)
		if err != nil || done {
			return ui.Exit(err)
		}
		return ui.Exit(parsed.Run(ui, grammar.Config))
	}
	var grammar sending
	_, done, err := parse(&grammar, description+usage, args, stdout, stderr)
	if err != nil || done {
		return ui.Exit(err)
	}
	return ui.Exit(grammar.Run(ui, grammar.Config))
}

// looks reports whether the first word that is no flag is one of the other verbs.
func looks(args []string) bool {
	for i := 0; i < len(args); i++ {
		switch a := args[i]; {
		case a == "-c" || a == "--config":
			i++ // its value
		case !strings.HasPrefix(a, "-"):
			return a == "status" || a == "history"
		case !strings.HasPrefix(a, "-c") && !strings.HasPrefix(a, "--config="):
			return false
		}
	}
	return false
}

// parse fills grammar. done is true when help was asked for and printed.
func parse(grammar any, text string, args []string, stdout, stderr *os.File) (_ *kong.Context, done bool, err error) {
	parser, err := kong.New(grammar,
		kong.Name("replay"),
		kong.Description(text),
		kong.Writers(stdout, stderr),
		kong.Exit(func(int) { done = true }), // only --help exits; it has printed everything
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
	)
	if err != nil {
		return nil, false, fmt.Errorf("the command line's own grammar: %w", err)
	}
	parsed, err := parser.Parse(args)
	if done {
		return nil, true, nil
	}
	if err != nil {
		// Only its text: kong's errors ask for an exit code of their own.
		return nil, false, terminal.WithHint(errors.New(err.Error()), "replay --help")
	}
	return parsed, false, nil
}

// ansiQuote makes any bytes one word for bash, ksh, zsh and POSIX shells since
// 2024 (XCU section 2.2.4, dollar-single-quotes). What is not a printable ASCII
// character, a quote or a backslash, is written as its bytes: nothing a visitor
// sent can end the word.
func ansiQuote(s string) string {
	var b strings.Builder
	b.WriteString("$'")
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\'' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c > '~':
			// Octal: three digits at most, so that what follows is not read as more.
			fmt.Fprintf(&b, "\\%03o", c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('\'')
	return b.String()
}

// quote makes s one word for a shell, on one line.
func quote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=,@%+", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	if terminal.Clean(s) != s {
		return ansiQuote(s)
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
