package replaycmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast-edge/holdfast/accesslog"
	"github.com/holdfast-edge/holdfast/commands/live"
	"github.com/holdfast-edge/holdfast/commands/owner"
	"github.com/holdfast-edge/holdfast/configs"
	"github.com/holdfast-edge/holdfast/edge/http1"
	"github.com/holdfast-edge/holdfast/edge/resend"
	"github.com/holdfast-edge/holdfast/internal/terminal"
	"github.com/holdfast-edge/holdfast/replay"
)

// job is one call of replay on its way.
type job struct {
	*sendCmd
	ui     *terminal.UI
	config configFlag
	out    io.Writer // for text: standard output, or standard error beside JSON
	color  bool      // of out

	cfg    *configs.Config
	origin live.Origin
	keys   accesslog.Keys
	reader *accesslog.Reader
	ledger *replay.Ledger
	resume replay.RunInfo // of --resume

	rate        float64
	concurrency int
	plan        *replay.Plan
}

// Run selects, shows, asks, sends and reports.
func (c *sendCmd) Run(ui *terminal.UI, config configFlag) error {
	if err := c.check(); err != nil {
		return err
	}
	j := &job{sendCmd: c, ui: ui, config: config, out: ui.Out, color: ui.ColorOut()}
	if c.JSON {
		j.out, j.color = ui.Err, ui.ColorErr()
	}
	// Until something is sent an interrupt simply ends the command.
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := j.open(ctx); err != nil {
		return err
	}
	defer j.ledger.Close()
	if err := j.choose(ctx); err != nil {
		return err
	}
	switch {
	case c.List != "":
		return j.list()
	case c.JSON && (c.DryRun || c.Yes):
		// Somebody's program reads this: the summary comes as JSON.
	default:
		if err := j.summary(); err != nil {
			return err
		}
	}
	switch {
	case c.DryRun:
		return j.dryRun()
	case len(j.plan.Items) == 0:
		return j.finish(nil, "", replay.Report{})
	}
	yes, err := j.ask()
	if err != nil {
		return err
	}
	if !yes {
		ui.Notef("Nothing was sent.")
		return exitRemain
	}
	return j.send(ctx)
}

// open finds the configuration, gives up root's rights, and opens the data.
func (j *job) open(ctx context.Context) error {
	path, err := live.Find(string(j.config))
	if err != nil {
		return err
	}
	if j.cfg, j.origin, err = live.Config(ctx, path, j.from()); err != nil {
		return live.Wrap(path, err)
	}
	if j.origin.Silent && j.from() == live.Any { // what it serves may not be what the file says
		return terminal.WithHint(errors.New(j.origin.Reason), "decide by the file: --config-from file")
	}
	if len(j.Key) > 0 { // before root's rights are gone: a key may be root's
		if j.keys, err = accesslog.LoadKeys(j.Key...); err != nil {
			return err
		}
	}
	if err := owner.Switch(j.cfg.Data); err != nil {
		return err
	}
	if len(j.Key) == 0 {
		if j.keys, err = accesslog.LoadKeys(accesslog.KeysDir(j.cfg.Data)); err != nil {
			return err
		}
	}
	if j.reader, err = accesslog.OpenReader(j.cfg.Data); err != nil {
		return err
	}
	if j.DryRun || j.List != "" {
		j.ledger, err = replay.ReadLedger(j.cfg.Data)
	} else {
		j.ledger, err = replay.OpenLedger(j.cfg.Data)
	}
	if err != nil {
		return err
	}
	for _, d := range j.ledger.Damage() {
		j.ui.Warnf("%v", d)
	}
	return nil
}

// choose makes the plan.
func (j *job) choose(ctx context.Context) error {
	s := replay.Selection{
		Records: j.reader, Keys: j.keys, Head: http1.Named, Ledger: j.ledger, Limit: j.Limit, List: j.List != "", Location: j.location(),
		Rules: replay.Rules{
			Config: j.cfg, Target: j.Target, Named: j.named(),
			Misrouted: j.Misrouted, ResendUnknown: j.ResendUnknown,
		},
	}
	j.concurrency = cmp.Or(j.Concurrency, defaultConcurrency)
	j.rate, _ = parseRate(j.Rate) // check has read it
	var err error
	if j.Resume != "" {
		err = j.continued(&s)
	} else {
		s.Filter, err = j.filter(time.Now().In(j.location()))
	}
	if err != nil {
		return err
	}
	j.Target = s.Rules.Target
	progress := j.ui.Progress("searching", 0)
	defer progress.Done()
	s.Looked = func(n int64) { progress.Set(n, "") }
	if j.plan, err = s.Plan(ctx); err != nil {
		return err
	}
	progress.Done()
	if n := j.plan.Stats.Skipped; n > 0 {
		j.ui.Warnf("%s of the log could not be read and were left out", count(int(n), "line"))
	}
	return nil
}

// continued makes the selection that of the run to resume. How fast, and where
// to, is as it was unless it is said anew.
func (j *job) continued(s *replay.Selection) error {
	info, err := j.ledger.Run(j.Resume)
	if errors.Is(err, replay.ErrNoRun) {
		return terminal.WithHint(err, "%s lists the runs", j.config.replay("history"))
	}
	if err != nil {
		return err
	}
	if !info.Begun {
		return terminal.WithHint(fmt.Errorf("run %s ended before its plan was written; nothing of it was sent", info.Run),
			"start it again: %s", j.config.replay(info.Selection...))
	}
	if s.Only, err = j.ledger.Planned(info.Run); err != nil {
		return err
	}
	s.Rules.Continue = true
	j.resume = info
	if s.Rules.Target == "" {
		s.Rules.Target = info.Target
	}
	if j.Rate == "" {
		j.rate = info.Rate
	}
	if j.Concurrency == 0 {
		j.concurrency = max(1, info.Concurrency)
	}
	return nil
}

// ask asks whether to send.
func (j *job) ask() (bool, error) {
	if j.Yes {
		return true, nil
	}
	var to []string
	for i, d := range j.plan.Destinations {
		name := terminal.Clean(d.String())
		if len(j.plan.Destinations) > 1 {
			name += " (" + number(j.plan.PerDest[i]) + ")"
		}
		if to = append(to, name); i == 4 && len(j.plan.Destinations) > 5 {
			to = append(to, fmt.Sprintf("%d more", len(j.plan.Destinations)-5))
			break
		}
	}
	list := to[0]
	if n := len(to); n > 1 {
		list = strings.Join(to[:n-1], ", ") + " and " + to[n-1]
	}
	yes, err := j.ui.Confirm(fmt.Sprintf("Send %s to %s?", count(len(j.plan.Items), "request"), list))
	if errors.Is(err, terminal.ErrNobody) {
		err = terminal.WithHint(err, "look at the summary (--dry-run shows more of it), then add --yes")
	}
	return yes, err
}

// send writes the run into the ledger and sends.
func (j *job) send(ctx context.Context) error {
	run, err := j.begin()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := j.interrupts(cancel)
	defer stop.end()

	sender := resend.New(j.cfg)
	defer sender.Close()
	var observer interface {
		replay.Observer
		end()
	}
	p := newProgress(j.ui, run.Name(), j.concurrency, len(j.plan.Items), j.config)
	observer = p
	if j.JSON {
		observer = &jsonLines{progress: p, w: j.ui.Out, run: run.Name()}
	}
	archive := replay.NewArchive(j.reader, j.keys, j.plan)
	defer archive.Close()
	engine := replay.Engine{
		Sender: sender, Payloads: archive, Book: run, Observer: observer,
		Destinations: j.plan.Destinations, Options: replay.Options{Rate: j.rate, Concurrency: j.concurrency, Redirects: j.RedirectsOK},
	}
	report, err := engine.Run(ctx, j.plan.Items, stop.first)
	observer.end()
	reason := "done"
	switch {
	case report.Interrupted:
		reason = "interrupted"
	case len(report.Stops) > 0:
		reason = "stopped"
	}
	if err == nil {
		err = run.Close(time.Now(), reason)
	}
	if err != nil {
		return terminal.WithHint(err, "the disk may be full or failing; when it is well again: %s", j.config.replay("--resume", run.Name()))
	}
	return j.finish(p, run.Name(), report)
}

func (j *job) begin() (*replay.Run, error) {
	now := time.Now()
	if j.Resume != "" {
		return j.ledger.Resume(j.resume.Run, j.cfg.Path, j.cfg.Generation(), now)
	}
	ids := make([]accesslog.ID, len(j.plan.Items))
	for i, item := range j.plan.Items {
		ids[i] = item.ID
	}
	return j.ledger.Begin(replay.Header{
		Started: now, Config: j.cfg.Path, Generation: j.cfg.Generation(), Selection: j.selection(),
		Target: j.Target, Rate: j.rate, Concurrency: j.concurrency,
	}, ids)
}

// interrupts watches for Ctrl-C, SIGTERM and, unless it is ignored as nohup does,
// SIGHUP: a terminal that closed. The first closes first: what is in
// flight is waited for. The second cuts it off.
type interrupts struct {
	first chan struct{}
	end   func()
}

func (j *job) interrupts(cut context.CancelFunc) interrupts {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(signals, syscall.SIGHUP)
	}
	first, quit, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-signals:
			close(first)
		case <-quit:
			return
		}
		select {
		case <-signals:
			cut()
		case <-quit:
		}
	}()
	return interrupts{first: first, end: func() {
		signal.Stop(signals)
		close(quit)
		<-ended
	}}
}
