//go:build linux

// Package suite is what is measured: the workloads, the order in which the
// proxies take turns, and what is made of the samples.
package suite

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/holdfast-edge/holdfast/bench/load"
	"github.com/holdfast-edge/holdfast/bench/proxy"
)

// A Workload is one table of the result.
type Workload struct {
	Name    string // of -run
	Title   string
	Path    string
	Request load.Request // URL and Host are filled in
	Drive   Drive
	Rate    int  // of Paced: requests per second
	Rounds  int  // at most so many; 0: no limit
	Twice   bool // as many rounds again, for a difference that is small
	Fails   bool // the app answers 502, and that is right
	Entries []Entry
}

// Drive is how the load is made.
type Drive int

// The ways of making load.
const (
	Wrk    Drive = iota // as fast as it goes, by wrk
	Closed              // as fast as it goes, by our own generator
	Paced               // at a constant rate
	Idle                // a request on each of IdleConnections, then nothing
)

// IdleConnections is how many connections rest in the workload Idle.
const IdleConnections = 10_000

// An Entry is a proxy of a workload.
type Entry struct {
	proxy.Kind
	Role Role
	Goal Goal // of ours
}

// Role says what an entry is for in the ratios.
type Role string

// Roles of entries.
const (
	Shown     Role = "shown"     // in the table only
	Ours      Role = "ours"      // divided by the best reference of its round
	Reference Role = "reference" // what ours is divided by
)

// A Goal is a target of docs/benchmarks.md: Max is not to be exceeded. The zero
// Goal is none.
type Goal struct {
	Text   string  `json:"text"` // what is promised, as people say it
	Metric Metric  `json:"metric"`
	Of     string  `json:"of,omitempty"` // only references of this program count; all if empty
	Max    float64 `json:"max"`
}

// Metric is what a goal is about.
type Metric string

// The metrics: ratios of CPU time per request and of the 99th percentile, and
// memory as it is, in MiB.
const (
	CPU    Metric = "cpu"
	P99    Metric = "p99"
	Memory Metric = "memory"
)

// Select keeps the workloads that names lists (all if empty) and of their entries
// the programs in against (all if empty); "edge@PATH" there is another edge's
// binary beside ours.
func Select(all []Workload, names, against []string) ([]Workload, error) {
	for _, n := range names {
		if !slices.ContainsFunc(all, func(w Workload) bool { return w.Name == n }) {
			var known []string
			for _, w := range all {
				known = append(known, w.Name)
			}
			return nil, fmt.Errorf("no workload is called %q; there are %s", n, strings.Join(known, ", "))
		}
	}
	var chosen []Workload
	for _, w := range all {
		if len(names) > 0 && !slices.Contains(names, w.Name) {
			continue
		}
		var entries []Entry
		for _, e := range w.Entries {
			if len(against) == 0 || slices.Contains(against, e.Program) {
				entries = append(entries, e)
			}
			for _, a := range against {
				binary, other := strings.CutPrefix(a, "edge@")
				if other && e.Program == "edge" && e.Role == Ours && !e.NoSync {
					e.Label, e.Binary = e.Label+"@"+filepath.Base(binary), binary
					entries = append(entries, e)
				}
			}
		}
		if w.Entries = entries; len(entries) > 0 {
			chosen = append(chosen, w)
		}
	}
	return chosen, nil
}
