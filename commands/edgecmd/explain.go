package edgecmd

import (
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
	URL    string `arg:"" optional:"" help:"What a client would ask for: http://queue.example.com/event, or without the scheme."`
	Method string `default:"GET" help:"The request's method."`
	ID     string `name:"id" placeholder:"ID" help:"Explain a recorded request instead: then, and today. Its beginning is enough."`
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
	authority, target, err := splitURL(c.URL)
	if err != nil {
		return terminal.WithHint(err, "edge explain http://queue.example.com/event")
	}
	return explain(ui, cfg, c.Method, authority, target)
}

// splitURL takes a URL apart without changing a byte of its target: explain must
// judge what a client sends, not a cleaned-up form of it.
func splitURL(url string) (authority, target string, err error) {
	rest := url
	if scheme, after, ok := strings.Cut(url, "://"); ok {
		if s := strings.ToLower(scheme); s != "http" && s != "https" {
			return "", "", fmt.Errorf("%q is not an http URL", url)
		}
		rest = after
	}
	rest, _, _ = strings.Cut(rest, "#") // a client keeps the fragment to itself
	authority, target = rest, "/"
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority, target = rest[:i], rest[i:]
		if target[0] == '?' {
			target = "/" + target
		}
	}
	if strings.Contains(authority, "@") {
		return "", "", fmt.Errorf("%q holds a user name: a client does not send that in the Host field", url)
	}
	if authority == "" {
		return "", "", fmt.Errorf("%q names no host", url)
	}
	return authority, target, nil
}

// explain prints the decision and how it came about.
func explain(ui *terminal.UI, cfg *configs.Config, method, authority, target string) error {
	table := cfg.Table()
	d := table.Resolve([]byte(authority), []byte(method), []byte(target))
	served := d.Verdict == routing.Served
	color := terminal.Green
	if !served {
		color = terminal.Red
	}
	ui.Printf("request   %s\n", terminal.Clean(method+" http://"+authority+target))
	ui.Printf("answer    %s\n\n", ui.Paint(color, terminal.Clean(answerOf(cfg, d))))

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
	steps := ui.Table()
	for _, s := range table.Explain([]byte(authority), []byte(method), []byte(target)) {
		steps.Row(s.Origin.String(), s.Text)
	}
	if err := steps.Flush(); err != nil {
		return err
	}
	if !served {
		return exitRefused
	}
	return nil
}
