package layers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// pkg is what of `go list -json` is looked at.
type pkg struct {
	Dir, ImportPath, Name              string
	Standard                           bool
	Module                             *struct{ Path string }
	Imports, TestImports, XTestImports []string
	GoFiles, TestGoFiles, XTestGoFiles []string
}

// list runs go list in dir. Linux is named so that the answer is the same everywhere.
func list(t *testing.T, dir string, args ...string) []pkg {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-e", "-pgo=off", "-json"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var pkgs []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}

// violations are the imports that the tables forbid, one line each, sorted.
func violations(pkgs []pkg) []string {
	var bad []string
	for _, p := range pkgs {
		path := strings.TrimPrefix(p.ImportPath, module+"/")
		i := slices.IndexFunc(rooms, func(r room) bool { return fits(r.name, path) })
		if i < 0 {
			bad = append(bad, path+" has no room: say in rules_test.go what it may import")
			continue
		}
		for _, imp := range p.Imports {
			bad = append(bad, check(rooms[i], path, imp, false)...)
		}
		for _, imp := range slices.Concat(p.TestImports, p.XTestImports) {
			bad = append(bad, check(rooms[i], path, imp, true)...)
		}
	}
	slices.Sort(bad)
	return slices.Compact(bad)
}

// check judges one import of the package path, which lives in r.
func check(r room, path, imp string, test bool) (bad []string) {
	by := path
	if test {
		by += " (test)"
	}
	if ours, ok := strings.CutPrefix(imp, module+"/"); ok {
		if ours != path && !fitsAny(r.may, ours) && !(test && fitsAny(references, ours)) {
			bad = append(bad, fmt.Sprintf("%s imports %s: %s", by, ours, r.reason))
		}
		return bad
	}
	for _, b := range bans {
		if fits(b.path, imp) && !(test && b.tests) && !fitsAny(b.except, path) && !slices.Contains(b.except, r.name) {
			bad = append(bad, fmt.Sprintf("%s imports %s: %s", by, imp, b.reason))
		}
	}
	return bad
}

// root is the module's directory.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestImportsPointDownwards(t *testing.T) {
	pkgs := list(t, root(t), "./...")
	if len(pkgs) < 5 {
		t.Fatalf("only %d packages were looked at", len(pkgs))
	}
	for _, v := range violations(pkgs) {
		t.Error(v)
	}
}

// TestGuardFails shows that the guard can fail: a small house where every kind
// of rule is broken once, beside imports that are fine.
func TestGuardFails(t *testing.T) {
	got := violations(list(t, "testdata/forbidden", "./..."))
	text, err := os.ReadFile("testdata/forbidden/expected.txt")
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSpace(string(text)), "\n")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("violations (-want +got):\n%s", diff)
	}
}
