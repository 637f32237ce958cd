package configs

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/holdfast-edge/holdfast/tls/tlstest"
)

// The examples are loaded as they are: a user who copies the folder must get
// no error and no warning.
func TestExamples(t *testing.T) {
	for _, file := range []string{"edge.yaml", "full.yaml"} {
		c := load(t, file, Options{})
		if len(c.Warnings) > 0 {
			t.Errorf("%s: %+v", file, c.Warnings)
		}
	}
	// What the comments of full.yaml call the default is the default.
	full, short := load(t, "full.yaml", Options{}), load(t, "testdata/good/shortest.yaml", Options{})
	if full.Limits != short.Limits || full.Log != short.Log || full.Unmatched != short.Unmatched || full.Diagnostics != short.Diagnostics {
		t.Errorf("%+v %+v %+v %+v", full.Limits, full.Log, full.Unmatched, full.Diagnostics)
	}
	if a, b := full.App("main"), short.App("collector"); a.Connect != b.Connect || a.Response != b.Response || a.Idempotent != b.Idempotent {
		t.Errorf("%+v", a)
	}
}

// full.yaml shows every key, in a comment where it cannot be used as it is.
func TestFullIsFull(t *testing.T) {
	text, err := os.ReadFile("full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range allKeys(reflect.TypeFor[mainFile](), map[reflect.Type]bool{}) {
		if !regexp.MustCompile(`(?m)(^[ #-]*|[{,] *)` + name + `:`).Match(text) {
			t.Errorf("%s is not in full.yaml", name)
		}
	}
}

// allKeys lists the keys of a type of file.go and of what it holds.
func allKeys(t reflect.Type, seen map[reflect.Type]bool) []string {
	var names []string
	if seen[t] {
		return nil
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Slice:
		return allKeys(t.Elem(), seen)
	case reflect.Struct:
		for _, f := range fieldsOf(t).keys {
			names = append(names, f.name)
		}
		for i := range t.NumField() {
			if f := t.Field(i); f.Type != reflect.TypeFor[spot]() {
				names = append(names, allKeys(f.Type, seen)...)
			}
		}
	}
	return names
}

// TestDocumentation loads every YAML block of docs/configuration.md and docs/tls.md. A
// block without `listen` is a part: what is missing is added. Every key has to be in
// the first page.
func TestDocumentation(t *testing.T) {
	page, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range allKeys(reflect.TypeFor[mainFile](), map[reflect.Type]bool{}) {
		if !regexp.MustCompile("`([a-z]+\\.)?" + name + "(\\.[a-z_]+)?`").Match(page) {
			t.Errorf("`%s` is not explained", name)
		}
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(blocks) < 5 {
		t.Fatalf("%d blocks", len(blocks))
	}
	tls, err := os.ReadFile("../docs/tls.md")
	if err != nil {
		t.Fatal(err)
	}
	more := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(tls), -1)
	if len(more) == 0 {
		t.Error("no blocks in docs/tls.md")
	}
	blocks = append(blocks, more...)
	authority, err := tlstest.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	for i, block := range blocks {
		text := block[1]
		if !strings.Contains(text, "listen:") {
			text = "listen: {http: \":8080\"}\n" + text
		}
		if !strings.Contains(text, "apps:") {
			text += "\napps: {collector: \"http://127.0.0.1:3000\", main: \"http://127.0.0.1:4000\"}\n"
		}
		if !strings.Contains(text, "sites:") {
			text += "\nsites: [{hosts: [x.example.com], routes: [{exact: /a, app: collector}, {path: /, app: main}]}]\n"
		}
		path := write(t, text)
		for name, mode := range map[string]os.FileMode{"secrets.env": 0o600, "public/app.js": 0o644, "sites/one.yaml": 0o644} {
			content := "COLLECTOR=10.0.0.7\n"
			if strings.HasSuffix(name, ".yaml") {
				content = "sites: []\n"
			}
			file := filepath.Join(filepath.Dir(path), name)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(content), mode); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"queue", "shop"} {
			pair, err := authority.Issue(name+".example.com", "*."+name+".example.com")
			if err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join(filepath.Dir(path), "certs")
			if err := errors.Join(os.MkdirAll(dir, 0o700), pair.Write(filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key"))); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := Load(path, Options{Getenv: environment()}); err != nil {
			t.Errorf("block %d:\n%s\n%v", i+1, text, err)
		}
	}
}
