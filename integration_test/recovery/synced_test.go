package recovery

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/integration_test/edgetest"
)

// A kill can't tell what the kernel would have written anyway from what was synced, so
// this looks at the system calls: write the record, fdatasync, and only then the first
// byte of the failure; a body with a file of its own, and its directory, before the
// record that names it.
func TestSyncedBeforeAnswered(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed")
	}
	queue := newApp(t)
	queue.answers(func(*message) reply { return reply{status: 500} })
	e := edgetest.Start(t, simple(queue, ""))
	defer sound(t, e)
	answered(t, send(t, e.Addr, posts(1, "queue.example.com")), 500)

	out := filepath.Join(t.TempDir(), "trace")
	tracer := exec.Command(strace, "-f", "-y", "-s", "512", "-e", "trace=write,writev,sendto,fdatasync,fsync", "-o", out, "-p", strconv.Itoa(e.PID()))
	if err := tracer.Start(); err != nil {
		t.Skipf("strace: %v", err)
	}
	ended := make(chan struct{})
	go func() { _ = tracer.Wait(); close(ended) }()
	stop := func() {
		_ = tracer.Process.Signal(syscall.SIGINT)
		<-ended
	}
	t.Cleanup(stop)
	if !traced(e.PID(), 5*time.Second) {
		stop()
		t.Skip("strace may not attach to a process here")
	}

	var all []*failure
	for i := range 12 {
		r := post(i, "queue.example.com")
		if i%3 == 0 {
			r.body = make([]byte, 200_000)
		}
		if i%4 == 3 {
			r.fields[0].value = " nobody.example.com"
		}
		all = append(all, send(t, e.Addr, []*request{r})...)
	}
	time.Sleep(200 * time.Millisecond) // the client may have the last answer before the trace has its write
	stop()
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	calls := parseTrace(string(text))
	for _, f := range all {
		record := find(calls, 0, func(c call) bool { return c.name == "write" && c.in("/captured/") && strings.Contains(c.args, f.id) })
		if record < 0 {
			t.Fatalf("%s: no write of its record was seen in %d calls", f.id, len(calls))
		}
		file := calls[record].file()
		synced := find(calls, record+1, func(c call) bool {
			return strings.Contains(c.name, "sync") && c.file() == file && c.result == "0"
		})
		told := find(calls, 0, func(c call) bool {
			return strings.Contains(c.args, `"HTTP/1.1 `) && strings.Contains(c.args, "X-Request-Id: "+f.id)
		})
		if told < 0 {
			t.Fatalf("%s: no write of its answer was seen", f.id)
		}
		if synced < 0 || calls[synced].end > calls[told].begin {
			t.Errorf("%s, %d: the answer left before the record was synced:\n%v\n%v", f.id, f.status, calls[record], calls[told])
		}
		if len(f.body) <= 64<<10 || f.status == 421 {
			continue
		}
		blob := find(calls, 0, func(c call) bool {
			return strings.Contains(c.name, "sync") && c.in("/captured/blobs/") && c.end < calls[record].begin && c.end > calls[record].begin-20
		})
		if blob < 0 {
			t.Errorf("%s: its body was not synced before its record", f.id)
		}
	}
}

// traced waits until a process has a tracer.
func traced(pid int, limit time.Duration) bool {
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
		if err == nil && !strings.Contains(string(text), "TracerPid:\t0\n") {
			time.Sleep(200 * time.Millisecond) // the other threads
			return true
		}
	}
	return false
}

// call is one system call. begin and end are lines of the trace.
type call struct {
	name, args, result string
	begin, end         int
}

var descriptor = regexp.MustCompile(`^\d+<([^>]*)>`)

// file is what the first argument, a descriptor, stands for.
func (c call) file() string {
	if m := descriptor.FindStringSubmatch(c.args); m != nil {
		return m[1]
	}
	return ""
}

func (c call) in(part string) bool { return strings.Contains(c.file(), part) }

var (
	wholeCall  = regexp.MustCompile(`^(\d+) +(\w+)\((.*)\) += (-?\w+)`)
	firstHalf  = regexp.MustCompile(`^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$`)
	secondHalf = regexp.MustCompile(`^(\d+) +<\.\.\. \w+ resumed>.*\) += (-?\w+)`)
)

// parseTrace reads what strace -f writes, in the order the calls began.
func parseTrace(text string) []call {
	var calls []call
	open := map[string]int{} // by thread
	for i, line := range strings.Split(text, "\n") {
		if m := firstHalf.FindStringSubmatch(line); m != nil {
			open[m[1]] = len(calls)
			calls = append(calls, call{m[2], m[3], "", i, i})
		} else if m := secondHalf.FindStringSubmatch(line); m != nil {
			if at, ok := open[m[1]]; ok {
				calls[at].result, calls[at].end = m[2], i
				delete(open, m[1])
			}
		} else if m := wholeCall.FindStringSubmatch(line); m != nil {
			calls = append(calls, call{m[2], m[3], m[4], i, i})
		}
	}
	return calls
}

// find is the index of the first call from one on of which so is true, or -1.
func find(calls []call, from int, so func(call) bool) int {
	for i := from; i < len(calls); i++ {
		if so(calls[i]) {
			return i
		}
	}
	return -1
}
