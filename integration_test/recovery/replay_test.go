package recovery

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/integration_test/edgetest"
)

// delivery is a line of `replay --json`.
type delivery struct {
	ID       string  `json:"id"`
	Run      string  `json:"run"`
	State    string  `json:"state"`
	Status   int     `json:"status"`
	Attempt  int     `json:"attempt"`
	App      string  `json:"app"`
	Duration float64 `json:"duration"`
}

type class struct {
	Total   int            `json:"total"`
	Reasons map[string]int `json:"reasons"`
}

// summary is the last line.
type summary struct {
	DryRun           bool  `json:"dry_run"`
	Matched          int   `json:"matched"`
	AlreadyDelivered int   `json:"already_delivered"`
	LeftOut          class `json:"left_out"`
	Cannot           class `json:"cannot_be_resent"`
	ToSend           int   `json:"to_send"`
	Delivered        int   `json:"delivered"`
	Rejected         int   `json:"rejected"`
	Unknown          int   `json:"unknown"`
	Failed           int   `json:"failed"`
	Skipped          int   `json:"skipped"`
	Pending          int   `json:"pending"`
	Exit             int   `json:"exit"`
}

// replayRun is what one call of replay said.
type replayRun struct {
	summary
	deliveries []delivery
	code       int
	stderr     string
}

// replayed runs `replay --since 1h --json` with more arguments and checks that what it
// says adds up (CONTRACT, section 4).
func replayed(t *testing.T, e *edgetest.Edge, args ...string) *replayRun {
	t.Helper()
	r := e.RunFor(2*time.Minute, "replay", append([]string{"--since", "1h", "--json"}, args...)...)
	return parseReplay(t, r)
}

func parseReplay(t *testing.T, r edgetest.Result) *replayRun {
	t.Helper()
	out := &replayRun{code: r.Code, stderr: r.Stderr}
	found := false
	for line := range strings.Lines(r.Stdout) {
		if found {
			t.Fatalf("a line after the summary: %s", line)
		}
		if strings.HasPrefix(line, `{"summary"`) {
			s := struct{ Summary *summary }{&out.summary}
			if err := json.Unmarshal([]byte(line), &s); err != nil {
				t.Fatalf("%v: %s", err, line)
			}
			found = true
			continue
		}
		var d delivery
		if err := json.Unmarshal([]byte(line), &d); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		out.deliveries = append(out.deliveries, d)
	}
	if !found {
		t.Fatalf("replay: exit %d and no summary\n%s\n%s", r.Code, r.Stdout, r.Stderr)
	}
	s := &out.summary
	if sum := s.AlreadyDelivered + s.LeftOut.Total + s.Cannot.Total + s.ToSend; s.Matched != sum {
		t.Errorf("matched %d, but the classes add up to %d: %+v", s.Matched, sum, *s)
	}
	for _, c := range []class{s.LeftOut, s.Cannot} {
		n := 0
		for _, k := range c.Reasons {
			n += k
		}
		if n != c.Total {
			t.Errorf("the reasons %v do not add up to %d", c.Reasons, c.Total)
		}
	}
	if s.Exit != out.code {
		t.Errorf("exit %d, but the summary says %d", out.code, s.Exit)
	}
	if s.DryRun {
		return out
	}
	if sum := s.Delivered + s.Rejected + s.Unknown + s.Failed + s.Skipped + s.Pending; sum != s.ToSend {
		t.Errorf("to send %d, but the results add up to %d: %+v", s.ToSend, sum, *s)
	}
	if len(out.deliveries) != s.ToSend {
		t.Errorf("to send %d, but there are %d lines", s.ToSend, len(out.deliveries))
	}
	states := map[string]int{}
	for _, d := range out.deliveries {
		states[d.State]++
	}
	if states["delivered"] != s.Delivered || states["rejected"] != s.Rejected || states["unknown"] != s.Unknown ||
		states["failed"] != s.Failed || states["pending"] != s.Pending {
		t.Errorf("the lines say %v, the summary %+v", states, *s)
	}
	want := 0
	switch {
	case s.Unknown > 0 || s.Cannot.Reasons["unknown"] > 0:
		want = 4
	case s.Rejected+s.Failed+s.Pending+s.Skipped+s.Cannot.Total > 0:
		want = 3
	}
	if want != out.code {
		t.Errorf("exit %d, want %d: %+v", out.code, want, *s)
	}
	return out
}

// expect fails the test unless the numbers are as said.
func (r *replayRun) expect(t *testing.T, what string, code, sent, delivered, before, leftOut, cannot int) {
	t.Helper()
	if r.code != code || r.ToSend != sent || r.Delivered != delivered || r.AlreadyDelivered != before ||
		r.LeftOut.Total != leftOut || r.Cannot.Total != cannot {
		t.Errorf("%s: exit %d, to send %d, delivered %d, already delivered %d, left out %d, cannot %d; want %d, %d, %d, %d, %d, %d\n%+v\n%s",
			what, r.code, r.ToSend, r.Delivered, r.AlreadyDelivered, r.LeftOut.Total, r.Cannot.Total,
			code, sent, delivered, before, leftOut, cannot, r.summary, r.stderr)
	}
}
