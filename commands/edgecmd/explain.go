package edgecmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/commands/live"
	"github.com/holdfast-edge/holdfast/configs"
	"github.com/holdfast-edge/holdfast/internal/terminal"
	"github.com/holdfast-edge/holdfast/routing"
)

// explainCmd is `edge explain`.
type explainCmd struct {
	URL    string  `arg:"" optional:"" help:"What a client would ask for: http://queue.example.com/event, or without the scheme."`
	Method string  `default:"GET" help:"The request's method."`
	SNI    *string `name:"sni" placeholder:"NAME" help:"The name in the TLS handshake, if it is another than the URL's host; empty for none."`
	ID     string  `name:"id" placeholder:"ID" help:"Explain a recorded request instead: then, and today. Its beginning is enough."`
}

// exitRefused is explain's exit code for a request that is not served.
const exitRefused = terminal.ExitCode(1)

// Run explains.
func (c *explainCmd) Run(ui *terminal.UI, config configFlag) error {
	if (c.URL == "") == (c.ID == "") {
		return terminal.WithHint(errors.New("explain takes a URL, or --id"), "edge explain http://queue.example.com/event")
	}
	path, err := config.find()
	if err != nil {
		return err
	}
	cfg, origin, err := live.Config(context.Background(), path, live.Any)
	if err != nil {
		return err
	}
	ui.Printf("config    %s\n", terminal.Clean(origin.Describe(time.Now())))
	if c.ID != "" {
		return c.record(ui, cfg)
	}
	q, err := splitURL(c.URL)
	if err != nil {
		return terminal.WithHint(err, "edge explain http://queue.example.com/event")
	}
	q.method, q.name = c.Method, serverName(q.authority)
	if q.scheme == "" { // what a client ends up with
		q.scheme = "http"
		if c.SNI != nil || cfg.Secured(q.name) != nil {
			q.scheme = "https"
		}
	}
	if c.SNI != nil {
		if q.scheme != "https" {
			return terminal.WithHint(errors.New("--sni is part of a TLS handshake, and the URL begins with http://"), "write https://")
		}
		q.name, q.sni = *c.SNI, true
	}
	return explain(ui, cfg, q)
}

// asked is the request that is to be explained.
type asked struct {
	scheme            string // http, https or, as it was typed, ""
	name              string // in the handshake; "" for none
	sni               bool   // name was given, and is not just the host
	method            string
	authority, target string
}

// splitURL takes a URL apart without changing a byte of its target: explain must
// judge what a client sends, not a cleaned-up form of it.
func splitURL(url string) (q asked, err error) {
	rest := url
	if scheme, after, ok := strings.Cut(url, "://"); ok {
		if q.scheme = strings.ToLower(scheme); q.scheme != "http" && q.scheme != "https" {
			return asked{}, fmt.Errorf("%q is not an http URL", url)
		}
		rest = after
	}
	rest, _, _ = strings.Cut(rest, "#") // a client keeps the fragment to itself
	q.authority, q.target = rest, "/"
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		q.authority, q.target = rest[:i], rest[i:]
		if q.target[0] == '?' {
			q.target = "/" + q.target
		}
	}
	if strings.Contains(q.authority, "@") {
		return asked{}, fmt.Errorf("%q holds a user name: a client does not send that in the Host field", url)
	}
	if q.authority == "" {
		return asked{}, fmt.Errorf("%q names no host", url)
	}
	return q, nil
}

// explain prints the decision and how it came about.
func explain(ui *terminal.UI, cfg *configs.Config, q asked) error {
	table := cfg.Table()
	authority, method, target := []byte(q.authority), []byte(q.method), []byte(q.target)
	d := table.Resolve(authority, method, target)
	served, answer := d.Verdict == routing.Served, answerOf(cfg, d)
	first := inClear(cfg, d, q.authority, q.target)
	if q.scheme == "https" {
		first = handshake(cfg, q, d)
	}
	steps := table.Explain(authority, method, target)
	if first.answer != "" {
		answer, served = first.answer, !first.refused
		d.Route, d.App, steps = nil, "", nil
		if first.refused && !strings.Contains(answer, "421") {
			d.Site = nil // it does not get that far
		}
	}
	steps = append(first.steps, steps...)
	color := terminal.Green
	if !served {
		color = terminal.Red
	}
	ui.Printf("request   %s\n", terminal.Clean(q.method+" "+q.scheme+"://"+q.authority+q.target))
	if q.scheme == "https" && q.name != serverName(q.authority) {
		ui.Printf("sni       %s\n", terminal.Clean(cmp.Or(q.name, "none")))
	}
	ui.Printf("answer    %s\n\n", ui.Paint(color, terminal.Clean(answer)))

	t := ui.Table()
	if d.Site != nil {
		t.Row("site", d.Site.Name, d.Site.Origin.String())
	}
	if d.Route != nil {
		t.Row("route", routeName(d.Route.Path, d.Route.Exact, d.Route.Methods), d.Route.Origin.String())
	}
	if a := cfg.App(d.App); a != nil {
		t.Row("app", a.Name, a.Origin.String())
		for _, u := range a.Upstreams {
			t.Row("upstream", u.URL, u.Origin.String())
		}
	}
	if t.Len() > 0 {
		if err := t.Widths(8).Flush(); err != nil {
			return err
		}
		ui.Printf("\n")
	}
	lines := ui.Table()
	for _, s := range steps {
		lines.Row(s.Origin.String(), s.Text)
	}
	if err := lines.Flush(); err != nil {
		return err
	}
	if !served {
		return exitRefused
	}
	return nil
}
