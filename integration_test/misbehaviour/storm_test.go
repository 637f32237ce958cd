package misbehaviour

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/integration_test/edgetest"
)

const (
	// visitorRate is how often the visitor asks, per second.
	visitorRate = 200
	// slack is what the edge may hold beyond what a storm costs: buffers that the
	// visitor's connections and the log use, and what the collector has not yet given back.
	slack = 24 << 20
	// collector is how much memory the runtime may hold for each byte in use: it collects
	// when the heap has doubled.
	collector = 2
)

var (
	// floor is a time below which the visitor's p99 is not judged. At the small size
	// it is far above what is measured on an idle machine, because other tests run beside
	// this one and the race detector is on.
	floor = full(100*time.Millisecond, 2*time.Millisecond)
	// raced is how much more memory a program takes that is built with the race detector.
	raced  = full[int64](5, 1)
	calm   = full(400*time.Millisecond, 5*time.Second)
	stormy = full(time.Second, 4*time.Second)
	// rounds is how often calm and storm follow each other; a small run ends with the
	// first round in which the visitor was served well.
	rounds = 3
)

// A storm is one kind of misbehaviour, of many clients at a time.
type storm struct {
	name  string
	at    int   // how many at a time
	costs int64 // bytes of memory that one may cost the edge
	// act is what a client does, once; it is done again until the storm is over. An
	// error is the edge's fault, but for what happens when it is over.
	act func(a *actor) error
	// apps are the scripts of paths.
	apps map[string]script
	// outcomes are those that may be recorded for requests to the storm's paths, as
	// "outcome status", and with a "+" in front where the body must be complete, with a
	// "-" where it must not.
	outcomes string
	// lossy: a head that was sent need not have arrived (a reset overtook it).
	lossy bool

	heads *atomic.Int64 // whole heads sent so far
}

// An actor is one of a storm's clients.
type actor struct {
	*stage
	*scene
	i, n int // which one it is, and how often it has acted
	rng  *rand.Rand
}

// A scene is one round of a storm.
type scene struct {
	path  string // of the storm; requests go to it or below it
	stop  chan struct{}
	heads *atomic.Int64 // whole heads sent

	mu    sync.Mutex
	conns map[*client]bool
}

// dial connects; the connection is closed when the storm is over. rcvbuf as connectTo has it.
func (a *actor) dial(rcvbuf int) (*client, error) {
	c, err := connectTo(a.edge.Addr, a.i, rcvbuf)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.over() {
		_ = c.Close()
	}
	a.conns[c] = true
	return c, nil
}

// drop closes a connection.
func (a *actor) drop(c *client) {
	_ = c.Close()
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.conns, c)
}

// send sends a whole head, and what follows, in one write.
func (a *actor) send(c *client, head string, more ...string) error {
	a.heads.Add(1)
	_, err := c.Write([]byte(head + strings.Join(more, "")))
	return err
}

func (s *scene) over() bool {
	select {
	case <-s.stop:
		return true
	default:
		return false
	}
}

// pause waits; false says that the storm is over.
func (s *scene) pause(d time.Duration) bool {
	select {
	case <-s.stop:
		return false
	case <-time.After(d):
		return true
	}
}

// trickle sends the bytes one by one, until they are sent, refused, or it is over.
func (a *actor) trickle(c *client, text string, every time.Duration) {
	for i := range len(text) {
		if !a.pause(every) {
			return
		}
		if _, err := c.Write([]byte(text[i : i+1])); err != nil {
			return
		}
	}
}

// weather runs each storm by itself; at the small size all of them at once, which says the
// same in less time if it passes.
func weather(t *testing.T, storms ...storm) {
	if !edgetest.Full() {
		run(t, storms...)
		return
	}
	for _, st := range storms {
		t.Run(strings.ReplaceAll(st.name, " ", "-"), func(t *testing.T) { run(t, st) })
	}
}

// run lets storms go on beside the visitor, and judges.
func run(t *testing.T, storms ...storm) {
	s := newStage(t)
	var clients, costs int
	for i := range storms {
		st := &storms[i]
		st.heads = new(atomic.Int64)
		clients += st.at
		costs += st.at * int(st.costs)
		for path, app := range st.apps {
			s.bad.on(path, app)
		}
	}
	needFiles(t, uint64(2*clients+500))
	bound := raced * collector * int64(costs+slack)
	from := seed(t)
	v := newVisitor(t, s.edge.Addr, "normal.test", visitorRate)
	// The control asks the same of the app itself: what it waits for is not the edge.
	control := newVisitor(t, s.good.addr, "normal.test", visitorRate)
	v.window(t, calm/2) // warm up
	before := s.vitals()
	var seen []string
	well := false
	for round := 0; round < rounds && (edgetest.Full() || !well); round++ {
		quiet := v.window(t, calm)
		quiet.sound(t, "in the calm")
		var ends []func()
		for i := range storms {
			ends = append(ends, storms[i].begin(t, s, from+uint64(100*round+i)))
		}
		time.Sleep(calm / 2) // until it stands
		peaks := s.peaks()
		control.cut().sound(t, "without the edge")
		loud := v.window(t, stormy)
		beside := control.cut()
		loud.sound(t, "in the storm")
		most := peaks()
		for _, end := range ends {
			end()
		}
		settled := s.settle(t, before, 2*visitorConns+min(clients, 50), patience/2)
		p, q := quiet.quantile(0.99), loud.quantile(0.99)
		r := beside.quantile(0.99)
		seen = append(seen, fmt.Sprintf("%v -> %v (%v without the edge)", tidy(p), tidy(q), tidy(r)))
		well = well || q <= max(2*p, 3*r, floor)
		t.Logf("%d clients: p50 %v -> %v, p99 %s, max %v -> %v, of %d; at most %d descriptors, %d threads, %.1f MiB resident; before: %v; after: %v",
			clients, tidy(quiet.quantile(0.5)), tidy(loud.quantile(0.5)), seen[round], tidy(quiet.quantile(1)), tidy(loud.quantile(1)),
			len(loud.took), most.Descriptors, most.Threads, float64(most.Resident)/(1<<20), before, settled)
		if grown := most.Resident - before.Resident; grown > bound {
			t.Errorf("the edge grew by %.1f MiB; for %d clients it may by %.1f MiB", float64(grown)/(1<<20), clients, float64(bound)/(1<<20))
		}
	}
	if !well {
		t.Errorf("the visitor's p99 was never within twice that of the calm: %s", strings.Join(seen, ", "))
	}
	v.end(t)
	control.end(t)
	time.Sleep(200 * time.Millisecond) // access lines are written within 100 ms
	for i := range storms {
		storms[i].judge(t, s)
	}
}

func tidy(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }

// path is where the requests of the storm go, or what their paths begin with.
func (st *storm) path() string { return "/" + strings.ReplaceAll(st.name, " ", "-") + "/" }

// begin starts the clients and returns what ends them.
func (st *storm) begin(t *testing.T, s *stage, seed uint64) (end func()) {
	sc := &scene{path: st.path(), stop: make(chan struct{}), heads: st.heads, conns: map[*client]bool{}}
	var wg sync.WaitGroup
	var faults atomic.Int32
	for i := range st.at {
		wg.Go(func() {
			a := &actor{stage: s, scene: sc, i: i, rng: random(seed, i)}
			// They come within a moment, not all at once.
			for a.pause(time.Duration(a.rng.Int64N(int64(calm / 2)))); !a.over(); a.n++ {
				if err := st.act(a); err != nil && !a.over() && faults.Add(1) <= 5 {
					t.Errorf("%s, client %d: %v", st.name, i, err)
				}
			}
		})
	}
	return func() {
		close(sc.stop)
		sc.mu.Lock()
		for c := range sc.conns {
			_ = c.Close()
		}
		sc.mu.Unlock()
		wg.Wait()
	}
}

// judge looks at the records of the storm.
func (st *storm) judge(t *testing.T, s *stage) {
	t.Helper()
	if st.outcomes == "" {
		return
	}
	counts, wrong := map[string]int{}, 0
	var n int64
	for _, r := range s.edge.Records("--path", st.path()) {
		n++
		got := fmt.Sprintf("%s %d", r.Outcome, r.Status)
		if r.Body.Complete {
			got = "+" + got
		} else {
			got = "-" + got
		}
		counts[got]++
		if !strings.Contains(", "+st.outcomes+",", ", "+got[1:]+",") && !strings.Contains(", "+st.outcomes+",", ", "+got+",") {
			if wrong++; wrong <= 5 {
				t.Errorf("recorded as %s (%s) after %.3f s: %s %s, %d body bytes", got, r.Reason, r.Duration, r.Request.Method, r.Request.URI, r.Body.Bytes)
			}
		}
	}
	// What was sent in the moment it was over need not have arrived.
	heads, cut := st.heads.Load(), int64(st.at*rounds)
	if n == 0 || n > heads || n < heads-cut && !st.lossy {
		t.Errorf("%s: %d records of %d requests", st.name, n, heads)
	}
	t.Logf("%s: %d requests, %d records: %v", st.name, heads, n, counts)
}
