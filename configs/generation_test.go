package configs

import (
	"maps"
	"regexp"
	"testing"
)

func TestGeneration(t *testing.T) {
	base := func() *Config {
		return &Config{
			Sources: []Source{{"/a/edge.yaml", []byte("one")}, {"/a/b.yaml", []byte("two")}},
			Env:     map[string]string{"A": "1", "B": "2"},
		}
	}
	first := base().Generation()
	if !regexp.MustCompile(`^[0-9a-f]{8}$`).MatchString(first) || first != base().Generation() {
		t.Errorf("%q, then %q", first, base().Generation())
	}
	seen := map[string]string{first: "the same"}
	for name, change := range map[string]func(*Config){
		"text":          func(c *Config) { c.Sources[0].Text = []byte("onf") },
		"path":          func(c *Config) { c.Sources[1].Path = "/a/c.yaml" },
		"moved border":  func(c *Config) { c.Sources[0].Path, c.Sources[0].Text = "/a/edge.yam", []byte("lone") },
		"one file less": func(c *Config) { c.Sources = c.Sources[:1] },
		"value":         func(c *Config) { c.Env["A"] = "2" },
		"name":          func(c *Config) { maps.DeleteFunc(c.Env, func(k, _ string) bool { return k == "A" }); c.Env["C"] = "1" },
		"swapped":       func(c *Config) { c.Env["A"], c.Env["B"] = "2", "1" },
	} {
		c := base()
		change(c)
		g := c.Generation()
		if other, ok := seen[g]; ok {
			t.Errorf("%s: %s is also the generation of %s", name, g, other)
		}
		seen[g] = name
	}
}

func TestCaptureString(t *testing.T) {
	var zero Capture
	if zero.String() != "failed" || CaptureAll.String() != "all" || CaptureNone.String() != "none" {
		t.Error(zero, CaptureAll, CaptureNone)
	}
}
