package replaycmd

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/accesslog"
	"github.com/holdfast-edge/holdfast/commands/live"
	"github.com/holdfast-edge/holdfast/commands/query"
	"github.com/holdfast-edge/holdfast/configs"
	"github.com/holdfast-edge/holdfast/internal/terminal"
	"github.com/holdfast-edge/holdfast/replay"
)

// sendCmd is replay itself.
type sendCmd struct {
	query.Flags
	Misrouted bool   `help:"Also what was answered 2xx or 3xx by another app than today's."`
	Limit     int    `placeholder:"N" help:"Send at most N, the oldest."`
	Resume    string `placeholder:"RUN" help:"Continue a run: the same requests, those that are not delivered yet."`

	Target      string   `placeholder:"URL" help:"Send all of them to this server (http://host:port, https://host:port or unix:PATH), whatever the routes say."`
	ConfigFrom  string   `placeholder:"WHERE" help:"Decide by the running edge's configuration (live) or the file. Default: live if one runs."`
	Rate        string   `placeholder:"N/s" help:"How fast: 20/s (default), 600/m, or none for no limit."`
	Concurrency int      `placeholder:"N" help:"How many at a time (default 1, which keeps their order)."`
	Key         []string `placeholder:"FILE" help:"Private key that opens payloads. Default: those in data/keys."`

	RedirectsOK   bool   `name:"redirects-ok" help:"Answers of 3xx are how these apps say yes: go on when the first 20 are."`
	ResendUnknown bool   `help:"Also what may have arrived before: for apps that can tell duplicates apart."`
	List          string `placeholder:"WHAT" help:"List what cannot be resent (unreplayable), and send nothing."`
	DryRun        bool   `help:"Show what would be sent, and send nothing."`
	JSON          bool   `name:"json" help:"JSON lines: an object per request, then a summary."`
	Yes           bool   `short:"y" help:"Do not ask."`
	UTC           bool   `name:"utc" help:"Times in UTC."`
}

const (
	defaultRate        = 20.0
	defaultConcurrency = 1
)

// check finds mistakes in the flags before anything is opened.
func (c *sendCmd) check() error {
	named := c.Since != "" || len(c.ID) > 0 || len(c.Generation) > 0
	switch {
	case !named && c.Resume == "":
		return terminal.WithHint(errors.New("which requests? one of --since, --id, --generation, --resume is needed"),
			"replay --since 2h --dry-run shows what failed in the last two hours and sends nothing")
	case c.Resume != "" && (named || c.filtered()):
		return terminal.WithHint(errors.New("--resume takes the requests of its run, and no other filter"), "replay --resume %s", quote(c.Resume))
	case c.List != "" && c.List != "unreplayable":
		return terminal.WithHint(fmt.Errorf("--list: there is no list of %q", terminal.Clean(c.List)), "--list unreplayable")
	case c.ConfigFrom != "" && c.ConfigFrom != string(live.Live) && c.ConfigFrom != string(live.File):
		return fmt.Errorf("--config-from: it is live or file, not %q", terminal.Clean(c.ConfigFrom))
	case c.Limit < 0:
		return fmt.Errorf("--limit %d: a number of requests is above 0", c.Limit)
	case c.Concurrency < 0:
		return fmt.Errorf("--concurrency %d: a number of requests is above 0", c.Concurrency)
	}
	if _, err := parseRate(c.Rate); err != nil {
		return err
	}
	if _, err := c.filter(time.Now().In(c.location())); err != nil {
		return err
	}
	var err error
	c.Target, err = parseTarget(c.Target)
	return err
}

// filtered reports whether a filter is given that narrows what --since says.
func (c *sendCmd) filtered() bool {
	return c.Until != "" || len(c.Host)+len(c.Site)+len(c.App)+len(c.Path)+len(c.Method)+len(c.Status)+len(c.Outcome) > 0 || c.Misrouted
}

// filter is what the flags select among the records.
func (c *sendCmd) filter(now time.Time) (accesslog.Filter, error) {
	f, err := c.Flags.Filter(now)
	if err != nil {
		return f, err
	}
	for i, id := range f.IDs {
		f.IDs[i] = strings.ToUpper(id)
	}
	return f, nil
}

// named says what the filters name.
func (c *sendCmd) named() replay.Named {
	return replay.Named{
		ID: len(c.ID) > 0, Method: len(c.Method) > 0, Answer: len(c.Status)+len(c.Outcome) > 0,
		Request: len(c.Host)+len(c.Site)+len(c.Path) > 0,
	}
}

// selection is the filters as they were typed, for the ledger and for hints.
func (c *sendCmd) selection() []string {
	var out []string
	one := func(flag, v string) {
		if v != "" {
			out = append(out, flag, v)
		}
	}
	many := func(flag string, vs []string) {
		for _, v := range vs {
			one(flag, v)
		}
	}
	one("--since", c.Since)
	one("--until", c.Until)
	many("--id", c.ID)
	many("--generation", c.Generation)
	many("--host", c.Host)
	many("--site", c.Site)
	many("--app", c.App)
	many("--path", c.Path)
	many("--method", c.Method)
	many("--status", c.Status)
	many("--outcome", c.Outcome)
	if c.Misrouted {
		out = append(out, "--misrouted")
	}
	if c.Limit > 0 {
		one("--limit", strconv.Itoa(c.Limit))
	}
	one("--resume", c.Resume)
	return out
}

func (c *sendCmd) from() live.From { return live.From(c.ConfigFrom) }

func (c *sendCmd) location() *time.Location {
	if c.UTC {
		return time.UTC
	}
	return time.Local
}

// parseRate reads "20/s", "600/m", "1000/h", "20" and "none" as requests per
// second; 0 is no limit. The empty text is the default.
func parseRate(text string) (float64, error) {
	bad := func() (float64, error) {
		return 0, terminal.WithHint(fmt.Errorf("--rate: %q is no rate", text), "for example 20/s, 600/m, or none")
	}
	switch text {
	case "":
		return defaultRate, nil
	case "none":
		return 0, nil
	}
	number, unit, _ := strings.Cut(text, "/")
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !(n > 0) || math.IsInf(n, 0) {
		return bad()
	}
	switch unit {
	case "", "s":
	case "m":
		n /= 60
	case "h":
		n /= 3600
	default:
		return bad()
	}
	if n < 1e-3 || n > 1e6 {
		return bad()
	}
	return n, nil
}

// rateText is a rate as --rate takes it.
func rateText(rate float64) string {
	for _, u := range []struct {
		unit  string
		times float64
	}{{"s", 1}, {"m", 60}, {"h", 3600}} {
		if n := rate * u.times; n >= 1 {
			return strconv.FormatFloat(math.Round(n*100)/100, 'f', -1, 64) + "/" + u.unit
		}
	}
	return "none"
}

// parseTarget reads --target, and makes the path of a unix socket absolute: a run may be
// resumed from another directory.
func parseTarget(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	u, err := configs.ParseUpstream(strings.TrimSuffix(text, "/"))
	if err == nil && u.Scheme == "unix" {
		path, err := filepath.Abs(u.Address)
		return "unix:" + path, err
	}
	if err != nil {
		hint := "for example http://127.0.0.1:3000; method, path and query are the recorded ones"
		if h := (interface{ Hint() string })(nil); errors.As(err, &h) && h.Hint() != "" {
			hint = h.Hint()
		}
		return "", terminal.WithHint(fmt.Errorf("--target: %q is no server: it %w", terminal.Clean(text), err), "%s", hint)
	}
	return u.URL, nil
}
