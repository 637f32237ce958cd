package replaycmd

import (
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDocumentation runs the commands in the console examples of docs/replay.md,
// one after the other, in the situation its beginning describes, and holds what
// they print against what the page shows. Times, ids, names of runs and the like
// may differ; a line "…" stands for any number of lines.
func TestDocumentation(t *testing.T) {
	page, err := os.ReadFile("../../docs/replay.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config, records := block(t, page, "yaml"), block(t, page, "records")
	for name, status := range map[string]int{"3000": 200, "4000": 204} {
		server := httptest.NewServer(&app{status: status})
		t.Cleanup(server.Close)
		config = strings.ReplaceAll(config, "127.0.0.1:"+name, server.Listener.Addr().String())
	}
	config = strings.ReplaceAll(config, "/var/lib/holdfast", filepath.Join(dir, "data"))
	if err := os.WriteFile(filepath.Join(dir, "edge.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := fillRecords(filepath.Join(dir, "data"), records); err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?s)```console\n(.*?)```").FindAllSubmatch(page, -1)
	if len(examples) < 5 {
		t.Fatalf("%d examples: the page is read wrongly", len(examples))
	}
	run := ""
	for _, example := range examples {
		command, want, _ := strings.Cut(string(example[1]), "\n")
		command, ok := strings.CutPrefix(command, "$ ")
		if !ok {
			t.Fatalf("an example does not begin with a command: %s", command)
		}
		if run != "" {
			command = anyRun.ReplaceAllString(command, run)
		}
		cmd := exec.Command("/bin/sh", "-c", command)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "TZ=UTC", "EDGE_CONFIG=")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
		if name := anyRun.FindString(string(out)); run == "" && name != "" {
			run = name
		}
		got := strings.ReplaceAll(string(out), dir+"/data", "/var/lib/holdfast")
		if missing := compareLines(got, want); missing != "" {
			t.Errorf("$ %s\nthe page has a line that was not printed there:\n  %s\nprinted:\n%s", command, missing, got)
		}
	}
}

func block(t *testing.T, page []byte, kind string) string {
	t.Helper()
	m := regexp.MustCompile("(?s)```" + kind + "\n(.*?)```").FindSubmatch(page)
	if m == nil {
		t.Fatalf("the page has no %s block", kind)
	}
	return string(m[1])
}

var anyRun = regexp.MustCompile(`r-\d{8}-\d{4}(-\d+)?`)

// changing is what differs from one time to the next.
var changing = []struct {
	what *regexp.Regexp
	name string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT[\d:.]+Z`), "INSTANT"},
	{anyRun, "RUN"},
	{regexp.MustCompile(`\b[0-9A-HJKMNP-TV-Z]{18}\b`), "ID"},
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\d\b`), "DATE"},
	{regexp.MustCompile(`\b\d\d:\d\d:\d\d(\.\d+)?\b`), "TIME"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "ADDRESS"},
	{regexp.MustCompile(`generation"?:?"? ?"?[0-9a-f]{8}`), "GENERATION"},
	{regexp.MustCompile(`<?[\d.]+ ?(ms|s)\b`), "DURATION"},
	{regexp.MustCompile(`searched"?:?\d* .*`), "SEARCHED"},
	{regexp.MustCompile(`BY DAY .*`), "BY DAY"},
	{regexp.MustCompile(`  +`), "  "},
}

func normal(line string) string {
	for _, c := range changing {
		line = c.what.ReplaceAllString(line, c.name)
	}
	return strings.TrimSpace(line)
}

// compareLines gives the first wanted line that does not come where it should.
func compareLines(got, want string) string {
	lines := strings.Split(strings.TrimSpace(got), "\n")
	at, skip := 0, false
	for w := range strings.Lines(strings.TrimSpace(want)) {
		w = strings.TrimSuffix(w, "\n")
		if strings.TrimSpace(w) == "…" {
			skip = true
			continue
		}
		for skip && at < len(lines) && normal(lines[at]) != normal(w) {
			at++
		}
		if at >= len(lines) || normal(lines[at]) != normal(w) {
			return fmt.Sprintf("%s\n  (as %q)", w, normal(w))
		}
		at++
		skip = false
	}
	if at < len(lines) && !skip {
		return "(the end; printed further: " + lines[at] + ")"
	}
	return ""
}
