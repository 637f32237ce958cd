package replay

import (
	"github.com/holdfast-edge/holdfast/accesslog"
	"github.com/holdfast-edge/holdfast/configs"
	"github.com/holdfast-edge/holdfast/routing"
)

// Today is where a recorded request would go under cfg. A record whose clear text
// was cut goes nowhere: Whole makes one that can be asked about.
func Today(cfg *configs.Config, e *accesslog.Entry) routing.Decision {
	if e.Request.Cut {
		return routing.Decision{Reason: errCutOff.Error()}
	}
	table := cfg.Table()
	d := table.Resolve([]byte(e.Request.Host), []byte(e.Request.Method), []byte(e.Request.URI))
	if e.Outcome != accesslog.SNIMismatch || d.Verdict != routing.Served || e.Request.TLS == nil {
		return d
	}
	// The name of the connection must belong to the same site, or one with the same
	// certificate, today as then.
	sni := table.Resolve([]byte(e.Request.TLS.ServerName), []byte(e.Request.Method), []byte(e.Request.URI))
	if sni.Site != d.Site && !cfg.Covers(e.Request.TLS.ServerName, d.Site.Data.(*configs.Site)) {
		return routing.Decision{Match: d.Match, Site: d.Site, Reason: "the TLS name and the host belong to different sites"}
	}
	return d
}

// refusedThen reports whether routing turned the request away when it arrived:
// nothing names the host or the path, or the path could be read in two ways.
// What was malformed never came to routing.
func refusedThen(e *accesslog.Entry) bool {
	switch e.Outcome {
	case accesslog.NoRoute, accesslog.SNIMismatch:
		return true
	case accesslog.Rejected:
		return e.Status == 400 && e.Site != "" && e.App == "" && e.Route == "" && e.Body.Complete
	}
	return false
}

// malformedThen reports whether the request was refused for what it is, before
// anything asked where it should go.
func malformedThen(e *accesslog.Entry) bool {
	return e.Outcome == accesslog.Rejected && e.Site == "" && e.App == ""
}

// Misrouted reports whether the recorded request would go elsewhere today, which
// is today, the decision of Today under cfg:
//
//   - it was refused then and is served by an app now, or
//   - another app would get it now, and the upstream that answered then is none
//     of that app's (a renamed app is the same app).
//
// What the edge answers itself today has nowhere to be sent, and is not misrouted.
func Misrouted(cfg *configs.Config, e *accesslog.Entry, today routing.Decision) bool {
	switch {
	case today.Verdict != routing.Served || today.App == "":
		return false
	case refusedThen(e):
		return true
	case e.App == today.App:
		return false
	case e.App == "" && e.Route == "":
		return false // never came to routing
	}
	app := cfg.App(today.App)
	if app == nil || e.Upstream == "" {
		return true
	}
	for _, u := range app.Upstreams {
		if u.Address == e.Upstream || u.URL == e.Upstream {
			return false
		}
	}
	return true
}
