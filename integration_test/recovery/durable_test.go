package recovery

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/accesslog"
	"github.com/holdfast-edge/holdfast/integration_test/edgetest"
)

// told is a failure of which the client has read the head.
type told struct {
	id, mark  string // mark is a field line of this request only
	status    int
	size      int
	hash      [sha256.Size]byte
	unmatched bool // no site named the host
	round     int
}

// keptOfUnmatched is how much of a body is kept for hosts that no site names, in bytes.
const keptOfUnmatched = 64 << 10

// A killing is what the rounds of TestKillNine share.
type killing struct {
	t    *testing.T
	e    *edgetest.Edge
	rng  *rand.Rand
	all  map[string]told
	size int64 // of all bodies told of
}

// Every failure that a client was told of is in the log with its whole payload, at
// whatever moment the edge is killed.
func TestKillNine(t *testing.T) {
	rng := seeded(t)
	broken, slow := newApp(t), newApp(t)
	broken.answers(func(m *message) reply {
		switch path, _, _ := strings.Cut(m.target, "?"); path {
		case "/404":
			return reply{status: 404}
		case "/500":
			return reply{status: 500}
		case "/503-early":
			return reply{status: 503, early: true}
		case "/drop":
			return reply{drop: true}
		case "/garbage":
			return reply{raw: "HTTP/1.1 banana\r\n\r\n"}
		case "/cut":
			return reply{raw: "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nnot all of it"}
		}
		return reply{status: 200}
	})
	slow.answers(func(*message) reply { return reply{status: 200, delay: 300 * time.Millisecond} })
	k := &killing{t: t, rng: rng, all: make(map[string]told)}
	k.e = edgetest.Start(t, config(`
apps:
  broken: %q
  slow: {upstreams: [%q], timeouts: {response: 100ms}}
  gone: "http://%s"
sites:
  - {hosts: [broken.test], app: broken}
  - {hosts: [slow.test], app: slow}
  - {hosts: [gone.test], app: gone}
  - {name: routes, hosts: [routes.test], routes: [{path: /only, app: broken}]}
`, broken.URL, slow.URL, edgetest.FreeAddr(t)))
	defer sound(t, k.e)

	rounds := edgetest.Size(12, 200)
	for round := range rounds {
		k.round(round)
		broken.requests()
		slow.requests()
		if t.Failed() {
			return
		}
	}
	k.e.Stop()
	k.check(k.all, time.Time{}, "in the end")
	private(t, filepath.Join(k.e.Dir, "data"), "Bearer secret", "c2VjcmV0")
	statuses := map[int]int{}
	for _, f := range k.all {
		statuses[f.status]++
	}
	t.Logf("%d rounds, %d failures were told, with %d MiB of bodies; by status %v", rounds, len(k.all), k.size>>20, statuses)
	for _, status := range []int{200, 404, 421, 500, 502, 503, 504} {
		if statuses[status] == 0 {
			t.Errorf("nothing was answered %d: the load is not what it should be", status)
		}
	}
}

// The line of a success is on disk within a second.
func TestKillNineAfterSuccess(t *testing.T) {
	queue := newApp(t)
	e := edgetest.Start(t, simple(queue, ""))
	defer sound(t, e)
	var all []*failure
	for range edgetest.Size(2, 10) {
		all = append(all, send(t, e.Addr, posts(40, "queue.example.com"))...)
		time.Sleep(1100 * time.Millisecond)
		e.Kill()
		e.Start()
	}
	answered(t, all, 200)
	lines := map[string]int{}
	for _, r := range e.Records() {
		lines[r.ID]++
	}
	for _, f := range all {
		if lines[f.id] != 1 {
			t.Errorf("%s has %d lines", f.id, lines[f.id])
		}
	}
}

// round loads the edge, kills it, starts it again and looks.
func (k *killing) round(round int) {
	const connections = 8
	began := time.Now()
	var killed atomic.Bool
	var mu sync.Mutex
	fresh := make(map[string]told)
	var wg sync.WaitGroup
	for w := range connections {
		rng := rand.New(rand.NewPCG(k.rng.Uint64(), k.rng.Uint64()))
		wg.Add(1)
		go func() {
			defer wg.Done()
			c := &client{addr: k.e.Addr}
			defer c.close()
			for i := 0; i < 100_000 && !killed.Load(); i++ {
				mark := fmt.Sprintf("X-Mark: %d-%d-%d", round, w, i)
				r, f := failing(rng, mark)
				f.round = round
				tell := func(a *answer) {
					f.id, f.status = a.id, a.status
					mu.Lock()
					defer mu.Unlock()
					if _, twice := fresh[f.id]; twice {
						k.t.Errorf("two answers have the id %s", f.id)
					}
					fresh[f.id] = f
				}
				a, err := c.do(r, func(a *answer) {
					if a.status >= 400 {
						tell(a)
					}
				})
				switch {
				case err == nil || killed.Load():
				case a != nil && a.status == 200 && strings.HasPrefix(r.target, "/cut"):
					tell(a) // an answer cut short tells of a failure when it ends
				default:
					k.t.Errorf("round %d: %s %s to %s, %d bytes: %v", round, r.method, r.target, hostOf(r), len(r.body), err)
					return
				}
			}
		}()
	}
	time.Sleep(time.Duration(k.rng.IntN(300)) * time.Millisecond)
	killed.Store(true)
	k.e.Kill()
	wg.Wait()

	for id, f := range fresh {
		if _, twice := k.all[id]; twice {
			k.t.Errorf("the id %s was given again after a restart", id)
		}
		k.all[id] = f
		k.size += int64(f.size)
	}
	since := began.Add(-time.Second)
	if round%5 == 0 {
		k.check(fresh, since, "before the repair")
	}
	for range k.rng.IntN(3) { // a start may be killed too
		k.e.Launch()
		time.Sleep(time.Duration(k.rng.IntN(60)) * time.Millisecond)
		k.e.Kill()
	}
	k.e.Start()
	k.check(fresh, since, "after the restart")
}

// failing makes a request that will most likely fail, in one of many ways.
func failing(rng *rand.Rand, mark string) (*request, told) {
	to := pick(rng, "broken.test/404", "broken.test/500", "broken.test/503-early", "broken.test/drop", "broken.test/garbage",
		"broken.test/cut", "broken.test/200", "gone.test/", "gone.test/", "nobody.test/", "routes.test/other")
	if rng.IntN(40) == 0 {
		to = "slow.test/" // rare, because all on its connection wait for it
	}
	host, path, _ := strings.Cut(to, "/")
	size := 0
	switch n := rng.IntN(100); {
	case n < 10:
	case n < 85:
		size = rng.IntN(2 << 10)
	case n < 94:
		size = rng.IntN(20 << 10)
	default:
		size = rng.IntN(200 << 10)
	}
	r := &request{method: pick(rng, writing...), target: "/" + path + "?" + mark[len(mark)-3:], body: random(rng, size), chunked: rng.IntN(4) == 0,
		framed: true, fields: []field{{"Host", " " + host}, {mark[:6], mark[7:]}, {"Authorization", " Bearer secret"}, {"Cookie", " session=c2VjcmV0"}}}
	return r, told{mark: mark, size: size, hash: sha256.Sum256(r.body), unmatched: host == "nobody.test"}
}

// check looks for the failures in the log, opens their payloads, and compares.
func (k *killing) check(want map[string]told, since time.Time, when string) {
	k.t.Helper()
	data := filepath.Join(k.e.Dir, "data")
	reader, err := accesslog.OpenReader(data)
	if err != nil {
		k.t.Fatal(err)
	}
	keys, err := accesslog.LoadKeys(accesslog.KeysDir(data))
	if err != nil {
		k.t.Fatal(err)
	}
	seen, shown := make(map[string]bool, len(want)), 0
	complain := func(f told, format string, args ...any) {
		if shown++; shown <= 10 {
			k.t.Errorf("%s: %s of round %d, answered %d, a body of %d bytes: %s", when, f.id, f.round, f.status, f.size, fmt.Sprintf(format, args...))
		}
	}
	_, err = reader.Scan(context.Background(), accesslog.Filter{Since: since}, func(entry *accesslog.Entry) error {
		id := entry.ID.String()
		f, ok := want[id]
		if !ok {
			return nil
		}
		if seen[id] {
			complain(f, "it is in the log twice")
		}
		seen[id] = true
		if entry.Status != f.status {
			complain(f, "the log says %d", entry.Status)
		}
		cut := f.unmatched && f.size > keptOfUnmatched
		if entry.Body.Truncated != cut || !cut && (!entry.Body.Complete || entry.Body.Bytes != int64(f.size)) {
			complain(f, "the log says %+v", entry.Body)
		}
		opened, err := reader.Open(entry, keys)
		if err != nil {
			complain(f, "%v", err)
			return nil
		}
		defer opened.Body.Close()
		if !bytes.Contains(opened.Head, []byte("\r\n"+f.mark+"\r\n")) {
			complain(f, "its head is another's: %q", opened.Head)
		}
		hash := sha256.New()
		n, err := io.Copy(hash, opened.Body)
		switch {
		case err != nil:
			complain(f, "its body: %v", err)
		case cut && n != keptOfUnmatched:
			complain(f, "%d bytes of it were kept", n)
		case !cut && !bytes.Equal(hash.Sum(nil), f.hash[:]):
			complain(f, "its body is another, of %d bytes", n)
		}
		return nil
	})
	if err != nil {
		k.t.Fatalf("%s: %v", when, err)
	}
	for id, f := range want {
		if !seen[id] {
			complain(f, "it is not in the log")
		}
	}
}
