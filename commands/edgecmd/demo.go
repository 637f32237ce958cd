package edgecmd

import (
	"os"

	"github.com/holdfast-edge/holdfast/commands/edgecmd/demo"
	"github.com/holdfast-edge/holdfast/internal/terminal"
)

// demoCmd is `edge demo`.
type demoCmd struct{}

// Run plays the demo.
func (demoCmd) Run(ui *terminal.UI) error { return demo.Run(ui, os.Args[0]) }
