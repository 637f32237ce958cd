//go:build linux

package report

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-edge/holdfast/bench/measure"
	"github.com/holdfast-edge/holdfast/bench/suite"
)

func example() Report {
	f := func(v float64) measure.Figure { return measure.Figure{Median: v, Min: v - 1, Max: v + 1} }
	none := measure.Summarise(nil)
	met := suite.Target{Goal: suite.Goal{Text: "GET", Metric: suite.CPU, Max: 0.85}, Figure: measure.Figure{Median: 0.8449, Min: 0.8, Max: 0.9}, Met: true}
	missed := suite.Target{Goal: suite.Goal{Text: "idle", Metric: suite.Memory, Max: 60}, Figure: f(61), Met: false}
	return Report{
		Date: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), Commit: "abc", Command: "go run ./bench", Rounds: 5, Duration: 3 * time.Second, Connections: 64,
		Machine:  Machine{CPU: "X", Cores: 2, Memory: 8 << 30, Kernel: "6", System: "Debian", Disk: "ext4", Sync: 129400, Load: "0.10"},
		Versions: []Version{{"nginx", "1.22"}, {"wrk", "4"}},
		Tables: []suite.Table{{Name: "get", Title: "GET 1 KiB", Notes: []string{"a note"}, Rows: []suite.Row{
			{Label: "edge", Role: suite.Ours, CPU: f(17), Rate: f(123456), P50: f(1), P99: f(1.5), P999: none, Memory: f(30), Ratio: met.Figure, Target: &met},
			{Label: "nginx", Role: suite.Reference, CPU: f(200), Rate: f(999), P50: f(1), P99: f(2), P999: f(3), Memory: f(20), Ratio: none},
			{Label: "caddy", Role: suite.Shown, Skipped: "not measured: caddy is not there"},
		}}, {Name: "idle", Title: "Idle", Rows: []suite.Row{
			{Label: "edge", Role: suite.Ours, CPU: f(17), Rate: f(1234567), P50: none, P99: none, P999: none, Memory: f(61), Ratio: none, Target: &missed},
		}}},
	}
}

var update = flag.Bool("update", false, "write testdata as it is now")

// golden compares with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestText(t *testing.T) {
	var b strings.Builder
	text, r := Text{W: &b}, example()
	if err := text.Head(r); err != nil {
		t.Fatal(err)
	}
	for _, table := range r.Tables {
		if err := text.Table(table); err != nil {
			t.Fatal(err)
		}
	}
	if err := text.Targets(r); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.txt", b.String())
	for line := range strings.Lines(b.String()) {
		if strings.TrimRight(line, " \n")+"\n" != line || strings.Contains(line, "\x1b") {
			t.Errorf("not plain: %q", line)
		}
	}
}

func TestColor(t *testing.T) {
	var b strings.Builder
	if err := (Text{W: &b, Color: true}).Targets(example()); err != nil || !strings.Contains(b.String(), "\x1b[31mmissed\x1b[0m") || !strings.Contains(b.String(), "\x1b[32mmet\x1b[0m") {
		t.Errorf("%v, %q", err, b.String())
	}
}

func TestMarkdown(t *testing.T) { golden(t, "report.md", example().Markdown()) }

func TestWriteMarkdown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.md")
	for range 2 { // a second run replaces what the first wrote
		if err := example().WriteMarkdown(path); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if want := beginMark + "\n" + example().Markdown() + "\n" + endMark; string(got) != want || err != nil {
		t.Errorf("%v, %q", err, got)
	}
}

func TestBetween(t *testing.T) {
	ours := beginMark + "\nNEW\n" + endMark
	for name, c := range map[string][2]string{
		"nothing yet":      {"", ours},
		"no marks":         {"# Title\n", "# Title\n\n" + ours},
		"text around":      {"a\n" + beginMark + "old" + endMark + "b\n", "a\n" + ours + "b\n"},
		"the end was lost": {"a\n" + beginMark + "b\n", "a\n" + ours + "b\n"},
	} {
		if got := string(between([]byte(c[0]), "NEW")); got != c[1] {
			t.Errorf("%s: %q, want %q", name, got, c[1])
		}
	}
}

func TestWriteJSON(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.json")
	if err := example().WriteJSON(path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Tables []struct {
			Rows []struct {
				Role   string
				CPU    struct{ Median float64 }
				P999   *struct{ Median float64 }
				Target struct {
					Goal struct{ Max float64 }
					Met  bool
				}
			}
		}
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if r := got.Tables[0].Rows[0]; r.Role != "ours" || r.CPU.Median != 17 || r.P999 != nil || r.Target.Goal.Max != 0.85 || !r.Target.Met {
		t.Errorf("%+v\n%s", r, text)
	}
}

func TestThousands(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 999: "999", 1000: "1,000", 999_999.6: "1,000,000", 1_234_567: "1,234,567"} {
		if got := thousands(v); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
}

func TestLook(t *testing.T) {
	m, err := Look(t.TempDir())
	if err != nil || m.Cores < 1 || m.Memory < 1<<26 || m.Kernel == "" || m.Sync <= 0 {
		t.Errorf("%+v, %v", m, err)
	}
	if got := field("/proc/self/status", "Name", ":"); got == "unknown" || got == "" {
		t.Errorf("name: %q", got)
	}
	if got := field("/proc/self/status", "Nome", ":"); got != "unknown" {
		t.Errorf("a field that is not there: %q", got)
	}
}
