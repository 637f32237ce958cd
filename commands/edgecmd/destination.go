package edgecmd

import (
	"fmt"
	"strings"

	"github.com/holdfast-edge/holdfast/accesslog"
	"github.com/holdfast-edge/holdfast/configs"
	"github.com/holdfast-edge/holdfast/routing"
)

// answerOf says in words what a decision leads to: "app main", "respond 200",
// "refused: 421 (no_route)".
func answerOf(cfg *configs.Config, d routing.Decision) string {
	if d.Verdict != routing.Served {
		status, outcome := refusal(cfg, d.Verdict)
		text := fmt.Sprintf("refused: %d (%s)", status, outcome)
		if status == dropped {
			text = fmt.Sprintf("refused: connection closed without an answer (%s)", outcome)
		}
		return text
	}
	if d.App != "" {
		return "app " + d.App
	}
	if r, ok := d.Route.Data.(*configs.Route); ok {
		return localAnswer(r)
	}
	return "answered by the edge"
}

// dropped is how unmatched: drop is written as a status.
const dropped = 444

// refusal is the status and the outcome of a refused request.
func refusal(cfg *configs.Config, v routing.Verdict) (int, accesslog.Outcome) {
	switch v {
	case routing.NoHost:
		return cfg.Unmatched.Respond, accesslog.NoRoute
	case routing.NoPath:
		return 404, accesslog.NoRoute
	}
	return 400, accesslog.Rejected
}

// localAnswer says what the edge answers by itself on this route.
func localAnswer(r *configs.Route) string {
	switch {
	case r.Respond != nil:
		return fmt.Sprintf("respond %d", r.Respond.Status)
	case r.Redirect != nil:
		return fmt.Sprintf("redirect %d to %s", r.Redirect.Status, r.Redirect.To)
	case r.File != "":
		return "file " + r.File
	case r.Files != "":
		return "files " + r.Files
	}
	return "app " + r.App
}

// upstreamsOf lists where an app's requests go, "" for no app.
func upstreamsOf(cfg *configs.Config, app string) []string {
	a := cfg.App(app)
	if a == nil {
		return nil
	}
	urls := make([]string, len(a.Upstreams))
	for i, u := range a.Upstreams {
		urls[i] = u.URL
	}
	return urls
}

// routeName is a route as a person would say it: "/api", "= /hello", "POST /event".
func routeName(path string, exact bool, methods []string) string {
	if exact {
		path = "= " + path
	}
	if len(methods) > 0 {
		path = strings.Join(methods, ",") + " " + path
	}
	return path
}
