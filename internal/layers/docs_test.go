package layers

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestDocumentedMakeTargetsExist: what the documents tell a newcomer to type is
// there. make -n looks without running.
func TestDocumentedMakeTargetsExist(t *testing.T) {
	typed := regexp.MustCompile("(?m)(?:^ {4}|`)((?:[A-Z]+=\\S+ )?make(?: [a-z-]+)+)")
	seen := 0
	for _, doc := range []string{"CONTRIBUTING.md", "README.md"} {
		text, err := os.ReadFile("../../" + doc)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, m := range typed.FindAllStringSubmatch(string(text), -1) {
			seen++
			cmd := exec.Command("sh", "-c", strings.Replace(m[1], "make", "make -n", 1))
			cmd.Dir = "../.."
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s says %q: %v\n%s", doc, m[1], err, out)
			}
		}
	}
	if seen < 5 {
		t.Errorf("only %d commands were found in the documents", seen)
	}
}

// TestCIRunsTheDocumentedCommand: CI does what the README says, and nothing that
// a newcomer could not do.
func TestCIRunsTheDocumentedCommand(t *testing.T) {
	script, err := os.ReadFile("../../.ci/run")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(script)), "\n")
	if last := lines[len(lines)-1]; last != "make test" {
		t.Errorf(".ci/run ends with %q, not with make test", last)
	}
	if !strings.Contains(string(script), "set -euo pipefail") {
		t.Error(".ci/run goes on after a failure")
	}
}
