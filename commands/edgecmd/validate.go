package edgecmd

import (
	"fmt"
	"time"

	"github.com/holdfast-edge/holdfast/commands/live"
	"github.com/holdfast-edge/holdfast/configs"
	"github.com/holdfast-edge/holdfast/internal/terminal"
	tlsgate "github.com/holdfast-edge/holdfast/tls"
)

// validateCmd is `edge validate`, and `edge -t`.
type validateCmd struct{}

// Run loads the file and says that it is valid; what is wrong is its error.
func (validateCmd) Run(ui *terminal.UI, config configFlag) error {
	path, err := config.find()
	if err != nil {
		return err
	}
	cfg, err := live.Load(path)
	if err != nil {
		return err
	}
	if err := live.Problems(ui.Err, ui.ColorErr(), cfg.Warnings); err != nil {
		return err
	}
	hosts := 0
	for _, s := range cfg.Sites {
		hosts += len(s.Hosts)
	}
	ui.Printf("%s: %s: %s, %s, %s%s; generation %s\n", terminal.Clean(path), ui.Paint(terminal.Green, "valid"),
		count(len(cfg.Sites), "site"), count(hosts, "host"), count(len(cfg.Apps), "app"), certificates(cfg), cfg.Generation())
	return nil
}

// count is "1 site", "2 sites".
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%s %ss", terminal.Number(int64(n)), thing)
}

// certificates says how many there are and when the first one ends; "" without any.
func certificates(cfg *configs.Config) string {
	ends := make(map[tlsgate.Files]time.Time)
	var first time.Time
	for i := range cfg.Sites {
		c := cfg.Sites[i].Certificate
		if c == nil || c.Pair == nil {
			continue
		}
		end := c.Pair.Leaf.NotAfter
		ends[c.Files] = end
		if first.IsZero() || end.Before(first) {
			first = end
		}
	}
	if len(ends) == 0 {
		return ""
	}
	how := "valid until"
	if len(ends) > 1 {
		how = "the first ends on"
	}
	return fmt.Sprintf(", %s (%s %s)", count(len(ends), "certificate"), how, first.UTC().Format(time.DateOnly))
}
