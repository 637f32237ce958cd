package configs

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// FuzzLoad: no bytes make Load panic; every problem has a place in the file
// and can be printed; what is loaded has a table and loads again.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"*.yaml", "testdata/good/*.yaml", "testdata/bad/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		start := time.Now()
		defer func() {
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
		}()
		env := map[string]string{"HOST": "a.example.com", "SECRET": "x"}
		c, err := Load("/srv/edge.yaml", Options{Sources: []Source{{Path: "/srv/edge.yaml", Text: text}}, Env: env})
		if err != nil {
			var errs *Errors
			if !errors.As(err, &errs) || len(errs.Problems) == 0 {
				t.Fatalf("%T %v", err, err)
			}
			checkProblems(t, err)
			for _, p := range errs.Problems {
				if p.Origin.File != "edge.yaml" || p.Origin.Line < 1 || p.Origin.Line > bytes.Count(text, []byte("\n"))+1 {
					t.Errorf("not a place in the file: %+v", p)
				}
			}
			return
		}
		if c.Table() == nil || len(c.Generation()) != 8 {
			t.Errorf("%+v", c)
		}
		again, err := Load(c.Path, Options{Sources: c.Sources, Env: c.Env})
		if err != nil || again.Generation() != c.Generation() {
			t.Errorf("it does not load again: %v", err)
		}
	})
}

// FuzzUnits: what is read as a duration or a size is not negative.
func FuzzUnits(f *testing.F) {
	for _, s := range []string{"90d", "1h30m", "64MiB", "0", "1.5s", "-1s", "1e9d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d, err := ParseDuration(s); d < 0 || err == nil && len(s) == 0 {
			t.Errorf("%q: %d", s, d)
		}
		if n, err := ParseSize(s); n < 0 || err == nil && len(s) == 0 {
			t.Errorf("%q: %d", s, n)
		}
	})
}
