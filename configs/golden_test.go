package configs

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the expected output instead of comparing it")

// golden compares got with the file, or writes it with -update.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// environment is a process environment for tests.
func environment(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i+1 < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

const secretValue = "s3cr3t-Value.example:99999/%"

// TestBad loads every file of testdata/bad. Each must fail with exactly the
// text beside it, and never show what a variable holds.
func TestBad(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			_, err := Load(file, Options{Getenv: environment("SECRET", secretValue, "HOST", "hidden-host.example")})
			if err == nil {
				t.Fatal("loaded")
			}
			text := err.Error() + "\n"
			if strings.Contains(strings.ToLower(text), "s3cr3t") || strings.Contains(text, "hidden-host") {
				t.Errorf("the value of a variable is shown:\n%s", text)
			}
			checkProblems(t, err)
			golden(t, strings.TrimSuffix(file, ".yaml")+".txt", text)
		})
	}
}

// checkProblems checks what holds for every error of Load.
func checkProblems(t *testing.T, err error) {
	t.Helper()
	errs, ok := err.(*Errors)
	if !ok {
		t.Fatalf("%T is not *Errors", err)
	}
	if n, _ := errs.Count(); n == 0 {
		t.Error("no problem is an error")
	}
	for i, p := range errs.Problems {
		o := p.Origin
		if o.File == "" || o.Line < 0 || o.Line > 0 && o.Column < 1 {
			t.Errorf("problem without a place: %+v", p)
		}
		if n := len([]rune(p.Line)); p.Line != "" && o.Column > n+1 {
			t.Errorf("column %d is beyond its line: %+v", o.Column, p)
		}
		if i > 0 {
			before := errs.Problems[i-1].Origin
			if before.File > o.File || before.File == o.File && (before.Line > o.Line || before.Line == o.Line && before.Column > o.Column) {
				t.Errorf("not sorted: %+v after %+v", o, before)
			}
		}
	}
}
