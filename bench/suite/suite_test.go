//go:build linux

package suite

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-edge/holdfast/bench/load"
	"github.com/holdfast-edge/holdfast/bench/measure"
	"github.com/holdfast-edge/holdfast/bench/proxy"
)

// TestWorkloads: names and labels tell things apart, and every goal can be reached
// from its row.
func TestWorkloads(t *testing.T) {
	names := map[string]bool{}
	for _, w := range Workloads() {
		if names[w.Name] || w.Title == "" || w.Path == "" || w.rounds(1) < 1 {
			t.Errorf("%q: twice, or without title, path or rounds", w.Name)
		}
		names[w.Name] = true
		labels := map[string]bool{}
		programs := map[string]bool{}
		for _, e := range w.Entries {
			if labels[e.Label] || e.Role == "" {
				t.Errorf("%s: %q is there twice, or has no role", w.Name, e.Label)
			}
			labels[e.Label] = true
			if e.Role == Reference {
				programs[e.Program] = true
			}
		}
		for _, e := range w.Entries {
			if g := e.Goal; g != (Goal{}) && (e.Role != Ours || g.Max == 0 || g.Text == "" || len(programs) == 0 || g.Of != "" && !programs[g.Of]) {
				t.Errorf("%s: %s: a goal without text, limit or reference: %+v", w.Name, e.Label, g)
			}
		}
	}
	if n := len(visitBody()); n != 512 {
		t.Errorf("the visit has %d bytes", n)
	}
}

func TestSelect(t *testing.T) {
	for args, want := range map[string]string{
		"get/":                   "get: edge, nginx, haproxy, caddy, system calls alone",
		"get/nginx,edge":         "get: edge, nginx",
		"get/nginx,edge@/tmp/x":  "get: edge@x, nginx",
		"fail/edge,edge@/tmp/x":  "fail: edge, edge@x, edge, no sync (test build)",
		"hosts/edge@/tmp/x":      "hosts: edge, 10,000 hosts@x",
		"paced-200,get/relay":    "get: system calls alone",
		"idle,close/edge":        "idle: edge; close: edge",
		"upload/haproxy,haproxy": "upload: haproxy",
	} {
		names, against, _ := strings.Cut(args, "/")
		split := func(s string) []string {
			return strings.FieldsFunc(s, func(r rune) bool { return r == ',' })
		}
		got, err := Select(Workloads(), split(names), split(against))
		var all []string
		for _, w := range got {
			var labels []string
			for _, e := range w.Entries {
				labels = append(labels, e.Label)
			}
			all = append(all, w.Name+": "+strings.Join(labels, ", "))
		}
		if s := strings.Join(all, "; "); s != want || err != nil {
			t.Errorf("%s: %q, %v, want %q", args, s, err, want)
		}
	}
	if _, err := Select(Workloads(), []string{"get", "put"}, nil); err == nil || !strings.Contains(err.Error(), `"put"`) {
		t.Errorf("an unknown workload: %v", err)
	}
	if all, err := Select(Workloads(), nil, nil); len(all) != len(Workloads()) || err != nil {
		t.Errorf("all of them: %d, %v", len(all), err)
	}
}

func samples(p99 time.Duration, cpu ...float64) []Sample {
	var all []Sample
	for _, c := range cpu {
		all = append(all, Sample{CPU: c, Memory: 3 << 20, Backend: 2,
			Result: load.Result{Requests: 9000, Duration: 3 * time.Second, P50: time.Millisecond, P99: p99, P999: 8 * time.Millisecond}})
	}
	return all
}

func TestFinish(t *testing.T) {
	goal := func(m Metric, of string, limit float64) Goal { return Goal{Text: "x", Metric: m, Of: of, Max: limit} }
	nginx, haproxy := proxy.Kind{Label: "nginx", Program: "nginx"}, proxy.Kind{Label: "haproxy", Program: "haproxy"}
	for name, c := range map[string]struct {
		goal   Goal
		figure float64
		met    bool
	}{
		"the better of each round": {goal(CPU, "", 0.85), 0.8, true},
		"missed":                   {goal(CPU, "", 0.79), 0.8, false},
		"exactly":                  {goal(CPU, "", 0.8), 0.8, true},
		"of one program":           {goal(CPU, "haproxy", 0.85), 0.5, true},
		"p99":                      {goal(P99, "nginx", 1), 2, false},
		"memory":                   {goal(Memory, "", 60), 3, true},
	} {
		w := Workload{Entries: []Entry{
			{Kind: proxy.Kind{Label: "edge"}, Role: Ours, Goal: c.goal}, reference(nginx), reference(haproxy),
			{Kind: proxy.Kind{Label: "shown"}, Role: Shown}}}
		table := Table{Rows: []Row{
			{Label: "edge", Role: Ours, Samples: samples(4*time.Millisecond, 8, 8, 12)},
			{Label: "nginx", Role: Reference, Samples: samples(2*time.Millisecond, 10, 40, 15)},
			{Label: "haproxy", Role: Reference, Samples: samples(time.Millisecond, 20, 10, 24)},
			{Label: "shown", Role: Shown, Samples: samples(1, 1, 1, 1)},
		}}
		table.finish(w)
		r := table.Rows[0]
		if r.Target == nil || r.Target.Figure.Median != c.figure || r.Target.Met != c.met {
			t.Errorf("%s: %+v", name, r.Target)
			continue
		}
		if diff := cmp.Diff(measure.Figure{Median: 0.8, Min: 0.8, Max: 0.8}, r.Ratio); diff != "" {
			t.Errorf("%s: ratio (-want +got):\n%s", name, diff)
		}
		if r.CPU.Median != 8 || r.CPU.Max != 12 || r.Rate.Median != 3000 || r.P99.Median != 4 || r.P999.Median != 8 || r.Memory.Median != 3 {
			t.Errorf("%s: %+v", name, r)
		}
		if table.Rows[1].Ratio.Known() || table.Rows[1].Target != nil {
			t.Errorf("%s: nginx is divided by itself", name)
		}
	}
}

// TestFinishAlone: without anything to compare with there is a figure and no verdict.
func TestFinishAlone(t *testing.T) {
	w := Workload{Entries: []Entry{ours(proxy.Kind{}, CPU, 1, "x"), reference(proxy.Kind{})}}
	table := Table{Rows: []Row{{Role: Ours, Samples: samples(1, 5)}, {Role: Reference, Skipped: "not there"}}}
	table.finish(w)
	if r := table.Rows[0]; r.CPU.Median != 5 || r.Ratio.Known() || r.Target != nil {
		t.Errorf("%+v", r)
	}
}

func TestFewRequestsHaveNoTail(t *testing.T) {
	w := Workload{Entries: []Entry{{Role: Ours}}}
	table := Table{Rows: []Row{{Role: Ours, Samples: samples(1, 5)}}}
	table.Rows[0].Samples[0].Requests = 600
	table.finish(w)
	if r := table.Rows[0]; r.P999.Known() || !r.P99.Known() {
		t.Errorf("%+v", r)
	}
}

func TestNotes(t *testing.T) {
	s := samples(1, 5, 5)
	s[0].Log = proxy.Log{Records: 8000, Commits: 100, Dropped: 3}
	s[1].Log = proxy.Log{Records: 4000, Commits: 200, Failed: 1}
	table := Table{Rows: []Row{{Label: "edge", Samples: s}}}
	table.notes()
	want := []string{"edge: 50 commits a second, 40.0 requests each",
		"edge: the disk did not keep up: 3 lines of the log and 1 records were lost", "the app behind them: 2.0 µs a request"}
	if diff := cmp.Diff(want, table.Notes); diff != "" {
		t.Error(diff)
	}
}

func TestSkipWithoutOurs(t *testing.T) {
	for name, c := range map[string]struct {
		rows    []Row
		skipped bool
	}{
		"none of ours is known": {[]Row{{Role: Ours, Skipped: "x"}, {Role: Reference}}, true},
		"one of two":            {[]Row{{Role: Ours, Skipped: "x"}, {Role: Ours}, {Role: Reference}}, false},
		"none was asked for":    {[]Row{{Role: Reference}, {Role: Shown}}, false},
	} {
		table := Table{Rows: c.rows}
		if got := table.skipWithoutOurs(); got != c.skipped || c.skipped && table.Rows[1].Skipped == "" {
			t.Errorf("%s: %v, %+v", name, got, table.Rows)
		}
	}
}

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		fails bool
		r     load.Result
		good  bool
	}{
		"all answered":      {false, load.Result{Requests: 5}, true},
		"one 502":           {false, load.Result{Requests: 5, Status: 1}, false},
		"one lost":          {false, load.Result{Requests: 5, Failures: 1}, false},
		"all 502":           {true, load.Result{Requests: 5, Status: 5}, true},
		"one that went out": {true, load.Result{Requests: 5, Status: 4}, false},
	} {
		if err := (Workload{Fails: c.fails}).check(c.r); (err == nil) != c.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRounds(t *testing.T) {
	for want, w := range map[int]Workload{5: {}, 2: {Rounds: 2}, 10: {Twice: true}} {
		if got := w.rounds(5); got != want {
			t.Errorf("%+v: %d, want %d", fmt.Sprint(w.Rounds, w.Twice), got, want)
		}
	}
}
