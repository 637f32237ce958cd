// Package readme does what README.md says, in its order.
package readme

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/holdfast-edge/holdfast/integration_test/edgetest"
)

func TestMain(m *testing.M) { edgetest.Main(m) }

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(edgetest.Root(), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The section about one's own app: its file is written, and each of its commands
// runs and does what is said beside it.
func TestInFrontOfYourOwnApp(t *testing.T) {
	text := readme(t)
	yaml := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindStringSubmatch(text)
	if yaml == nil {
		t.Fatal("no configuration in the README")
	}
	app := edgetest.NewApp(t)
	config := strings.NewReplacer(":8080", "ADDR", "http://127.0.0.1:3000", app.URL).Replace(
		strings.ReplaceAll("\n"+yaml[1], "\n   ", "\n"))
	if !strings.Contains(config, "ADDR") || !strings.Contains(config, app.URL) {
		t.Fatalf("the configuration has changed: %s", config)
	}
	e := edgetest.New(t, config)

	ran := map[string]bool{}
	for _, m := range regexp.MustCompile("`bin/((edge|replay) [^`]*)`").FindAllStringSubmatch(text, -1) {
		args := strings.Fields(m[1])
		ran[m[1]] = true
		switch {
		case strings.HasPrefix(m[1], "edge run"):
			e.Start()
			for _, up := range []bool{true, false} {
				if !up {
					app.Down()
				}
				req, _ := http.NewRequest("POST", e.URL+"/visit", strings.NewReader("a visit"))
				req.Host = "queue.example.com"
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				if want := map[bool]int{true: 200, false: 502}[up]; resp.StatusCode != want {
					t.Errorf("app up %v: status %d", up, resp.StatusCode)
				}
			}
			app.Up(t)
			continue
		case args[0] == "replay":
			args = append(args, "--yes")
		}
		cmd := exec.Command(edgetest.Binary(t, args[0]), args[1:]...)
		cmd.Dir = e.Dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", m[1], err, out)
		}
		t.Logf("$ %s\n%s", m[1], out)
	}
	for _, verb := range []string{"edge validate", "edge run", "edge logs", "replay", "edge explain"} {
		found := false
		for cmd := range ran {
			found = found || strings.HasPrefix(cmd, verb)
		}
		if !found {
			t.Errorf("%s is not shown any more", verb)
		}
	}
	got := app.Requests()
	if len(got) != 2 || string(got[1].Body) != "a visit" || got[1].Header.Get("X-Edge-Replay") == "" {
		t.Errorf("the app got %+v", got)
	}
	if !strings.Contains(text, "`kill -HUP` reloads") {
		t.Error("the README does not say how to reload")
	}
	e.Reload("reloaded")
}

// Links in the README lead somewhere, and its make targets exist.
func TestLinksAndTargets(t *testing.T) {
	text := readme(t)
	for _, m := range regexp.MustCompile(`\]\(([^)]*)\)`).FindAllStringSubmatch(text, -1) {
		if _, err := os.Stat(filepath.Join(edgetest.Root(), m[1])); err != nil {
			t.Error(err)
		}
	}
	makefile, err := os.ReadFile(filepath.Join(edgetest.Root(), "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^    make (\w+)$`).FindAllStringSubmatch(text, -1) {
		if !regexp.MustCompile(`(?m)^` + m[1] + `:`).Match(makefile) {
			t.Errorf("make %s is not in the Makefile", m[1])
		}
	}
}
