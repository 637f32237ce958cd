package replaycmd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-edge/holdfast/commands/live"
	"github.com/holdfast-edge/holdfast/commands/owner"
	"github.com/holdfast-edge/holdfast/internal/terminal"
	"github.com/holdfast-edge/holdfast/replay"
)

// historyCmd is `replay history`.
type historyCmd struct {
	JSON bool `name:"json" help:"JSON lines."`
	UTC  bool `name:"utc" help:"Times in UTC."`
}

// statusCmd is `replay status`.
type statusCmd struct {
	Name string `arg:"" optional:"" name:"run" help:"The run; default: the last one."`
	JSON bool   `name:"json" help:"As JSON."`
	UTC  bool   `name:"utc" help:"Times in UTC."`
}

// shownStates are the states a run's requests are counted by, in order.
var shownStates = [...]replay.State{replay.Delivered, replay.Rejected, replay.Unknown, replay.Failed, replay.Skipped, replay.Pending}

// openLedger reads the ledger as the data's owner.
func openLedger(config configFlag) (*replay.Ledger, error) {
	path, err := live.Find(string(config))
	if err != nil {
		return nil, err
	}
	cfg, _, err := live.Config(context.Background(), path, live.Any)
	if err != nil {
		return nil, live.Wrap(path, err)
	}
	if err := owner.Switch(cfg.Data); err != nil {
		return nil, err
	}
	return replay.ReadLedger(cfg.Data)
}

// tally counts the requests of a run by the state they are in now. What another
// run has delivered is counted apart: no request is delivered twice.
type tally struct {
	states    map[replay.State]int
	elsewhere int
	requests  int
}

func standings(l *replay.Ledger, run string) (tally, error) {
	ids, err := l.Planned(run)
	if err != nil {
		return tally{}, err
	}
	t := tally{states: map[replay.State]int{}, requests: len(ids)}
	for _, id := range ids {
		if s := l.Of(id); s.State == replay.Delivered && s.Run != run {
			t.elsewhere++
		} else {
			t.states[s.State]++
		}
	}
	return t, nil
}

// state says in a word how a run stands.
func state(r *replay.RunInfo) string {
	switch {
	case !r.Begun:
		return "never began"
	case r.Ended.IsZero():
		return "running, or cut off"
	}
	return r.Reason
}

// Run lists the runs.
func (c *historyCmd) Run(ui *terminal.UI, config configFlag) error {
	l, err := openLedger(config)
	if err != nil {
		return err
	}
	runs := l.Runs()
	if len(runs) == 0 && !c.JSON {
		ui.Notef("There was no replay yet.")
		return nil
	}
	t := ui.Table("RUN", "STARTED", "STATE", "REQUESTS", "DELIVERED", "REJECTED", "UNKNOWN", "FAILED", "SKIPPED", "PENDING", "OTHER RUN").Right(3, 4, 5, 6, 7, 8, 9, 10)
	for i := range runs {
		r := &runs[i]
		sums, err := standings(l, r.Run)
		if err != nil {
			return err
		}
		if c.JSON {
			if err := writeJSON(ui.Out, runJSON(r, sums)); err != nil {
				return err
			}
			continue
		}
		row := []string{r.Run, at(r.Started, c.UTC), state(r), number(sums.requests)}
		for _, s := range shownStates {
			row = append(row, number(sums.states[s]))
		}
		row = append(row, number(sums.elsewhere))
		t.Row(row...)
	}
	if c.JSON {
		return nil
	}
	return t.Flush()
}

// Run says how one run stands.
func (c *statusCmd) Run(ui *terminal.UI, config configFlag) error {
	l, err := openLedger(config)
	if err != nil {
		return err
	}
	r, err := l.Run(c.Name)
	if errors.Is(err, replay.ErrNoRun) {
		return terminal.WithHint(err, "%s lists the runs", config.replay("history"))
	}
	if err != nil {
		return err
	}
	sums, err := standings(l, r.Run)
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(ui.Out, runJSON(&r, sums))
	}
	ui.Printf("run      %s, started %s: %s\n", r.Run, at(r.Started, c.UTC), state(&r))
	ui.Printf("chosen   %s\n\n", terminal.Clean(config.replay(r.Selection...)))
	for _, s := range shownStates {
		ui.Printf("%-9s %7s\n", s, number(sums.states[s]))
	}
	if sums.elsewhere > 0 {
		ui.Printf("%-9s %7s   delivered by another run since\n", "elsewhere", number(sums.elsewhere))
	}
	ui.Printf("%17s\n%-9s %7s\n", "-----", "sum", number(sums.requests))
	if sums.states[replay.Pending]+sums.states[replay.Failed]+sums.states[replay.Skipped] > 0 {
		ui.Printf("next     %s    sends what was not sent, and nothing twice\n", config.replay("--resume", r.Run))
	}
	if sums.states[replay.Unknown] > 0 {
		ui.Printf("next     %s    when the app can tell duplicates apart\n", config.replay("--resume", r.Run, "--resend-unknown"))
	}
	return nil
}

func runJSON(r *replay.RunInfo, sums tally) map[string]any {
	out := map[string]any{
		"run": r.Run, "started": r.Started, "ended": instant(r.Ended), "state": state(r), "selection": r.Selection,
		"generation": r.Generation, "target": r.Target, "resumed": r.Resumed, "requests": sums.requests,
		"delivered_by_other_runs": sums.elsewhere,
	}
	for _, s := range shownStates {
		out[s.String()] = sums.states[s]
	}
	return out
}

func at(t time.Time, utc bool) string {
	if utc {
		t = t.UTC()
	} else {
		t = t.Local()
	}
	return fmt.Sprint(t.Format("2006-01-02 15:04:05 -07:00"))
}
