package misbehaviour

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestOutOfDescriptors: more clients than the edge may have descriptors. Those that are
// connected are served, also by apps that need a new connection each time; failures
// are still recorded; the edge neither spins nor floods its log; and when the clients
// have gone, new ones are served.
func TestOutOfDescriptors(t *testing.T) {
	t.Parallel()
	const files, idlers, served = 64, 300, 4
	s := prepareStage(t, bodyTimeout)
	// A process with the right to do so would raise its limit.
	limit := fmt.Sprintf("ulimit -n %d && exec ", files)
	if os.Getuid() == 0 {
		if _, err := exec.LookPath("setpriv"); err != nil {
			t.Skip("setpriv is not installed, and root may have any number of descriptors")
		}
		limit += "setpriv --bounding-set=-sys_resource --inh-caps=-sys_resource -- "
	}
	s.edge.Wrapper = []string{"sh", "-c", limit + `"$@"`, "sh"}
	s.start()
	if want := fmt.Sprintf(`"files":%d`, files); !strings.Contains(s.edge.Log(), want) {
		t.Fatalf("no %s in the log", want)
	}
	s.bad.on("/new", func(c *call) bool { // a new connection each time
		_, _ = c.read()
		return c.write("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok") && false
	})
	s.bad.on("/fails", raw("nonsense\r\n"))
	ask := func(c *client, path string, status int) error {
		_ = c.SetDeadline(time.Now().Add(patience))
		if _, err := io.WriteString(c, request("POST", path, "quick.test", "Content-Length: 5")+"hello"); err != nil {
			return err
		}
		resp, err := c.answer("POST")
		if err != nil {
			return err
		}
		if _, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != status {
			return fmt.Errorf("%s was answered %d, %v; want %d", path, resp.StatusCode, err, status)
		}
		return nil
	}
	first := make([]*client, served)
	for i := range first {
		first[i] = s.dial()
		if err := ask(first[i], "/new", 200); err != nil {
			t.Fatal(err)
		}
	}
	idle := make([]*client, idlers)
	for i := range idle {
		idle[i] = s.dial()
	}
	time.Sleep(500 * time.Millisecond)
	before, err := s.edge.FromOutside()
	if err != nil {
		t.Fatal(err)
	}
	from, start, asked := len(s.edge.Log()), time.Now(), 0
	for time.Since(start) < 3*time.Second {
		for i, c := range first {
			path, status := "/new", 200
			if asked%10 == i {
				path, status = "/fails", 502
			}
			if err := ask(c, path, status); err != nil {
				t.Fatalf("while there are no descriptors left, request %d: %v", asked, err)
			}
			asked++
		}
		time.Sleep(20 * time.Millisecond)
	}
	after, err := s.edge.FromOutside()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Count(s.edge.Log()[from:], "\n")
	t.Logf("%d requests served while %d clients sat on at most %d descriptors; %v of CPU, %d lines of log",
		asked, idlers, after.Descriptors, after.CPU-before.CPU, lines)
	if used := after.CPU - before.CPU; used > full(2*time.Second, time.Second) {
		t.Errorf("the edge used %v of CPU in %v: it spins", used, time.Since(start))
	}
	if strings.Count(s.edge.Log()[from:], "cannot accept") > 20 {
		t.Errorf("the log is flooded: %d lines in %v", lines, time.Since(start))
	}
	for _, c := range idle {
		_ = c.Close()
	}
	late := s.dial()
	if err := ask(late, "/new", 200); err != nil {
		t.Errorf("a client after all that: %v", err)
	}
	time.Sleep(200 * time.Millisecond)
	if n := len(s.edge.Records("--outcome", "upstream_down", "--path", "/new")); n > 0 {
		t.Errorf("%d requests did not reach an app that is well", n)
	}
	for _, r := range s.edge.Records("--path", "/fails") {
		if r.Outcome != "upstream_down" || !r.Body.Complete || r.Body.Bytes != 5 {
			t.Errorf("recorded as %s %d (%s) with %d body bytes", r.Outcome, r.Status, r.Reason, r.Body.Bytes)
		}
	}
}
