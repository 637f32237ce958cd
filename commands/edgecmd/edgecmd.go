// Package edgecmd is the command line of edge: one file per verb.
//
// What a verb prints, to which stream, and when it asks or colours, follows the
// rules in internal/terminal; its exit code is in its help.
package edgecmd

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/holdfast-edge/holdfast/commands/live"
	"github.com/holdfast-edge/holdfast/internal/terminal"
)

// commands is edge's grammar.
type commands struct {
	Config configFlag       `short:"c" placeholder:"FILE" help:"Configuration file. Default: $$EDGE_CONFIG, ./edge.yaml, /etc/holdfast/edge.yaml."`
	Test   bool             `short:"t" help:"The same as validate."`
	Show   kong.VersionFlag `name:"version" help:"Print the version."`

	Run      runCmd      `cmd:"" help:"Serve, in the foreground."`
	Demo     demoCmd     `cmd:"" help:"See the accident and its repair, on loopback, in fifteen seconds."`
	Validate validateCmd `cmd:"" help:"Check the configuration file. Exit 0: valid, 1: not."`
	Explain  explainCmd  `cmd:"" help:"Say where a request goes, and which line decides. Exit 0: served, 1: refused."`
	Hosts    hostsCmd    `cmd:"" help:"List the hosts, and where they go."`
	Logs     logsCmd     `cmd:"" help:"Search the records, and follow them."`
	Schema   schemaCmd   `cmd:"" help:"Print the JSON Schema of the configuration file, for editors."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
}

// configFlag is the path given with -c, if any.
type configFlag string

// find says which configuration file it is.
func (c configFlag) find() (string, error) { return live.Find(string(c)) }

// Main runs the command line args (os.Args) and returns the exit code.
func Main(args []string, stdout, stderr, stdin *os.File) int {
	ui := terminal.New(stdout, stderr, stdin, os.LookupEnv)
	var grammar commands
	helped := false
	parser, err := kong.New(&grammar,
		kong.Name("edge"),
		kong.Description("An edge server that loses no request and can never send one to the wrong app."),
		kong.Writers(stdout, stderr),
		kong.Vars{"version": "edge " + version()},
		kong.Exit(func(int) { helped = true }), // only --help exits; it has printed everything
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true, WrapUpperBound: 100}),
	)
	if err != nil {
		return ui.Exit(fmt.Errorf("the command line's own grammar: %w", err))
	}
	parsed, err := parser.Parse(testFlag(args[1:]))
	switch {
	case helped:
		return terminal.ExitOK
	case err != nil:
		// As text: kong's error asks for an exit code of its own.
		return ui.Exit(terminal.WithHint(errors.New(err.Error()), "%s", helpFor(args[1:], parser)))
	}
	return ui.Exit(parsed.Run(ui, grammar.Config))
}

// testFlag turns `edge -t` and `edge -t -c FILE`, as people type it to other
// servers, into `edge validate`. It looks only in front of the verb.
func testFlag(args []string) []string {
	for i := 0; i < len(args); i++ {
		switch a := args[i]; {
		case a == "-t" || a == "--test":
			return append(append([]string{"validate"}, args[:i]...), args[i+1:]...)
		case a == "-tc" || strings.HasPrefix(a, "-tc"):
			rest := append([]string{"validate"}, args[:i]...)
			return append(append(rest, "-c"+strings.TrimPrefix(a, "-tc")), args[i+1:]...)
		case a == "-c" || a == "--config":
			i++ // its value
		case !strings.HasPrefix(a, "-"):
			return args // a verb
		}
	}
	return args
}

// helpFor is the help command that fits what was typed.
func helpFor(args []string, parser *kong.Kong) string {
	for _, a := range args {
		for _, verb := range parser.Model.Children {
			if a == verb.Name {
				return "edge " + verb.Name + " --help"
			}
		}
	}
	return "edge --help"
}
