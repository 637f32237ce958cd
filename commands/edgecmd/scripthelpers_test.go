package edgecmd

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/rs/zerolog"

	"github.com/holdfast-edge/holdfast/accesslog"
	"github.com/holdfast-edge/holdfast/tls/tlstest"
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

// cmdAsk sends a request to a server on loopback under the name of a host and
// checks the status: ask STATUS METHOD ADDRESS HOST TARGET [BODY]. It tries for up
// to ten seconds until somebody listens.
func cmdAsk(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 5 {
		ts.Fatalf("usage: ask STATUS METHOD ADDRESS HOST TARGET [BODY]")
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		req, err := http.NewRequest(args[1], "http://"+args[2]+args[4], strings.NewReader(strings.Join(args[5:], " ")))
		ts.Check(err)
		req.Host, req.Close = args[3], true
		res, err := http.DefaultClient.Do(req)
		if errors.Is(err, syscall.ECONNREFUSED) && time.Now().Before(deadline) {
			continue
		}
		ts.Check(err)
		res.Body.Close()
		if strconv.Itoa(res.StatusCode) != args[0] {
			ts.Fatalf("answered %s, want %s", res.Status, args[0])
		}
		return
	}
}

// cmdFreeport puts a free address on loopback into a variable: freeport NAME.
func cmdFreeport(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: freeport NAME")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv(args[0], l.Addr().String())
	ts.Check(l.Close())
}

// cmdCertificate makes a certificate, NAME.pem and NAME.key: certificate NAME HOST...
func cmdCertificate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: certificate NAME HOST...")
	}
	ca, err := tlstest.NewAuthority()
	ts.Check(err)
	pair, err := ca.Issue(args[1:]...)
	ts.Check(err)
	ts.Check(pair.Write(ts.MkAbs(args[0]+".pem"), ts.MkAbs(args[0]+".key")))
}

// cmdAwait waits up to ten seconds until a file holds a text: await FILE TEXT.
func cmdAwait(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await FILE TEXT")
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		switch {
		case err == nil && strings.Contains(string(text), args[1]):
			return
		case time.Now().After(deadline):
			ts.Fatalf("%s has no %q: %v\n%s", args[0], args[1], err, text)
		}
	}
}

// recorded are the exchanges that cmdRecords writes, a second apart from start on.
var recorded = []accesslog.Record{
	{Outcome: accesslog.OK, Status: 200, Site: "queue", App: "collector", Upstream: "127.0.0.1:3000", Match: "exact",
		Method: []byte("GET"), Host: []byte("queue.example.com"), URI: []byte("/pixel?x=1"), Duration: 14 * time.Millisecond},
	{Outcome: accesslog.UpstreamDown, Status: 502, Site: "queue", App: "collector", Match: "exact", Reason: "connection refused",
		Method: []byte("POST"), Host: []byte("queue.example.com"), URI: []byte("/event"), Duration: 2 * time.Millisecond},
	{Outcome: accesslog.NoRoute, Status: 421, Match: "none",
		Method: []byte("POST"), Host: []byte("stats.customer.example"), URI: []byte("/event"), Duration: time.Millisecond},
	{Outcome: accesslog.Upstream4xx, Status: 401, Site: "shop", App: "monitor", Upstream: "127.0.0.1:9999", Match: "wildcard",
		Method: []byte("POST"), Host: []byte("m.shop.example"), URI: []byte("/event?\x1b[31m"), Duration: 1200 * time.Millisecond},
}

var start = time.Date(2026, 11, 23, 2, 25, 10, 0, time.UTC)

// cmdRecords fills a data directory with the recorded exchanges: records DIR. The
// failed ones have a payload, and their ids are put into $ID0 to $ID3.
func cmdRecords(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: records DIR")
	}
	var clock atomic.Pointer[time.Time] // the store looks at it when it likes
	clock.Store(&start)
	store, err := accesslog.OpenStore(ts.MkAbs(args[0]), accesslog.StoreOptions{
		Log: zerolog.Nop(), Now: func() time.Time { return *clock.Load() },
	})
	ts.Check(err)
	ids := accesslog.NewIDs(start)
	for i, r := range recorded {
		now := start.Add(time.Duration(i) * time.Second)
		clock.Store(&now)
		r.ID, r.Time, r.Generation, r.Proto, r.Stage = ids.Next(now), now, "4b1e77a0", "HTTP/1.1", "stable"
		r.Client = netip.MustParseAddrPort("203.0.113.77:40000")
		r.Headers = []accesslog.Header{{Name: "User-Agent", Value: []byte("curl/8.5.0")}}
		ts.Setenv("ID"+strconv.Itoa(i), r.ID.String())
		if accesslog.Failed(r.Outcome, r.Status) {
			ts.Check(commit(store, r))
		}
		store.Append(&r)
	}
	ts.Check(store.Close())
}

// commit writes the captured part of r, with a body of 256 bytes, all different.
func commit(store *accesslog.Store, r accesslog.Record) error {
	body := make([]byte, 256)
	for i := range body {
		body[i] = byte(i)
	}
	capture := store.NewCapture(1 << 20)
	defer capture.Release()
	if _, err := capture.Write(body); err != nil {
		return err
	}
	sum, kept, blob, err := capture.Seal(true)
	if err != nil {
		return err
	}
	r.Body = sum
	head := string(r.Method) + " /event HTTP/1.1\r\nHost: " + string(r.Host) + "\r\nCookie: secret=1\r\n\r\n"
	r.Payload = &accesslog.Payload{Client: r.Client, Scheme: "http", Head: []byte(head), Body: kept, Blob: blob}
	return store.Commit(&r)
}
