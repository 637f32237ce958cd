package edgecmd

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/commands/live"
	"github.com/holdfast-edge/holdfast/configs"
	"github.com/holdfast-edge/holdfast/internal/terminal"
)

// hostsCmd is `edge hosts`.
type hostsCmd struct {
	JSON bool `name:"json" help:"A JSON object per host, one a line."`
}

// hostLine is one host as --json prints it. Routes come first to last; the one
// with an empty path is what no other route matches.
type hostLine struct {
	Host   string      `json:"host"`
	Match  string      `json:"match"` // exact or wildcard
	Site   string      `json:"site"`
	Origin string      `json:"origin"` // file:line
	TLS    *tlsLine    `json:"tls,omitempty"`
	Routes []routeLine `json:"routes"`
}

// routeLine is one place where a host's requests go.
type routeLine struct {
	Path      string   `json:"path"`
	Exact     bool     `json:"exact,omitempty"`
	Methods   []string `json:"methods,omitempty"`
	Answer    string   `json:"answer"` // "app main", "respond 200", "refused: 404 (no_route)"
	App       string   `json:"app,omitempty"`
	Upstreams []string `json:"upstreams,omitempty"`
	Origin    string   `json:"origin"`
}

// Run lists.
func (c *hostsCmd) Run(ui *terminal.UI, config configFlag) error {
	path, err := config.find()
	if err != nil {
		return err
	}
	cfg, origin, err := live.Config(context.Background(), path, live.Any)
	if err != nil {
		return err
	}
	ui.Notef("config   %s", terminal.Clean(origin.Describe(time.Now())))
	lines := hostLines(cfg)
	if c.JSON {
		out := json.NewEncoder(ui.Out)
		out.SetEscapeHTML(false)
		for _, l := range lines {
			if err := out.Encode(l); err != nil {
				return err
			}
		}
		return nil
	}
	secure := len(cfg.Listen.HTTPS) > 0
	row := func(host, match, site, tls string, rest ...string) []string {
		cells := []string{host, match, site}
		if secure { // else nobody has it, and nobody needs the column
			cells = append(cells, tls)
		}
		return append(cells, rest...)
	}
	t := ui.Table(row("HOST", "MATCH", "SITE", "TLS", "PATH", "GOES TO", "UPSTREAMS", "LINE")...)
	for _, l := range lines {
		host, match, site, tls := l.Host, l.Match, l.Site, l.TLS.describe(time.Now())
		for _, r := range l.Routes {
			path := routeName(r.Path, r.Exact, r.Methods)
			if r.Path == "" {
				path = "*"
			}
			t.Row(row(host, match, site, tls, path, r.Answer, strings.Join(r.Upstreams, " "), r.Origin)...)
			host, match, site, tls = "", "", "", "" // said once
		}
	}
	t.Row(row("any other", "none", "", "", "", unmatchedText(cfg), "", "")...)
	return t.Flush()
}

// unmatchedText says what hosts get that no site names.
func unmatchedText(cfg *configs.Config) string {
	if cfg.Unmatched.Respond == dropped {
		return "refused: connection closed"
	}
	return fmt.Sprintf("refused: %d", cfg.Unmatched.Respond)
}

// hostLines is the routing table, a line per host, in the order of the files.
func hostLines(cfg *configs.Config) []hostLine {
	var lines []hostLine
	for i := range cfg.Sites {
		s := &cfg.Sites[i]
		for _, h := range s.Hosts {
			match := "exact"
			if h.Pattern.Wildcard() {
				match = "wildcard"
			}
			lines = append(lines, hostLine{
				Host: h.Pattern.String(), Match: match, Site: s.Name, Origin: h.Origin.String(), TLS: tlsOf(s), Routes: routeLines(cfg, s),
			})
		}
	}
	return lines
}

func routeLines(cfg *configs.Config, s *configs.Site) []routeLine {
	var lines []routeLine
	for i := range s.Routes {
		r := &s.Routes[i]
		lines = append(lines, routeLine{
			Path: r.Path, Exact: r.Exact, Methods: r.Methods, Answer: localAnswer(r),
			App: r.App, Upstreams: upstreamsOf(cfg, r.App), Origin: r.Origin.String(),
		})
	}
	rest := routeLine{Answer: "refused: 404 (no_route)", Origin: s.Origin.String()}
	if s.App != "" {
		rest = routeLine{Answer: "app " + s.App, App: s.App, Upstreams: upstreamsOf(cfg, s.App), Origin: s.AppOrigin.String()}
	}
	return append(lines, rest)
}
