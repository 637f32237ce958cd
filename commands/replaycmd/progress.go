package replaycmd

import (
	"fmt"
	"time"

	"github.com/holdfast-edge/holdfast/internal/terminal"
	"github.com/holdfast-edge/holdfast/replay"
)

// progress shows on standard error how a run goes, and remembers an example of
// each ending for the report. It is a replay.Observer.
type progress struct {
	ui       *terminal.UI
	bar      *terminal.Progress
	done     int
	counts   map[replay.State]int
	examples map[replay.State]replay.Delivery
}

func newProgress(ui *terminal.UI, run string, concurrency, total int, config configFlag) *progress {
	flight := "the one in flight"
	if concurrency > 1 {
		flight = "those in flight"
	}
	ui.Notef("run %s   Ctrl-C stops after %s; continue with: %s", run, flight, config.replay("--resume", run))
	return &progress{
		ui: ui, bar: ui.Progress("", int64(total)),
		counts: map[replay.State]int{}, examples: map[replay.State]replay.Delivery{},
	}
}

func (p *progress) end() { p.bar.Done() }

// Settled implements replay.Observer.
func (p *progress) Settled(d replay.Delivery) {
	if p.counts[d.State]++; p.counts[d.State] == 1 {
		p.examples[d.State] = d
	}
	if d.State == replay.Pending {
		return
	}
	p.done++
	note := fmt.Sprintf("ok %s  rejected %s  unknown %s", number(p.counts[replay.Delivered]),
		number(p.counts[replay.Rejected]), number(p.counts[replay.Unknown]))
	if n := p.counts[replay.Failed]; n > 0 {
		note += "  failed " + number(n)
	}
	if n := p.counts[replay.Skipped]; n > 0 {
		note += "  skipped " + number(n)
	}
	p.bar.Set(int64(p.done), note)
}

// Canary implements replay.Observer.
func (p *progress) Canary(d replay.Delivery) {
	p.aside("  canary %s  %d in %s", terminal.Clean(d.App), d.Status, terminal.Duration(d.Duration))
}

// Waiting implements replay.Observer.
func (p *progress) Waiting(dest replay.Destination, pause time.Duration, why string) {
	p.aside("  %s is not there (%s); next try in %s", terminal.Clean(dest.String()), terminal.Clean(why), terminal.Duration(pause))
}

// Stopped implements replay.Observer.
func (p *progress) Stopped(s replay.Stop) {
	p.aside("  stopped sending to %s", terminal.Clean(s.Destination.String()))
}

func (p *progress) aside(format string, args ...any) {
	p.bar.Aside(func() { p.ui.Notef(format, args...) })
}
