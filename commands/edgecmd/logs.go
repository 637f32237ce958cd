package edgecmd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast-edge/holdfast/accesslog"
	"github.com/holdfast-edge/holdfast/commands/live"
	"github.com/holdfast-edge/holdfast/commands/owner"
	"github.com/holdfast-edge/holdfast/commands/query"
	"github.com/holdfast-edge/holdfast/internal/terminal"
)

// logsCmd is `edge logs`.
type logsCmd struct {
	query.Flags
	Upstream []string `placeholder:"ADDRESS" help:"Upstream that answered, host:port."`
	Client   []string `placeholder:"ADDRESS" help:"Client address, its beginning, or a CIDR."`
	Match    []string `placeholder:"KIND" help:"How the host was found: exact, wildcard, none."`

	Last    *int     `short:"n" name:"n" placeholder:"N" help:"Only the last N of them; 0 shows none, which makes sense with --follow."`
	Follow  bool     `help:"Then go on with new records as they are written; without --since and -n, after the last 10."`
	Payload bool     `help:"With the recorded body and the raw headers; needs the key. JSON only."`
	Key     []string `placeholder:"FILE" help:"Private key that opens payloads. Default: those in data/keys."`
	Format  string   `placeholder:"FORMAT" enum:"table,json,combined," default:"" help:"table (default on a terminal), json (default elsewhere), combined."`
	JSON    bool     `name:"json" help:"The same as --format json."`
	UTC     bool     `name:"utc" help:"Times in the table in UTC."`
}

// format is the format that was asked for, or fits the output.
func (c *logsCmd) format(terminal bool) (string, error) {
	f := c.Format
	if c.JSON {
		if f != "" && f != "json" {
			return "", fmt.Errorf("--json and --format %s exclude each other", f)
		}
		f = "json"
	}
	if c.Payload {
		if f != "" && f != "json" {
			return "", fmt.Errorf("--payload is shown as JSON only, not as %s", f)
		}
		f = "json"
	}
	switch {
	case f != "":
	case terminal:
		f = "table"
	default:
		f = "json"
	}
	return f, nil
}

// filter is everything the flags select.
func (c *logsCmd) filter(now time.Time) (accesslog.Filter, error) {
	f, err := c.Flags.Filter(now)
	if err != nil {
		return f, err
	}
	f.Upstreams, f.Clients, f.Match = query.Upstreams(c.Upstream), c.Client, c.Match
	switch {
	case c.Last != nil && *c.Last < 0:
		return f, fmt.Errorf("-n %d: a number of records is 0 or more", *c.Last)
	case c.Last != nil:
		f.Last = *c.Last
	case c.Follow && c.Since != "":
		f.Last = math.MaxInt // all that is there, first
	case c.Follow:
		f.Last = 10
	}
	return f, f.Check()
}

// Run searches.
func (c *logsCmd) Run(ui *terminal.UI, config configFlag) error {
	format, err := c.format(ui.OutTerminal)
	if err != nil {
		return err
	}
	filter, err := c.filter(time.Now())
	if err != nil {
		return err
	}
	// An interrupt ends a search and --follow in an orderly way. A closed pipe
	// (edge logs | head) ends the process at once, as for every filter.
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	reader, keys, err := c.open(ctx, ui, config)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(ui.Out, 64<<10)
	var lines writer
	switch format {
	case "table":
		lines = newTableWriter(out, ui.ColorOut(), c.UTC)
	case "combined":
		lines = combinedWriter{out}
	default:
		lines = &jsonWriter{w: out, reader: reader, keys: keys, payload: c.Payload}
	}
	err = c.search(ctx, ui, reader, filter, lines)
	err = errors.Join(err, lines.flush(), out.Flush())
	if j, ok := lines.(*jsonWriter); ok {
		err = errors.Join(err, j.missed())
	}
	if c.Follow && errors.Is(err, context.Canceled) {
		return nil // that is how following ends
	}
	return err
}

// open finds the store and gives up root's rights.
func (c *logsCmd) open(ctx context.Context, ui *terminal.UI, config configFlag) (*accesslog.Reader, accesslog.Keys, error) {
	var keys accesslog.Keys
	path, err := config.find()
	if err != nil {
		return nil, keys, err
	}
	cfg, origin, err := live.Config(ctx, path, live.Any)
	if err != nil {
		return nil, keys, err
	}
	ui.Notef("config   %s", terminal.Clean(origin.Describe(time.Now())))
	if len(c.Key) > 0 { // before root's rights are gone: a key may be root's
		if keys, err = accesslog.LoadKeys(c.Key...); err != nil {
			return nil, keys, err
		}
	}
	if err := owner.Switch(cfg.Data); err != nil {
		return nil, keys, err
	}
	if c.Payload && len(c.Key) == 0 {
		if keys, err = accesslog.LoadKeys(accesslog.KeysDir(cfg.Data)); err != nil {
			return nil, keys, err
		}
	}
	reader, err := accesslog.OpenReader(cfg.Data)
	return reader, keys, err
}

// search writes what is there, and with --follow what comes.
func (c *logsCmd) search(ctx context.Context, ui *terminal.UI, reader *accesslog.Reader, filter accesslog.Filter, lines writer) error {
	if !c.Follow && c.Last != nil && *c.Last == 0 {
		return nil // none of them
	}
	progress := ui.Progress("searching", 0)
	defer progress.Done()
	shown := false
	write := func(e *accesslog.Entry) error {
		if !shown {
			shown = true
			progress.Done() // the lines themselves show that it goes on
		}
		return lines.write(e)
	}
	if c.Follow {
		progress.Done()
		return reader.Follow(ctx, filter, func(e *accesslog.Entry) error {
			return errors.Join(write(e), lines.flush())
		})
	}
	stats, err := reader.Scan(ctx, filter, write)
	progress.Done()
	switch {
	case err != nil:
		return err
	case stats.Skipped > 0:
		ui.Warnf("%s could not be read and left out", count(int(stats.Skipped), "line"))
	case !shown && ui.ErrTerminal:
		ui.Notef("no record matches; %s searched", count(int(stats.Records), "record"))
	}
	return nil
}

// A writer shows records.
type writer interface {
	write(e *accesslog.Entry) error
	flush() error
}

// combinedWriter writes the Apache combined format.
type combinedWriter struct{ w *bufio.Writer }

func (c combinedWriter) write(e *accesslog.Entry) error { return accesslog.WriteCombined(c.w, e) }
func (c combinedWriter) flush() error                   { return c.w.Flush() }

// jsonWriter writes a JSON object a line, with the payload if that is asked for.
type jsonWriter struct {
	w       *bufio.Writer
	reader  *accesslog.Reader
	keys    accesslog.Keys
	payload bool

	unopened int // payloads that could not be opened
	first    error
}

func (j *jsonWriter) flush() error { return j.w.Flush() }

// missed says what could not be opened: those lines are there without it.
func (j *jsonWriter) missed() error {
	if j.first == nil {
		return nil
	}
	return fmt.Errorf("payloads that could not be opened: %d, the first: %w", j.unopened, j.first)
}

func (j *jsonWriter) write(e *accesslog.Entry) error {
	if !j.payload || !e.Captured() {
		return accesslog.WriteJSON(j.w, e)
	}
	opened, err := j.reader.Open(e, j.keys)
	if err != nil {
		if id := e.ID.String(); !strings.Contains(err.Error(), id) {
			err = fmt.Errorf("record %s: %w", id, err)
		}
		if errors.Is(err, accesslog.ErrNoKey) {
			err = terminal.WithHint(err, "--key FILE names the private key; it may have been moved off this machine")
		}
		if j.keys.Empty() {
			return err // none will open
		}
		if j.unopened++; j.first == nil {
			j.first = err
		}
		return accesslog.WriteJSON(j.w, e)
	}
	return errors.Join(accesslog.WritePayloadJSON(j.w, e, opened), closeBody(opened.Body))
}

func closeBody(body io.Closer) error {
	if body == nil {
		return nil
	}
	return body.Close()
}
