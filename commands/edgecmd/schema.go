package edgecmd

import (
	"github.com/holdfast-edge/holdfast/configs"
	"github.com/holdfast-edge/holdfast/internal/terminal"
)

// schemaCmd is `edge schema`.
type schemaCmd struct{}

// Run prints the schema.
func (schemaCmd) Run(ui *terminal.UI) error {
	schema, err := configs.Schema()
	if err != nil {
		return err
	}
	_, err = ui.Out.Write(schema)
	return err
}
