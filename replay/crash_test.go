package replay

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/accesslog"
)

// The crash test runs replays in processes of their own and kills them with
// SIGKILL. The app runs in the test, so it knows what really arrived.

const crashHelper = "REPLAY_CRASH_HELPER"

func TestMain(m *testing.M) {
	if args := os.Getenv(crashHelper); args != "" {
		if err := crashingReplay(strings.Split(args, "\n")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func crashConfig(url string) string {
	return `{listen: {http: ":80"}, apps: {main: "` + url + `"}, sites: [{hosts: [queue.test], app: main}]}`
}

// crashingReplay is one run: data directory, URL of the app, run to resume (or ""),
// and "resend" to resend what is unknown.
func crashingReplay(args []string) error {
	dir, url, resume, resend := args[0], args[1], args[2], args[3] == "resend"
	ctx := context.Background()
	t := &fatalT{}
	cfg := loadConfig(t, crashConfig(url))
	reader, keys := openReader(t, dir)
	l, err := OpenLedger(dir)
	if err != nil {
		return err
	}
	s := Selection{Records: reader, Keys: keys, Ledger: l, Rules: Rules{Config: cfg, ResendUnknown: resend}}
	if resume != "" {
		s.Rules.Continue = true
		if s.Only, err = l.Planned(resume); err != nil {
			return err
		}
	}
	p, err := s.Plan(ctx)
	if err != nil {
		return err
	}
	var run *Run
	if resume != "" {
		run, err = l.Resume(resume, cfg.Path, cfg.Generation(), time.Now())
	} else {
		run, err = l.Begin(Header{Started: time.Now(), Generation: cfg.Generation()}, itemIDs(p.Items))
	}
	if err != nil {
		return err
	}
	archive := NewArchive(reader, keys, p)
	defer archive.Close()
	e := Engine{
		Sender: newHTTPSender(map[string]string{"main": url}, 5*time.Second), Payloads: archive, Book: run,
		Observer: &watcher{}, Destinations: p.Destinations, Options: Options{Concurrency: 4, Pauses: []time.Duration{time.Millisecond, time.Millisecond, time.Millisecond}},
	}
	if _, err := e.Run(ctx, p.Items, nil); err != nil {
		return err
	}
	return run.Close(time.Now(), "done")
}

// fatalT lets the helpers of the tests serve in the child process too.
type fatalT struct{ testing.TB }

func (*fatalT) Helper() {}
func (*fatalT) Fatal(args ...any) {
	fmt.Fprintln(os.Stderr, args...)
	os.Exit(1)
}

// judgeApp answers most requests well, some with 500, and breaks some connections
// after it has taken the request. It knows how often it said yes to each.
type judgeApp struct {
	*collector
	mu  sync.Mutex
	yes map[string]int // answered 200, or took it and could not answer
	rng *rand.Rand
}

func newJudgeApp(t *testing.T, seed uint64) *judgeApp {
	a := &judgeApp{yes: map[string]int{}, rng: rand.New(rand.NewPCG(seed, 1))}
	a.collector = newCollector(t, func(_ int, r *http.Request) int {
		a.mu.Lock()
		defer a.mu.Unlock()
		n := a.rng.IntN(100)
		if n < 5 {
			return 500
		}
		a.yes[r.Header.Get("Idempotency-Key")]++
		if n < 8 {
			return 0
		}
		return 200
	})
	return a
}

func TestKilledInTheMiddle(t *testing.T) {
	const records, wanted = 60, 30
	kills := 0
	for world := uint64(0); kills < wanted; world++ {
		if world > 60 {
			t.Fatalf("only %d kills hit", kills)
		}
		kills += crashWorld(t, world, records)
	}
	t.Logf("%d kills", kills)
}

// crashWorld kills replays of one data directory until one ends by itself, and
// says how many kills met a running one.
func crashWorld(t *testing.T, seed uint64, records int) int {
	rng := rand.New(rand.NewPCG(seed, 2))
	dir := t.TempDir()
	app := newJudgeApp(t, seed)
	s := newShelf(t, dir)
	ids := make([]accesslog.ID, records)
	for i := range ids {
		ids[i] = s.add(fact{body: fmt.Sprintf("visit %d", i)})
	}
	s.close()
	kills := 0
	for round := 0; ; round++ {
		resume := ""
		l, err := ReadLedger(dir)
		if err != nil {
			t.Fatal(err)
		}
		if runs := l.Runs(); len(runs) > 0 && runs[0].Begun && rng.IntN(2) == 0 {
			resume = runs[0].Run
		}
		app.mu.Lock()
		already := len(app.yes)
		app.mu.Unlock()
		killed := crashRun(t, []string{dir, app.URL, resume, ""}, func() bool {
			app.mu.Lock()
			defer app.mu.Unlock()
			return round < 8 && len(app.yes) >= already+1+rng.IntN(6)
		})
		app.check(t, dir, ids, nil)
		if !killed {
			if resume != "" {
				continue // the rest of that run is not the rest of all
			}
			break
		}
		kills++
	}
	for range 4 { // what failed is sent again by the next run
		crashRun(t, []string{dir, app.URL, "", ""}, nil)
	}
	unknown := app.check(t, dir, ids, nil)
	for range 6 {
		crashRun(t, []string{dir, app.URL, "", "resend"}, nil)
	}
	if left := app.check(t, dir, ids, unknown); len(left) > records/10 {
		t.Errorf("%d are still unknown", len(left))
	}
	return kills
}

// crashRun starts a replay and kills it when now says so.
func crashRun(t *testing.T, args []string, now func() bool) (killed bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), crashHelper+"="+strings.Join(args, "\n"),
		"GORACE=atexit_sleep_ms=0") // else every child sleeps for a second
	var out strings.Builder
	cmd.Stderr = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	tick := time.NewTicker(500 * time.Microsecond)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			if err != nil {
				t.Fatalf("the replay failed: %v\n%s", err, out.String())
			}
			return false
		case <-tick.C:
			if now != nil && now() {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
				<-done
				return cmd.ProcessState.ExitCode() == -1
			}
		}
	}
}

// check compares the ledger with what the app knows, and gives the unknown ids.
// Those in resent may have arrived twice.
func (a *judgeApp) check(t *testing.T, dir string, ids []accesslog.ID, resent map[accesslog.ID]bool) map[accesslog.ID]bool {
	t.Helper()
	time.Sleep(5 * time.Millisecond) // requests of a killed process may still be on their way into the app
	l, err := ReadLedger(dir)
	if err != nil {
		t.Fatal(err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	unknown := map[accesslog.ID]bool{}
	for _, id := range ids {
		yes := a.yes[id.String()]
		st := l.Of(id)
		switch {
		case st.State == Delivered && yes == 0:
			t.Errorf("%s is called delivered and never arrived", id)
		case st.State == Pending && yes > 0:
			t.Errorf("%s arrived and is called pending", id)
		case st.State == Failed && yes > 0 && !resent[id]:
			t.Errorf("%s arrived and is called failed", id)
		case yes > 1 && !resent[id]:
			t.Errorf("%s arrived %d times and was never called unknown", id, yes)
		case st.State == Unknown:
			unknown[id] = true
		case st.State != Delivered && st.State != Pending && st.State != Failed:
			t.Errorf("%s is %v", id, st.State)
		}
	}
	return unknown
}
