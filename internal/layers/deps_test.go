package layers

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write testdata/*.deps as they are now")

// TestBinaryDependencies holds each binary to its list of packages, so that
// nothing gets into one without being seen in a review: not a library through
// another library, and not the edge's listeners into replay.
func TestBinaryDependencies(t *testing.T) {
	for _, binary := range []string{"edge", "replay"} {
		t.Run(binary, func(t *testing.T) {
			pkgs := list(t, root(t), "-deps", "./cmd/"+binary)
			golden := "testdata/" + binary + ".deps"
			got := dependencies(pkgs)
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("%s is made of other packages than %s says (-want +got):\n%s\nif they are meant: go test ./internal/layers -update, and docs/dependencies.md", binary, golden, diff)
			}
		})
	}
}

// dependencies lists what is not the standard library: ours first, then by
// module the packages of others.
func dependencies(pkgs []pkg) string {
	var ours, theirs []string
	for _, p := range pkgs {
		switch {
		case p.Standard || p.Module == nil:
		case p.Module.Path == module:
			ours = append(ours, strings.TrimPrefix(p.ImportPath, module+"/"))
		default:
			theirs = append(theirs, p.Module.Path+"\t"+p.ImportPath)
		}
	}
	slices.Sort(ours)
	slices.Sort(theirs)
	var b strings.Builder
	b.WriteString("# Packages outside the standard library. Written by: go test ./internal/layers -update\n\n")
	for _, p := range ours {
		b.WriteString(p + "\n")
	}
	last := ""
	for _, p := range theirs {
		mod, path, _ := strings.Cut(p, "\t")
		if mod != last {
			b.WriteString("\n" + mod + "\n")
			last = mod
		}
		b.WriteString("    " + path + "\n")
	}
	return b.String()
}

// TestDependenciesAreExplained: every module that go.mod names directly has its
// row in docs/dependencies.md, and no row is left over.
func TestDependenciesAreExplained(t *testing.T) {
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	var direct []string
	for line := range strings.Lines(string(mod)) {
		f := strings.Fields(line)
		if len(f) == 2 && strings.HasPrefix(f[1], "v") && strings.Contains(f[0], ".") {
			direct = append(direct, f[0]) // an indirect one has "// indirect" behind it: more fields
		}
	}
	doc, err := os.ReadFile("../../docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	var explained []string
	for line := range strings.Lines(string(doc)) {
		if rest, ok := strings.CutPrefix(line, "| `"); ok {
			name, _, _ := strings.Cut(rest, "`")
			explained = append(explained, name)
		}
	}
	slices.Sort(direct)
	slices.Sort(explained)
	if diff := cmp.Diff(direct, explained); diff != "" {
		t.Errorf("go.mod and docs/dependencies.md (-go.mod +docs):\n%s", diff)
	}
}
