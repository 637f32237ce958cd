//go:build linux

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

// script is Lua for wrk. Without a function request wrk builds the request once;
// done prints what wrk's own summary leaves out.
func (r Request) script() string {
	var b strings.Builder
	if r.Method != "" {
		fmt.Fprintf(&b, "wrk.method = %q\n", r.Method)
	}
	if len(r.Body) > 0 {
		fmt.Fprintf(&b, "wrk.body = [==[%s]==]\nwrk.headers[\"Content-Type\"] = \"application/json\"\n", r.Body)
	}
	fmt.Fprintf(&b, "wrk.headers[\"Host\"] = %q\nwrk.headers[\"User-Agent\"] = %q\n", r.Host, userAgent)
	if r.Close {
		b.WriteString("wrk.headers[\"Connection\"] = \"close\"\n")
	}
	if r.Hosts > 0 {
		fmt.Fprintf(&b, `local requests, turn = {}, 0
function init(args)
  for i = 1, %d do
    wrk.headers["Host"] = string.format(%q, i)
    requests[i] = wrk.format()
  end
end
function request()
  turn = turn %% #requests + 1
  return requests[turn]
end
`, r.Hosts, HostName)
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
