package recovery

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/integration_test/edgetest"
)

// load sends POSTs to a host over a few connections until stop is called, which
// returns how each was answered and how often a client had to connect.
func load(t *testing.T, addr, host string, connections int) (stop func() (all []*failure, dials int)) {
	t.Helper()
	var ended atomic.Bool
	var mu sync.Mutex
	var all []*failure
	dials := 0
	var wg sync.WaitGroup
	for k := range connections {
		wg.Add(1)
		go func() {
			defer wg.Done()
			c := &client{addr: addr, from: fmt.Sprintf("127.0.2.%d", 1+k)}
			defer c.close()
			for i := k; i < 1_000_000 && !ended.Load(); i += connections {
				f := &failure{request: post(i, host), from: c.from, began: time.Now()}
				a, err := c.do(f.request, nil)
				if err != nil {
					t.Errorf("%s %d: %v", host, i, err)
					return
				}
				f.ended, f.id, f.status = time.Now(), a.id, a.status
				mu.Lock()
				all = append(all, f)
				mu.Unlock()
			}
			mu.Lock()
			dials += c.dials
			mu.Unlock()
		}()
	}
	return func() ([]*failure, int) {
		ended.Store(true)
		wg.Wait()
		return all, dials
	}
}

// A reload with a file that is not valid, or cannot take effect, changes nothing.
func TestReloadOfInvalidFileUnderLoad(t *testing.T) {
	queue := newApp(t)
	text := simple(queue, "")
	e := edgetest.Start(t, text)
	defer sound(t, e)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	const connections = 4
	stop := load(t, e.Addr, "queue.example.com", connections)
	for _, bad := range []string{
		"",
		"listen: {http: ADDR\n",
		text + "unknown_key: 1\n",
		strings.Replace(text, "app: queue", "app: nobody", 1),
		strings.Replace(text, "[queue.example.com]", `["*"]`, 1),
		strings.Replace(text, "[queue.example.com]", "[queue.example.com, QUEUE.example.com.]", 1),
		strings.Replace(text, "http: ADDR", "http: ["+taken.Addr().String()+", ADDR]", 1),
		text + "data: elsewhere\n",
		text + "admin: unix:elsewhere.sock\n",
	} {
		from := len(e.Log())
		time.Sleep(50 * time.Millisecond)
		e.Write(bad)
		e.Reload("reload refused")
		if log := e.Log()[from:]; !strings.Contains(log, `"level":"error"`) {
			t.Errorf("the log does not say what is wrong with\n%s\n%s", bad, log)
		}
	}
	e.Write(text)
	e.Reload("reloaded")
	all, dials := stop()
	answered(t, all, 200)
	if dials != connections {
		t.Errorf("%d connections were made for %d clients: some were dropped", dials, connections)
	}
	if got := queue.requests(); len(got) != len(all) {
		t.Errorf("%d requests were answered 200, the app had %d", len(all), len(got))
	}
	t.Logf("%d requests during 10 reloads", len(all))
}

// A reload that removes a host under load: the others do not notice, and what was
// refused meanwhile comes back when the host is there again.
func TestReloadRemovesHostUnderLoad(t *testing.T) {
	rng := seeded(t)
	stays, comes := newApp(t), newApp(t)
	with := config(`
apps: {stays: %q, comes: %q}
sites:
  - {hosts: [stays.test], app: stays}
  - {hosts: [comes.test, also.test], app: comes}
`, stays.URL, comes.URL)
	without := strings.Replace(with, "comes.test, also.test", "also.test", 1)
	e := edgetest.Start(t, with)
	defer sound(t, e)
	const connections = 3
	stopStays := load(t, e.Addr, "stays.test", connections)
	stopComes := load(t, e.Addr, "comes.test", connections)
	for range edgetest.Size(4, 40) {
		for _, text := range []string{without, with} {
			time.Sleep(time.Duration(20+rng.IntN(100)) * time.Millisecond)
			e.Write(text)
			e.Reload("reloaded")
		}
	}
	time.Sleep(50 * time.Millisecond)
	kept, dials := stopStays()
	moved, _ := stopComes()
	answered(t, kept, 200)
	if dials != connections {
		t.Errorf("%d connections were made for %d clients: some were dropped", dials, connections)
	}
	if n := len(stays.requests()); n != len(kept) {
		t.Errorf("%d requests were answered 200, the app had %d", len(kept), n)
	}
	var refused []*failure
	for _, f := range moved {
		switch f.status {
		case 421:
			refused = append(refused, f)
		case 200:
		default:
			t.Errorf("%s was answered %d", f.id, f.status)
		}
	}
	served := comes.requests()
	if len(refused) == 0 || len(served) != len(moved)-len(refused) {
		t.Errorf("%d of %d were refused, the app had %d", len(refused), len(moved), len(served))
	}
	replayed(t, e, "--yes", "--rate", "none").expect(t, "replay", 0, len(refused), len(refused), 0, 0, 0)
	recovered(t, refused, comes.requests(), 1)
	t.Logf("%d requests stayed, of %d others %d were refused and recovered", len(kept), len(moved), len(refused))
}

// SIGTERM: what is under way is finished, what is idle is closed, nothing new comes in.
func TestDrain(t *testing.T) {
	queue := newApp(t)
	queue.answers(func(m *message) reply {
		if strings.HasPrefix(m.target, "/slow") {
			return reply{status: 200, delay: 1500 * time.Millisecond}
		}
		return reply{status: 200}
	})
	e := edgetest.Start(t, simple(queue, ""))
	defer sound(t, e)
	idle := &client{addr: e.Addr}
	defer idle.close()
	if _, err := idle.do(post(0, "queue.example.com"), nil); err != nil {
		t.Fatal(err)
	}
	uploading, uploadAnswer := dialed(t, e.Addr)
	head := "POST /upload HTTP/1.1\r\nHost: queue.example.com\r\nContent-Length: 200000\r\n\r\n"
	if _, err := io.WriteString(uploading, head+strings.Repeat("x", 100_000)); err != nil {
		t.Fatal(err)
	}
	slow := make(chan error, 1)
	go func() {
		c := &client{addr: e.Addr}
		defer c.close()
		r := post(1, "queue.example.com")
		r.target = "/slow"
		a, err := c.do(r, nil)
		if err == nil && (a.status != 200 || !a.close) {
			err = fmt.Errorf("answered %d, close %v", a.status, a.close)
		}
		slow <- err
	}()
	until(t, "the slow one has arrived", func() bool { return queue.count() == 2 })
	began := time.Now()
	e.Signal(syscall.SIGTERM)
	_ = idle.nc.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := idle.r.ReadByte(); err != io.EOF {
		t.Errorf("the idle connection: %v", err)
	}
	if nc, err := net.DialTimeout("tcp", e.Addr, 2*time.Second); err == nil {
		_ = nc.SetDeadline(time.Now().Add(2 * time.Second))
		_, _ = nc.Write(post(2, "queue.example.com").bytes())
		if a, err := readAnswerHead(bufio.NewReader(nc)); err == nil {
			t.Errorf("a new connection was served after SIGTERM: %d", a.status)
		}
		_ = nc.Close()
	}
	time.Sleep(300 * time.Millisecond)
	if _, err := io.WriteString(uploading, strings.Repeat("y", 100_000)); err != nil {
		t.Error(err)
	}
	if a, err := readAnswerHead(uploadAnswer); err != nil || a.status != 200 {
		t.Errorf("the upload under way: %v %+v", err, a)
	}
	if err := <-slow; err != nil {
		t.Errorf("the slow request under way: %v", err)
	}
	if code := e.Wait(20 * time.Second); code != 0 {
		t.Errorf("exit %d\n%s", code, e.Log())
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the end took %v", took)
	}
	if n := len(queue.requests()); n != 3 {
		t.Errorf("the app had %d requests, want 3", n)
	}
	if records := e.Records(); len(records) != 3 {
		t.Errorf("%d records, want 3: %+v", len(records), records)
	}
}

// A second SIGTERM does not wait; what was under way is recorded all the same.
func TestDrainCutShort(t *testing.T) {
	queue := newApp(t)
	queue.answers(func(*message) reply { return reply{status: 200, delay: 8 * time.Second} })
	e := edgetest.Start(t, simple(queue, ""))
	defer sound(t, e)
	const n = 3
	for i := range n {
		nc, _ := dialed(t, e.Addr)
		if _, err := nc.Write(post(i, "queue.example.com").bytes()); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "all have arrived", func() bool { return queue.count() == n })
	began := time.Now()
	e.Signal(syscall.SIGTERM)
	time.Sleep(300 * time.Millisecond)
	e.Signal(syscall.SIGTERM)
	e.Wait(20 * time.Second)
	if took := time.Since(began); took > 6*time.Second {
		t.Errorf("the end took %v", took)
	}
	records := e.Records("--payload")
	if len(records) != n {
		t.Errorf("%d records, want %d", len(records), n)
	}
	for _, r := range records {
		i := strings.TrimPrefix(r.Request.URI, "/event?n=")
		if r.Outcome == "ok" || string(r.Body.Base64) != "body "+i || !r.Body.Complete {
			t.Errorf("request %s: %+v", strconv.Quote(i), r)
		}
	}
}
