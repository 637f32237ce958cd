package edgecmd

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/holdfast-edge/holdfast/commands/live"
	"github.com/holdfast-edge/holdfast/commands/owner"
	"github.com/holdfast-edge/holdfast/edge"
	"github.com/holdfast-edge/holdfast/internal/terminal"
)

// runCmd is `edge run`.
type runCmd struct{}

// Run serves until a signal ends it; signals are the edge's own business.
func (runCmd) Run(ui *terminal.UI, config configFlag) error {
	edge.EaseTimers()
	path, err := config.find()
	if err != nil {
		return err
	}
	err = edge.Run(context.Background(), edge.Options{
		ConfigPath: path,
		Stderr:     os.Stderr,
		Terminal:   ui.ErrTerminal,
		Version:    version(),
		BeforeData: func(dir string) error {
			if err := owner.Switch(dir); !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			return nil // it is made, for this user
		},
	})
	return live.Wrap(path, err)
}
