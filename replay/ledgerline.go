package replay

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/holdfast-edge/holdfast/accesslog"
)

// The lines of a ledger file; docs/format/ledger.md shows them. Every line is one
// JSON object with exactly one of these forms, told apart by its first key.

// Header is the first line of a run: what was asked for. It is kept so that the
// run can be told from others and continued as it was meant.
type Header struct {
	Run         string    `json:"run"`
	Version     int       `json:"version"` // of the format, 1
	Session     int       `json:"session"` // counts the runs and continuations of this ledger, from 1
	Started     time.Time `json:"started"`
	Config      string    `json:"config"`           // the main file's path
	Generation  string    `json:"generation"`       // of the configuration it runs under
	Selection   []string  `json:"selection"`        // the flags that chose the records, as typed
	Target      string    `json:"target,omitempty"` // --target
	Rate        float64   `json:"rate,omitempty"`   // requests per second, 0 is no limit
	Concurrency int       `json:"concurrency"`
	Count       int       `json:"count"` // how many ids the plan lines hold
}

// planLine holds a part of the ids to send, in order.
type planLine struct {
	Plan []string `json:"plan"`
}

// beginLine ends the plan. Without it nothing of the run was sent.
type beginLine struct {
	Begin time.Time `json:"begin"`
}

// resumeLine starts a continuation; it applies to the lines after it.
type resumeLine struct {
	Resumed    time.Time `json:"resumed"`
	Session    int       `json:"session"`
	Config     string    `json:"config"`
	Generation string    `json:"generation"`
}

// endLine says that the process came to its end by itself.
type endLine struct {
	Ended  time.Time `json:"ended"`
	Reason string    `json:"reason"` // done, interrupted, stopped: …
}

// Delivery is the intent or the result of one attempt.
type Delivery struct {
	ID       accesslog.ID
	State    State
	Attempt  int // the attempt this line speaks of, from 1; 0 if none was made
	App      string
	Upstream string
	Status   int
	Duration time.Duration
	Reason   string
	At       time.Time
}

type deliveryLine struct {
	ID       string    `json:"id"`
	State    string    `json:"state"`
	Attempt  int       `json:"attempt"`
	App      string    `json:"app,omitempty"`
	Upstream string    `json:"upstream,omitempty"`
	Status   int       `json:"status,omitempty"`
	Duration float64   `json:"duration,omitempty"` // seconds
	Reason   string    `json:"reason,omitempty"`
	At       time.Time `json:"at"`
}

// encodeLine is v as one line.
func encodeLine(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("writing the ledger: %w", err)
	}
	return append(b, '\n'), nil
}

func (e *Delivery) encode() ([]byte, error) {
	return encodeLine(deliveryLine{
		ID: e.ID.String(), State: e.State.String(), Attempt: e.Attempt, App: e.App, Upstream: e.Upstream,
		Status: e.Status, Duration: e.Duration.Seconds(), Reason: e.Reason, At: e.At.UTC(),
	})
}

// decodeLine gives *Header, *planLine, *beginLine, *resumeLine, *endLine or
// *Delivery; an error means that the line is damaged or of a form this version does
// not know.
func decodeLine(line []byte) (any, error) {
	kinds := []struct {
		key  string
		into func() (any, error)
	}{
		{`{"id":`, func() (any, error) { return decodeDelivery(line) }},
		{`{"plan":`, func() (any, error) { return into(line, new(planLine)) }},
		{`{"run":`, func() (any, error) { return into(line, new(Header)) }},
		{`{"begin":`, func() (any, error) { return into(line, new(beginLine)) }},
		{`{"resumed":`, func() (any, error) { return into(line, new(resumeLine)) }},
		{`{"ended":`, func() (any, error) { return into(line, new(endLine)) }},
	}
	for _, k := range kinds {
		if bytes.HasPrefix(line, []byte(k.key)) {
			return k.into()
		}
	}
	return nil, fmt.Errorf("not a line of a ledger: %.40q", line)
}

func into[T any](line []byte, v *T) (any, error) {
	if err := json.Unmarshal(line, v); err != nil {
		return nil, err
	}
	return v, nil
}

func decodeDelivery(line []byte) (*Delivery, error) {
	var l deliveryLine
	if err := json.Unmarshal(line, &l); err != nil {
		return nil, err
	}
	id, err := accesslog.ParseID(l.ID)
	if err != nil {
		return nil, err
	}
	state, err := ParseState(l.State)
	if err != nil {
		return nil, err
	}
	if l.Attempt < 0 || l.Duration < 0 {
		return nil, fmt.Errorf("attempt %d, duration %v", l.Attempt, l.Duration)
	}
	return &Delivery{
		ID: id, State: state, Attempt: l.Attempt, App: l.App, Upstream: l.Upstream, Status: l.Status,
		Duration: time.Duration(l.Duration * float64(time.Second)), Reason: l.Reason, At: l.At,
	}, nil
}
