package replaycmd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/rs/zerolog"

	"github.com/holdfast-edge/holdfast/accesslog"
	"github.com/holdfast-edge/holdfast/configs"
	"github.com/holdfast-edge/holdfast/replay"
)

// cmdExits runs a program and checks its exit code: exits CODE PROGRAM ARGS...
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARGS...]")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if exit, ok := err.(*exec.ExitError); ok {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if want, err := strconv.Atoi(args[0]); err != nil || code != want {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// cmdInterrupt starts a program, sends it a signal as soon as its standard error
// has a text, and checks its exit code. What it printed is in the files out and
// err: interrupt CODE INT|TERM|HUP TEXT PROGRAM ARGS...
func cmdInterrupt(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 4 {
		ts.Fatalf("usage: interrupt CODE INT|TERM|HUP TEXT PROGRAM [ARGS...]")
	}
	sig := map[string]os.Signal{"INT": os.Interrupt, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP}[args[1]]
	cmd := exec.Command("/bin/sh", "-c", "exec "+strings.Join(args[3:], " ")+" >out 2>err")
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"PATH", "TZ", "MAIN", "WORK", "HOME"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	_ = os.Remove(ts.MkAbs("err")) // of an earlier one
	ts.Check(cmd.Start())
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		text, _ := os.ReadFile(ts.MkAbs("err"))
		if strings.Contains(string(text), args[2]) {
			break
		}
		if time.Now().After(deadline) {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			ts.Fatalf("no %q in %s", args[2], text)
		}
	}
	ts.Check(cmd.Process.Signal(sig))
	_ = cmd.Wait() // its exit code says more
	if code := cmd.ProcessState.ExitCode(); strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s\n%s%s", code, args[0], ts.ReadFile("out"), ts.ReadFile("err"))
	}
}

// cmdRecords fills a data directory: records DIR FILE. Every line of the file is
// one record, as fields KEY=VALUE, or several with times=N. The ids of the lines
// go into $ID0, $ID1 and so on (of several, the last). Records are made now,
// unless ago= says how long before.
func cmdRecords(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: records DIR FILE")
	}
	ids, err := fillRecords(ts.MkAbs(args[0]), ts.ReadFile(args[1]))
	ts.Check(err)
	for i, id := range ids {
		ts.Setenv("ID"+strconv.Itoa(i), id)
	}
}

func fillRecords(dir, text string) ([]string, error) {
	store, err := accesslog.OpenStore(dir, accesslog.StoreOptions{Log: zerolog.Nop()})
	if err != nil {
		return nil, err
	}
	gen := accesslog.NewIDs(time.Now().Add(-24 * time.Hour))
	var ids []string
	for line := range strings.Lines(text) {
		fields := map[string]string{"outcome": "upstream_down", "status": "502", "method": "POST", "host": "queue.test", "uri": "/event",
			"app": "main", "site": "queue.test", "body": "visit", "times": "1", "complete": "true", "ago": "1m"}
		for field := range strings.FieldsSeq(line) {
			k, v, _ := strings.Cut(field, "=")
			fields[k] = v
		}
		times, err := strconv.Atoi(fields["times"])
		if err != nil {
			return nil, err
		}
		var id accesslog.ID
		for range times {
			if id, err = addRecord(store, gen, fields); err != nil {
				return nil, err
			}
		}
		ids = append(ids, id.String())
	}
	return ids, store.Close()
}

func addRecord(store *accesslog.Store, gen *accesslog.IDs, f map[string]string) (accesslog.ID, error) {
	var none accesslog.ID
	outcome, err := accesslog.ParseOutcome(f["outcome"])
	if err != nil {
		return none, err
	}
	status, err := strconv.Atoi(f["status"])
	if err != nil {
		return none, err
	}
	ago, err := configs.ParseDuration(f["ago"])
	if err != nil {
		return none, err
	}
	at := time.Now().Add(-ago)
	if outcome == accesslog.NoRoute {
		f["app"], f["site"] = "", ""
	}
	r := &accesslog.Record{
		ID: gen.Next(at), Time: at, Outcome: outcome, Status: status, Generation: "4b1e77a0", Site: f["site"], App: f["app"],
		Upstream: f["upstream"], Match: "exact", Stage: "stable", Reason: f["reason"], Client: netip.MustParseAddrPort("203.0.113.77:40000"),
		Proto: "HTTP/1.1", Method: []byte(f["method"]), Host: []byte(f["host"]), URI: []byte(f["uri"]),
		Headers: []accesslog.Header{{Name: "Content-Type", Value: []byte("text/plain")}},
	}
	if f["long"] != "" { // more than a clear line takes
		n, err := strconv.Atoi(f["long"])
		if err != nil {
			return none, err
		}
		f["uri"] += strings.Repeat("x", n) + "/end"
		r.URI = []byte(f["uri"])
	}
	limit := int64(1 << 20)
	if f["truncated"] != "" {
		limit = 1
	}
	capture := store.NewCapture(limit)
	defer capture.Release()
	if _, err := capture.Write([]byte(f["body"])); err != nil {
		return none, err
	}
	body, kept, blob, err := capture.Seal(f["complete"] == "true")
	if err != nil {
		return none, err
	}
	r.Body = body
	if f["payload"] != "no" {
		head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n", f["method"], f["uri"], f["host"], len(f["body"]))
		r.Payload = &accesslog.Payload{Client: r.Client, Scheme: "http", Head: []byte(head), Body: kept, Blob: blob}
		if err := store.Commit(r); err != nil {
			return none, err
		}
	}
	store.Append(r)
	return r.ID, nil
}

// app is a real HTTP server that remembers what arrived.
type app struct {
	mu      sync.Mutex
	status  int           // 0: closes the connection instead of answering
	slow    time.Duration // before it answers
	arrived []string      // "METHOD TARGET HOST KEY ATTEMPT BODY"
}

type appsKey struct{}

func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	_, attempt, _ := strings.Cut(r.Header.Get("X-Edge-Replay"), "attempt=")
	a.mu.Lock()
	a.arrived = append(a.arrived, fmt.Sprintf("%s %s %s %s %s %s", r.Method, r.URL.RequestURI(), r.Host, r.Header.Get("Idempotency-Key"), attempt, body))
	status, slow := a.status, a.slow
	a.mu.Unlock()
	time.Sleep(slow)
	if status == 0 {
		if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
			conn.Close()
		}
		return
	}
	w.WriteHeader(status)
}

// cmdApp starts an app, or changes what it does: app NAME STATUS [DELAY]. Its
// address goes into $NAME.
func cmdApp(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: app NAME STATUS [DELAY]")
	}
	apps := ts.Value(appsKey{}).(map[string]*app)
	a := apps[args[0]]
	if a == nil {
		a = &app{}
		apps[args[0]] = a
		server := httptest.NewServer(a)
		ts.Defer(server.Close)
		ts.Setenv(args[0], server.Listener.Addr().String())
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	var err error
	a.status, err = strconv.Atoi(args[1])
	ts.Check(err)
	if len(args) > 2 {
		a.slow, err = time.ParseDuration(args[2])
		ts.Check(err)
	}
}

// cmdArrived checks how many requests an app got, and that one has a text:
// arrived NAME N [TEXT].
func cmdArrived(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: arrived NAME N [TEXT]")
	}
	a := ts.Value(appsKey{}).(map[string]*app)[args[0]]
	if a == nil {
		ts.Fatalf("no app %q", args[0])
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if n := len(a.arrived); strconv.Itoa(n) != args[1] {
		ts.Fatalf("%d requests arrived, want %s:\n%s", n, args[1], strings.Join(a.arrived, "\n"))
	}
	if text := strings.Join(args[2:], " "); !strings.Contains(strings.Join(a.arrived, "\n"), text) {
		ts.Fatalf("no request with %q arrived:\n%s", text, strings.Join(a.arrived, "\n"))
	}
}

// cmdAdmin serves a configuration as a running edge does: admin SOCKET FILE.
func cmdAdmin(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: admin SOCKET FILE")
	}
	path := ts.MkAbs(args[1])
	env := map[string]string{}
	cfg, err := configs.Load(path, configs.Options{Getenv: func(name string) (string, bool) {
		env[name] = ts.Getenv(name)
		return env[name], true
	}})
	ts.Check(err)
	type source struct {
		Path string `json:"path"`
		Text string `json:"text"`
	}
	var sources []source
	for _, s := range cfg.Sources {
		sources = append(sources, source{s.Path, string(s.Text)})
	}
	answer, err := json.Marshal(map[string]any{"path": cfg.Path, "generation": cfg.Generation(), "since": time.Now(), "sources": sources, "env": cfg.Env})
	ts.Check(err)
	listener, err := net.Listen("unix", ts.MkAbs(args[0]))
	ts.Check(err)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(answer) })}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	ts.Defer(func() {
		server.Close()
		<-done
	})
}

// cmdHold holds the ledger of a data directory until the script ends, as another
// replay does: hold DIR.
func cmdHold(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: hold DIR")
	}
	l, err := replay.OpenLedger(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Defer(func() { l.Close() })
}

// cmdSums reads JSON lines of a replay and checks them against each other, and the
// summary against what is wanted: sums FILE KEY=N...
func cmdSums(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: sums FILE [KEY=N...]")
	}
	var summary map[string]any
	states := map[string]int{}
	lines := bytes.Split(bytes.TrimSpace([]byte(ts.ReadFile(args[0]))), []byte("\n"))
	for _, line := range lines {
		var v struct {
			ID, Run, State string
			Summary        map[string]any
		}
		ts.Check(json.Unmarshal(line, &v))
		if summary != nil {
			ts.Fatalf("a line after the summary: %s", line)
		}
		if summary = v.Summary; summary == nil {
			if v.ID == "" || v.Run == "" || v.State == "" {
				ts.Fatalf("an incomplete line: %s", line)
			}
			states[v.State]++
		}
	}
	number := func(path string) int {
		var at any = summary
		for key := range strings.SplitSeq(path, ".") {
			m, _ := at.(map[string]any)
			at = m[key]
		}
		n, _ := at.(float64)
		return int(n)
	}
	if m := number("already_delivered") + number("left_out.total") + number("cannot_be_resent.total") + number("to_send"); m != number("matched") {
		ts.Fatalf("matched %d, accounted for %d", number("matched"), m)
	}
	if dry, _ := summary["dry_run"].(bool); !dry && number("to_send") > 0 {
		total := 0
		for _, s := range []string{"delivered", "rejected", "unknown", "failed", "skipped", "pending"} {
			if number(s) != states[s] {
				ts.Fatalf("summary says %d %s, the lines say %d", number(s), s, states[s])
			}
			total += number(s)
		}
		if total != number("to_send") {
			ts.Fatalf("to send %d, ended %d", number("to_send"), total)
		}
	}
	for _, want := range args[1:] {
		key, n, _ := strings.Cut(want, "=")
		if strconv.Itoa(number(key)) != n {
			ts.Fatalf("%s is %d, want %s\n%s", key, number(key), n, lines[len(lines)-1])
		}
	}
}
