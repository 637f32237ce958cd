package recovery

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/integration_test/edgetest"
)

// mounted puts a small file system of its own under the edge's data directory.
func mounted(t *testing.T, e *edgetest.Edge, options string) (data string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a small file system")
	}
	data = filepath.Join(e.Dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("mount", "-t", "tmpfs", "-o", options, "tmpfs", data).CombinedOutput()
	if err != nil {
		t.Skipf("a small file system can't be mounted here: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", data).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	return data
}

// fill takes all the room there is.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 64 << 10; size > 0; {
		n, err := f.Write(make([]byte, size))
		if errors.Is(err, syscall.ENOSPC) {
			size = min(size/2, max(n/2, size/2))
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A full disk: requests go on being answered, the log is loud about what it could not
// keep, and keeping resumes by itself when there is room.
func TestFullDisk(t *testing.T) {
	rng := seeded(t)
	ok, broken := newApp(t), newApp(t)
	broken.answers(func(*message) reply { return reply{status: 500} })
	e := edgetest.New(t, config(`
apps: {ok: %q, broken: %q}
sites:
  - {hosts: [ok.test], app: ok}
  - {hosts: [broken.test], app: broken}
`, ok.URL, broken.URL))
	data := mounted(t, e, "size=2m,mode=700")
	e.Start()
	defer sound(t, e)

	before := send(t, e.Addr, posts(10, "broken.test"))
	answered(t, before, 500)
	filler := filepath.Join(data, "filler")
	fill(t, filler)

	from := len(e.Log())
	s := shape{hosts: []string{"broken.test"}, methods: writing, sizes: []int{100, 1000, 3000, 100_000, 300_000}}
	var bad []*request
	for i := range 40 {
		bad = append(bad, s.make(rng, i))
	}
	during := send(t, e.Addr, bad)
	answered(t, during, 500)
	good := send(t, e.Addr, posts(40, "ok.test"))
	answered(t, good, 200)
	e.WaitLog(from, "could not be recorded", 5*time.Second)
	if log := e.Log()[from:]; !strings.Contains(log, `"level":"error"`) || !strings.Contains(log, "no space left") {
		t.Errorf("the log is not loud:\n%s", log)
	}
	if n := strings.Count(e.Log()[from:], "\n"); n > 200 {
		t.Errorf("the log has %d lines about it: it would fill the next disk", n)
	}
	// An edge that is asked while the disk is full says what it has, and replay too.
	_ = e.Records()

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	after := send(t, e.Addr, posts(10, "broken.test"))
	answered(t, after, 500)
	time.Sleep(3 * time.Second) // the access lines that waited
	byID := map[string]edgetest.Record{}
	for _, r := range e.Records("--payload") {
		if _, twice := byID[r.ID]; twice {
			t.Errorf("%s is there twice", r.ID)
		}
		byID[r.ID] = r
	}
	for _, f := range append(append([]*failure(nil), before...), after...) {
		if r, found := byID[f.id]; !found || string(r.Body.Base64) != string(f.body) || !r.Body.Complete {
			t.Errorf("%s was recorded when there was room: %v %+v", f.id, found, r.Body)
		}
	}
	lines, payloads := 0, 0
	for _, f := range append(append([]*failure(nil), during...), good...) {
		r, found := byID[f.id]
		if found {
			lines++
		}
		if found && f.status == 500 && !r.Body.Truncated && len(f.body) > 0 && string(r.Body.Base64) == string(f.body) {
			payloads++
		}
	}
	t.Logf("of %d requests answered while the disk was full %d have a line; of %d failures %d have their payload",
		len(during)+len(good), lines, len(during), payloads)
	if lines != len(during)+len(good) {
		t.Errorf("%d lines that waited in memory never came", len(during)+len(good)-lines)
	}

	// What has its payload is replayed, what has not is named, nothing is invented.
	broken.requests()
	broken.answers(nil)
	r := replayed(t, e, "--yes", "--rate", "none")
	if r.Matched != len(before)+len(during)+len(after) || r.Delivered != len(before)+len(after)+payloads || r.Cannot.Total != len(during)-payloads {
		t.Errorf("replay: %+v", r.summary)
	}
	e.Stop()
}

// A disk that can only be read: the edge says so and does not start.
func TestReadOnlyDisk(t *testing.T) {
	queue := newApp(t)
	e := edgetest.New(t, simple(queue, ""))
	data := mounted(t, e, "size=2m,mode=700")
	e.Start()
	queue.answers(func(*message) reply { return reply{status: 503} })
	failed := send(t, e.Addr, posts(5, "queue.example.com"))
	answered(t, failed, 503)
	e.Stop()
	if out, err := exec.Command("mount", "-o", "remount,ro", data).CombinedOutput(); err != nil {
		t.Skipf("it can't be made read-only: %v: %s", err, out)
	}
	refusesToStart(t, e, data, "read-only")
	// What is there can be read, and nothing else.
	if n := len(e.Records()); n != 5 {
		t.Errorf("%d records, want 5", n)
	}
	if r := replayed(t, e, "--dry-run"); r.code != 0 || r.ToSend != 5 {
		t.Errorf("the dry run: exit %d, %+v", r.code, r.summary)
	}
	queue.requests()
	if r := e.RunFor(patience, "replay", "--since", "1h", "--yes"); r.Code != 1 || !strings.Contains(r.Stderr, "read-only") {
		t.Errorf("replay without a ledger to write: exit %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	nothing(t, queue, "without a ledger, the app")
}
