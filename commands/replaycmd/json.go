package replaycmd

import (
	"encoding/json"
	"io"
	"time"

	"github.com/holdfast-edge/holdfast/internal/terminal"
	"github.com/holdfast-edge/holdfast/replay"
)

// jsonLines writes an object for every request, and shows the progress of the
// run like any other.
type jsonLines struct {
	*progress
	w   io.Writer
	run string
	err error // the first one of w
}

type jsonDelivery struct {
	ID       string  `json:"id"`
	Run      string  `json:"run"`
	State    string  `json:"state"`
	Status   int     `json:"status"`
	Attempt  int     `json:"attempt"`
	App      string  `json:"app"`
	Upstream string  `json:"upstream,omitempty"`
	Duration float64 `json:"duration"` // seconds
	Reason   string  `json:"reason,omitempty"`
}

// Settled implements replay.Observer.
func (j *jsonLines) Settled(d replay.Delivery) {
	j.progress.Settled(d)
	if j.err != nil {
		return
	}
	j.err = writeJSON(j.w, jsonDelivery{
		ID: d.ID.String(), Run: j.run, State: d.State.String(), Status: d.Status, Attempt: d.Attempt, App: d.App,
		Upstream: d.Upstream, Duration: d.Duration.Seconds(), Reason: d.Reason,
	})
}

type jsonSummary struct {
	Run        string     `json:"run,omitempty"`
	DryRun     bool       `json:"dry_run"`
	Config     jsonConfig `json:"config"`
	Data       string     `json:"data"`
	Since      *time.Time `json:"since,omitempty"`
	Until      *time.Time `json:"until,omitempty"`
	Searched   int64      `json:"searched"`
	Matched    int        `json:"matched"`
	Delivered0 int        `json:"already_delivered"`
	LeftOut    jsonClass  `json:"left_out"`
	Cannot     jsonClass  `json:"cannot_be_resent"`
	ToSend     int        `json:"to_send"`
	Bytes      int64      `json:"bytes"`
	Seconds    float64    `json:"estimated_seconds"`
	Groups     []jsonRow  `json:"groups"`
	Days       []jsonDay  `json:"days"`
	Also       jsonAlso   `json:"misrouted_ok"`
	*jsonResult
	Exit int `json:"exit"`
}

type jsonConfig struct {
	Path       string     `json:"path"`
	Live       bool       `json:"live"`
	Generation string     `json:"generation"`
	Since      *time.Time `json:"since,omitempty"`
}

// jsonClass is the sum of a class and its parts.
type jsonClass struct {
	Total   int            `json:"total"`
	Reasons map[string]int `json:"reasons"`
}

type jsonRow struct {
	Host  string `json:"host"`
	Why   string `json:"why"`
	Then  string `json:"then"`
	Now   string `json:"now"`
	Count int    `json:"count"`
}

type jsonDay struct {
	Date  string `json:"date"`
	Count int    `json:"count"`
}

type jsonAlso struct {
	Looked  bool `json:"looked"`
	Count   int  `json:"count"`
	Payload int  `json:"payload"`
}

// jsonResult is how a run ended; a dry run has none.
type jsonResult struct {
	Delivered   int        `json:"delivered"`
	Redirected  int        `json:"redirected"` // of the delivered ones, 3xx
	Rejected    int        `json:"rejected"`
	Unknown     int        `json:"unknown"`
	Failed      int        `json:"failed"`
	Skipped     int        `json:"skipped"`
	Pending     int        `json:"pending"`
	Interrupted bool       `json:"interrupted"`
	Stopped     []jsonStop `json:"stopped"`
}

type jsonStop struct {
	App    string `json:"app"`
	Status int    `json:"status,omitempty"`
	Same   int    `json:"same_answers,omitempty"`
	Left   int    `json:"left"`
	Reason string `json:"reason,omitempty"`
}

// jsonSummary writes {"summary": …}; report is nil for a dry run.
func (j *job) jsonSummary(run string, report *replay.Report, code terminal.ExitCode) error {
	p := j.plan
	s := jsonSummary{
		Run: run, DryRun: j.DryRun, Data: j.cfg.Data, Since: instant(p.From), Until: instant(p.Until), Searched: p.Stats.Records,
		Config:  jsonConfig{j.origin.Path, j.origin.Live, j.origin.Generation, instant(j.origin.Since)},
		Matched: p.Matched, Delivered0: p.Delivered, LeftOut: class(p, replay.LeftOut), Cannot: class(p, replay.CannotBeResent),
		ToSend: len(p.Items), Bytes: p.Bytes, Seconds: j.estimate().Seconds(), Groups: []jsonRow{}, Days: []jsonDay{},
		Also: jsonAlso{!p.AlsoNotLooked, p.AlsoOK, p.AlsoPayload}, Exit: int(code),
	}
	if len(p.Items) == 0 {
		s.Seconds = 0
	}
	for _, g := range p.Groups {
		s.Groups = append(s.Groups, jsonRow(g))
	}
	for _, d := range p.Days {
		s.Days = append(s.Days, jsonDay{d.Date.Format("2006-01-02"), d.Count})
	}
	if report != nil {
		s.jsonResult = &jsonResult{
			Delivered: report.Of(replay.Delivered), Redirected: report.Redirected, Rejected: report.Of(replay.Rejected), Unknown: report.Of(replay.Unknown),
			Failed: report.Of(replay.Failed), Skipped: report.Of(replay.Skipped), Pending: report.Of(replay.Pending),
			Interrupted: report.Interrupted, Stopped: []jsonStop{},
		}
		for _, st := range report.Stops {
			s.Stopped = append(s.Stopped, jsonStop{st.Destination.String(), st.Status, st.Answered, st.Left, st.Reason})
		}
	}
	return writeJSON(j.ui.Out, map[string]any{"summary": s})
}

func class(p *replay.Plan, c replay.Class) jsonClass {
	out := jsonClass{Total: p.Of(c), Reasons: map[string]int{}}
	for r, n := range p.Reasons {
		if r := replay.Reason(r); n > 0 && r.Class() == c {
			out.Reasons[r.Key()] = n
		}
	}
	return out
}

// jsonList writes what cannot be resent, an object each.
func (j *job) jsonList() error {
	for i := range j.plan.Unreplayable {
		x := &j.plan.Unreplayable[i]
		err := writeJSON(j.ui.Out, map[string]any{
			"id": x.ID.String(), "ts": x.Time, "method": x.Method, "host": x.Host, "uri": x.URI, "status": x.Status, "why": x.Why.Key(),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func writeJSON(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}
