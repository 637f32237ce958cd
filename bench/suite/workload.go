//go:build linux

// Package suite is what is measured: the workloads, the order in which the
// proxies take turns, and what is made of the samples.
package suite

import (
	"strings"

	"github.com/holdfast-edge/holdfast/bench/backend"
	"github.com/holdfast-edge/holdfast/bench/load"
	"github.com/holdfast-edge/holdfast/bench/proxy"
)

// A Workload is one table of the result.
type Workload struct {
	Name    string // of -run
	Title   string
	Path    string
	Request load.Request // URL is filled in
	Fails   bool         // the app answers 502, and that is right
	Entries []Entry
}

// An Entry is a proxy of a workload.
type Entry struct {
	proxy.Kind
	Role   Role
	Target float64 // of ours: the ratio that is not to be exceeded; 0: none is set
}

// Role says what an entry is for in the ratios.
type Role int

// Roles of entries.
const (
	Shown     Role = iota // in the table only
	Ours                  // divided by the best reference of its round
	Reference             // what ours is divided by
)

// Workloads lists all that is measured, in the order of the result.
func Workloads() []Workload {
	edge := proxy.Kind{Label: "edge", Program: "edge"}
	nginx := proxy.Kind{Label: "nginx", Program: "nginx"}
	haproxy := proxy.Kind{Label: "haproxy", Program: "haproxy"}
	bodyLog := proxy.Kind{Label: "nginx, body logged", Program: "nginx", LogBody: true}
	bodyLogEach := proxy.Kind{Label: "nginx, body logged, unbuffered", Program: "nginx", LogBody: true, Unbuffered: true}
	visit := visitBody()
	return []Workload{{
		Name: "get", Title: "GET 1 KiB", Path: backend.Small,
		Entries: []Entry{{edge, Ours, 0.85}, {nginx, Reference, 0}, {haproxy, Reference, 0}},
	}, {
		Name: "post", Title: "POST 512 B, body captured, record written", Path: backend.Short,
		Request: load.Request{Method: "POST", Body: visit},
		Entries: []Entry{{edge, Ours, 0.85}, {bodyLog, Reference, 0}, {bodyLogEach, Reference, 0}, {haproxy, Reference, 0}},
	}, {
		Name: "fail", Title: "POST 512 B answered 502, record durable before the answer", Path: backend.Fail, Fails: true,
		Request: load.Request{Method: "POST", Body: visit},
		Entries: []Entry{{edge, Ours, 1.2}, {bodyLog, Reference, 0}, {bodyLogEach, Reference, 0}, {haproxy, Reference, 0}},
	}}
}

// visitBody is 512 bytes of what a tracking script sends.
func visitBody() string {
	const start, end = `{"path":"/products/42?ref=mail","referrer":"https://www.example.org/search","screen":"1920x1080","language":"en-GB","note":"`, `"}`
	return start + strings.Repeat("lorem ipsum dolor ", 40)[:512-len(start)-len(end)] + end
}
