package layers

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// maxLines is where a file has two things in it.
const maxLines = 500

// known are methods whose meaning is their interface's: fmt.Stringer, error,
// errors.Is, io.Reader, io.Writer, http.Handler, sort.Interface.
var known = []string{"String", "Error", "Unwrap", "Is", "Read", "Write", "ServeHTTP", "Len", "Less", "Swap"}

// habits are breaches of the habits that a parser can see, as file:line: what.
// Tests need no comments on exported names.
func habits(t *testing.T, pkgs []pkg) []string {
	t.Helper()
	var bad []string
	for _, p := range pkgs {
		documented := false
		for _, name := range slices.Concat(p.GoFiles, p.TestGoFiles, p.XTestGoFiles) {
			path := filepath.Join(p.Dir, name)
			src, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			fset := token.NewFileSet()
			f, err := parser.ParseFile(fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			at := func(pos token.Pos, format string, args ...any) {
				where := strings.TrimPrefix(p.ImportPath, module+"/") + "/" + fset.Position(pos).String()
				bad = append(bad, where+": "+fmt.Sprintf(format, args...))
			}
			if n := bytes.Count(src, []byte("\n")); n > maxLines {
				at(f.Package, "%d lines: there are two things in it", n)
			}
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
					at(fn.Pos(), "func init: pass it in")
				}
			}
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			documented = documented || f.Doc != nil
			if p.Name != "main" {
				undocumented(f, func(pos token.Pos, name string) { at(pos, "%s is exported and has no comment", name) })
			}
		}
		if !documented && len(p.GoFiles) > 0 {
			bad = append(bad, strings.TrimPrefix(p.ImportPath, module+"/")+": the package has no comment")
		}
	}
	slices.Sort(bad)
	return bad
}

// undocumented reports the exported names of f without a comment. A comment on a
// group of constants, variables or types counts for each of them; so does one
// behind the name.
func undocumented(f *ast.File, report func(token.Pos, string)) {
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			known := d.Recv != nil && slices.Contains(known, d.Name.Name)
			if d.Name.IsExported() && d.Doc == nil && !known && (d.Recv == nil || exportedReceiver(d.Recv)) {
				report(d.Pos(), d.Name.Name)
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					if s.Name.IsExported() && d.Doc == nil && s.Doc == nil && s.Comment == nil {
						report(s.Pos(), s.Name.Name)
					}
				case *ast.ValueSpec:
					for _, n := range s.Names {
						if n.IsExported() && d.Doc == nil && s.Doc == nil && s.Comment == nil {
							report(n.Pos(), n.Name)
						}
					}
				}
			}
		}
	}
}

func exportedReceiver(r *ast.FieldList) bool {
	exported := false
	ast.Inspect(r.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			exported = id.IsExported()
			return false
		}
		return true
	})
	return exported
}

func TestHabits(t *testing.T) {
	for _, b := range habits(t, list(t, root(t), "./...")) {
		t.Error(b)
	}
}

func TestHabitsGuardFails(t *testing.T) {
	got := habits(t, list(t, "testdata/habits", "./..."))
	want := []string{
		"bad/bad.go:3:6: Exported is exported and has no comment",
		"bad/bad.go:5:5: Value is exported and has no comment",
		"bad/bad.go:9:1: Method is exported and has no comment",
		"bad/bad.go:13:1: func init: pass it in",
		"bad: the package has no comment",
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("breaches (-want +got):\n%s", diff)
	}
}
