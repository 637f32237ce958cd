package edgecmd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/accesslog"
	"github.com/holdfast-edge/holdfast/commands/owner"
	"github.com/holdfast-edge/holdfast/configs"
	"github.com/holdfast-edge/holdfast/edge/http1"
	"github.com/holdfast-edge/holdfast/internal/terminal"
	"github.com/holdfast-edge/holdfast/replay"
	"github.com/holdfast-edge/holdfast/routing"
)

// record explains a recorded request: where it went, and where it would go now.
func (c *explainCmd) record(ui *terminal.UI, cfg *configs.Config) error {
	if err := owner.Switch(cfg.Data); err != nil {
		return err
	}
	reader, err := accesslog.OpenReader(cfg.Data)
	if err != nil {
		return err
	}
	e, err := findRecord(ui, reader, strings.ToUpper(c.ID))
	if err != nil {
		return err
	}
	if e.Request.Cut {
		if e, err = wholeRecord(reader, cfg, e); err != nil {
			return err
		}
	}
	d := replay.Today(cfg, e)
	ui.Printf("record    %s  %s  %s\n\n", e.ID, e.Time.Local().Format("2006-01-02 15:04:05.000 -07:00"),
		terminal.Clean(e.Request.Method+" http://"+e.Request.Host+e.Request.URI))

	place := d.Origin.String()
	if d.Origin.Line == 0 {
		place = "no line names it"
	}
	site := "no site"
	if d.Site != nil {
		site = d.Site.Name
	}
	remark, color := change(cfg, e, d)
	t := ui.Table()
	t.Row("then", e.Generation, wentTo(e), fmt.Sprintf("(%s)", howItEnded(e)))
	t.Cells(terminal.Cell{Text: "today"}, terminal.Cell{Text: cfg.Generation()}, terminal.Cell{Text: site + " -> " + answerOf(cfg, d)},
		terminal.Cell{Text: "(" + place + ")"}, terminal.Cell{Text: remark, Color: color})
	if err := t.Flush(); err != nil {
		return err
	}
	if d.Verdict != routing.Served {
		return exitRefused
	}
	return nil
}

// wholeRecord gives a record whose request line was cut in the log its whole one.
func wholeRecord(reader *accesslog.Reader, cfg *configs.Config, e *accesslog.Entry) (*accesslog.Entry, error) {
	keys, err := accesslog.LoadKeys(accesslog.KeysDir(cfg.Data))
	if err != nil {
		return nil, err
	}
	opened, err := reader.Open(e, keys)
	if err != nil {
		return nil, fmt.Errorf("the request line in the log is not the whole one: %w", err)
	}
	whole, err := replay.Whole(e, opened.Head, http1.Named)
	return whole, errors.Join(err, closeBody(opened.Body))
}

// findRecord finds the one record whose id begins so.
func findRecord(ui *terminal.UI, reader *accesslog.Reader, id string) (*accesslog.Entry, error) {
	progress := ui.Progress("searching", 0)
	defer progress.Done()
	var found []*accesslog.Entry
	enough := errors.New("enough")
	_, err := reader.Scan(context.Background(), accesslog.Filter{IDs: []string{id}}, func(e *accesslog.Entry) error {
		if found = append(found, e); len(found) > 5 {
			return enough
		}
		return nil
	})
	if err != nil && !errors.Is(err, enough) {
		return nil, err
	}
	switch len(found) {
	case 0:
		return nil, terminal.WithHint(fmt.Errorf("no record has the id %s", terminal.Clean(id)), "edge logs shows the ids of what is there")
	case 1:
		return found[0], nil
	}
	ids := make([]string, len(found))
	for i, e := range found {
		ids[i] = e.ID.String()
	}
	return nil, terminal.WithHint(fmt.Errorf("more than one record has an id that begins with %s", terminal.Clean(id)), "among them %s", strings.Join(ids, ", "))
}

// wentTo says where a recorded request went.
func wentTo(e *accesslog.Entry) string {
	site := e.Site
	if site == "" {
		site = "no site"
	}
	switch {
	case e.App != "":
		return site + " -> app " + e.App
	case refused(e):
		return site + " -> refused"
	}
	return site + " -> answered by the edge"
}

// howItEnded says who answered a recorded request, and what.
func howItEnded(e *accesslog.Entry) string {
	text := fmt.Sprintf("%d, %s", e.Status, e.Outcome)
	if e.Upstream != "" {
		text = e.Upstream + ": " + text
	}
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	return text + " in " + terminal.Duration(time.Duration(e.Duration))
}

// refused reports whether the edge let no app see the request.
func refused(e *accesslog.Entry) bool {
	switch e.Outcome {
	case accesslog.NoRoute, accesslog.SNIMismatch, accesslog.Rejected:
		return e.App == ""
	}
	return false
}

// change compares today's decision with what happened then.
func change(cfg *configs.Config, e *accesslog.Entry, d routing.Decision) (string, terminal.Color) {
	switch served := d.Verdict == routing.Served; {
	case replay.Misrouted(cfg, e, d) && refused(e):
		return "would be served: misrouted then", terminal.Yellow
	case replay.Misrouted(cfg, e, d):
		return "would go elsewhere: misrouted", terminal.Yellow
	case refused(e) && !served:
		return "would be refused again", terminal.Plain
	case !served:
		return "would be refused", terminal.Red
	case d.App != e.App && d.App != "" && e.App != "":
		return "another app, the same upstream", terminal.Plain
	case d.App != e.App:
		return "would be answered otherwise", terminal.Plain
	}
	return "the same", terminal.Plain
}
