package edgecmd

import (
	"bufio"
	"fmt"
	"time"

	"github.com/holdfast-edge/holdfast/accesslog"
	"github.com/holdfast-edge/holdfast/internal/terminal"
)

// How many rows of the table are aligned with each other, and how much of a
// request is shown.
const (
	tableBatch  = 200
	longRequest = 120 // runes
)

// tableWriter writes records as the rows of a table.
type tableWriter struct {
	w     *bufio.Writer
	table *terminal.Table
	zone  *time.Location
	shift int // seconds east of UTC that the header names
}

func newTableWriter(w *bufio.Writer, color, utc bool) *tableWriter {
	t := &tableWriter{w: w, zone: time.Local}
	if utc {
		t.zone = time.UTC
	}
	now := time.Now().In(t.zone)
	_, t.shift = now.Zone()
	t.table = terminal.NewTable(w, color, "TIME "+now.Format("-07:00"), "ID", "STATUS", "OUTCOME", "SITE", "APP", "TOOK", "BODY", "REQUEST").
		Right(2, 6, 7).Widths(len("2006-01-02 15:04:05.000"), accesslog.IDLength, 0, len("upstream_down"))
	return t
}

func (t *tableWriter) write(e *accesslog.Entry) error {
	at := e.Time.In(t.zone)
	layout := "2006-01-02 15:04:05.000"
	if _, shift := at.Zone(); shift != t.shift {
		layout += " -07:00" // the other side of a change to or from summer time
	}
	body := terminal.Bytes(e.Body.Bytes)
	switch {
	case e.Body.Truncated:
		body += " cut"
	case !e.Body.Complete && e.Body.Bytes > 0:
		body += " part"
	case e.Body.Bytes == 0:
		body = ""
	}
	t.table.Cells(
		terminal.Cell{Text: at.Format(layout), Color: terminal.Faint},
		terminal.Cell{Text: e.ID.String()},
		terminal.Cell{Text: fmt.Sprint(e.Status), Color: statusColor(e)},
		terminal.Cell{Text: e.Outcome.String(), Color: statusColor(e)},
		terminal.Cell{Text: dash(e.Site)},
		terminal.Cell{Text: dash(e.App)},
		terminal.Cell{Text: terminal.Duration(time.Duration(e.Duration))},
		terminal.Cell{Text: body},
		terminal.Cell{Text: clip(e.Request.Method+" "+e.Request.Host+e.Request.URI, longRequest)},
	)
	if t.table.Len() < tableBatch {
		return nil
	}
	return t.table.Flush()
}

func (t *tableWriter) flush() error {
	if t.table.Len() == 0 {
		return nil
	}
	if err := t.table.Flush(); err != nil {
		return err
	}
	return t.w.Flush()
}

// statusColor is green for what went well, yellow for what the client or the
// configuration may be blamed for, red for what the app may.
func statusColor(e *accesslog.Entry) terminal.Color {
	switch {
	case !e.Failed():
		return terminal.Green
	case e.Status >= 400 && e.Status < 500:
		return terminal.Yellow
	}
	return terminal.Red
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// clip shortens s to n runes.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}
