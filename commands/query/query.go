// Package query holds the flags that select records. They mean the same for
// every command that has them, so that what `edge logs` showed is what `replay`
// takes.
package query

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/accesslog"
	"github.com/holdfast-edge/holdfast/configs"
	"github.com/holdfast-edge/holdfast/internal/terminal"
	"github.com/holdfast-edge/holdfast/routing"
)

// Flags are the filters that logs and replay share; kong fills them in. A list
// is written with commas or by repeating the flag.
type Flags struct {
	Since      string   `placeholder:"WHEN" help:"From then on: 7d or 90m ago, 2026-11-16, \"2026-11-16 02:25\", 02:25, RFC 3339."`
	Until      string   `placeholder:"WHEN" help:"Before then."`
	Host       []string `placeholder:"HOST" help:"Host; \"*.example.com\" for all below it."`
	Site       []string `placeholder:"NAME" help:"Site."`
	App        []string `placeholder:"NAME" help:"App."`
	Path       []string `placeholder:"PATH" help:"Beginning of the path."`
	Method     []string `placeholder:"METHOD" help:"Method."`
	Status     []string `placeholder:"STATUS" help:"Status: 404, 5xx, 500-503."`
	Outcome    []string `placeholder:"OUTCOME" help:"How it ended: upstream_down, timeout, no_route, …"`
	Generation []string `placeholder:"ID" help:"Configuration generation it was served under."`
	ID         []string `name:"id" placeholder:"ID" help:"Record id, or its beginning."`
}

// Filter is what the flags select, with times relative to now and read in its
// location. Its errors name the flag and have a Hint where there is one to give.
func (f *Flags) Filter(now time.Time) (accesslog.Filter, error) {
	filter := accesslog.Filter{
		Hosts: canonical(f.Host), Sites: f.Site, Apps: f.App, Paths: f.Path, Methods: f.Method,
		Generations: f.Generation, IDs: f.ID,
	}
	var err error
	if filter.Since, err = when("--since", f.Since, now); err != nil {
		return filter, err
	}
	if filter.Until, err = when("--until", f.Until, now); err != nil {
		return filter, err
	}
	if !filter.Since.IsZero() && !filter.Until.IsZero() && !filter.Since.Before(filter.Until) {
		return filter, fmt.Errorf("--since %s is not before --until %s", filter.Since.Format(time.RFC3339), filter.Until.Format(time.RFC3339))
	}
	if len(f.Status) > 0 {
		if filter.Status, err = accesslog.ParseStatus(strings.Join(f.Status, ",")); err != nil {
			return filter, fmt.Errorf("--status: %w", err)
		}
	}
	for _, text := range f.Outcome {
		o, err := accesslog.ParseOutcome(text)
		if err != nil {
			return filter, fmt.Errorf("--outcome: %w", err)
		}
		filter.Outcomes = append(filter.Outcomes, o)
	}
	return filter, filter.Check()
}

// canonical writes hosts as the records have them; what is no host is left as it
// is, and finds what was refused for it.
func canonical(hosts []string) []string {
	out := make([]string, len(hosts))
	for i, h := range hosts {
		out[i] = h
		if p, err := routing.ParsePattern(h); err == nil {
			out[i] = p.String()
		}
	}
	return out
}

// Upstreams are the forms that an upstream may have in a record: a person may leave out
// the scheme, or write a port that goes without saying.
func Upstreams(given []string) []string {
	var out []string
	for _, u := range given {
		out = append(out, u)
		forms := []string{u, "http://" + u, "https://" + u}
		switch {
		case strings.HasPrefix(u, "/"):
			forms = []string{"unix:" + u}
		case strings.Contains(u, "://"), strings.HasPrefix(u, "unix:"):
			forms = []string{u}
		}
		for _, f := range forms {
			if p, err := configs.ParseUpstream(f); err == nil && !slices.Contains(out, p.URL) {
				out = append(out, p.URL)
			}
		}
	}
	return out
}

func when(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := When(text, now)
	if err != nil {
		return t, terminal.WithHint(fmt.Errorf("%s: %w", flag, err), "%s", `for example 7d, 90m, 2026-11-16, "2026-11-16 02:25", 02:25 or 2026-11-16T02:25:00Z`)
	}
	return t, nil
}

// When reads a point in time as a person writes it: how long ago ("7d", "90m"),
// a day, a day and a time, or a time of day, which is the last time the clock
// showed it. What has no zone of its own is in now's.
func When(text string, now time.Time) (time.Time, error) {
	text = strings.TrimSpace(text)
	if d, err := configs.ParseDuration(text); err == nil {
		return now.Add(-d), nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	for _, layout := range []string{"2006-01-02", "2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02T15:04:05"} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	for _, layout := range []string{"15:04", "15:04:05"} {
		clock, err := time.Parse(layout, text)
		if err != nil {
			continue
		}
		t := time.Date(now.Year(), now.Month(), now.Day(), clock.Hour(), clock.Minute(), clock.Second(), 0, now.Location())
		if t.After(now) {
			t = t.AddDate(0, 0, -1)
		}
		return t, nil
	}
	return time.Time{}, fmt.Errorf("%q is no point in time", text)
}
