//go:build linux

// Package load drives a proxy, from processes whose time is not counted: wrk for
// as fast as it goes, and generators of our own for what wrk cannot do.
package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A Request says what is sent, again and again.
type Request struct {
	URL    string
	Host   string // the Host field
	Method string // GET if empty
	Body   string // of a POST
	Close  bool   // a connection for every request
}

// A Result is what came of a run. Latencies are of whole requests.
type Result struct {
	Requests int64         `json:"requests"`
	Duration time.Duration `json:"duration"` // ns
	Bytes    int64         `json:"bytes"`    // received
	Failures int64         `json:"failures"` // connections, reads, writes, timeouts
	Status   int64         `json:"status"`   // answers of 400 and above
	P50      time.Duration `json:"p50"`      // ns
	P99      time.Duration `json:"p99"`
	P999     time.Duration `json:"p999"`
}

// A Wrk runs wrk(1).
type Wrk struct {
	Dir         string // for its script
	Connections int
	Threads     int
}

// Run drives for about d. What is left of ctx bounds it.
func (w Wrk) Run(ctx context.Context, r Request, d time.Duration) (Result, error) {
	script := filepath.Join(w.Dir, "wrk.lua")
	if err := os.WriteFile(script, []byte(r.script()), 0o600); err != nil {
		return Result{}, err
	}
	seconds := max(1, int((d+time.Second/2)/time.Second))
	ctx, cancel := context.WithTimeout(ctx, time.Duration(seconds)*time.Second+30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "wrk", "-t", fmt.Sprint(w.Threads), "-c", fmt.Sprint(w.Connections),
		"-d", fmt.Sprintf("%ds", seconds), "--timeout", "10s", "-s", script, r.URL)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return Result{}, fmt.Errorf("wrk: %w\n%s%s", err, out.String(), errs.String())
	}
	return parseWrk(out.String())
}

// mark is in front of the line that our script makes wrk print.
const mark = "holdfast-bench "

// script is Lua for wrk. There is no function request, so wrk builds the request
// once; done prints what wrk's own summary leaves out.
func (r Request) script() string {
	var b strings.Builder
	if r.Method != "" {
		fmt.Fprintf(&b, "wrk.method = %q\n", r.Method)
	}
	if len(r.Body) > 0 {
		if strings.Trim(r.Body, "b") == "" { // the big ones
			fmt.Fprintf(&b, "wrk.body = string.rep(\"b\", %d)\n", len(r.Body))
		} else {
			fmt.Fprintf(&b, "wrk.body = [==[%s]==]\n", r.Body)
		}
		b.WriteString("wrk.headers[\"Content-Type\"] = \"application/json\"\n")
	}
	fmt.Fprintf(&b, "wrk.headers[\"Host\"] = %q\n", r.Host)
	b.WriteString("wrk.headers[\"User-Agent\"] = \"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\"\n")
	if r.Close {
		b.WriteString("wrk.headers[\"Connection\"] = \"close\"\n")
	}
	b.WriteString(`function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('` + mark + `{"requests":%d,"duration":%d,"bytes":%d,"failures":%d,"status":%d,"p50":%d,"p99":%d,"p999":%d}\n',
    summary.requests, summary.duration, summary.bytes, e.connect + e.read + e.write + e.timeout, e.status,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
`)
	return b.String()
}

// parseWrk finds our script's line in what wrk printed. wrk counts in microseconds.
func parseWrk(out string) (Result, error) {
	_, rest, ok := strings.Cut(out, mark)
	if !ok {
		return Result{}, fmt.Errorf("wrk printed no result:\n%s", out)
	}
	line, _, _ := strings.Cut(rest, "\n")
	var r Result
	if err := json.Unmarshal([]byte(line), &r); err != nil {
		return Result{}, fmt.Errorf("wrk printed %q: %w", line, err)
	}
	for _, d := range []*time.Duration{&r.Duration, &r.P50, &r.P99, &r.P999} {
		*d *= time.Microsecond
	}
	if r.Requests == 0 {
		return r, errors.New("no request was answered:\n" + out)
	}
	return r, nil
}
