package configs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// TestSecretsStaySecret puts a variable in the place of every value of the
// examples, one at a time and all together. Whatever the message is then, the
// variable's value is not in it.
func TestSecretsStaySecret(t *testing.T) {
	for _, file := range []string{"full.yaml", "testdata/good/everything.yaml", "testdata/bad/several-at-once.yaml", "testdata/bad/same-host-twice.yaml", "testdata/bad/route-hidden.yaml"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var probe yaml.Node
		if err := yaml.Unmarshal(text, &probe); err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{secretValue, "s3cr3t.example.com", "http://s3cr3t", "/s3cr3t//x", "s3cr3t", "-s3cr3t", "S3CR3T s", "*.s3cr3t", "9s3cr3t"} {
			check := func(which func(i int) bool) {
				var doc yaml.Node
				if err := yaml.Unmarshal(text, &doc); err != nil {
					t.Fatal(err)
				}
				for i, n := range values(&doc) {
					if which(i) {
						n.Value, n.Tag, n.Style = "${SECRET}", "!!str", yaml.DoubleQuotedStyle
					}
				}
				out, err := yaml.Marshal(&doc)
				if err != nil {
					t.Fatal(err)
				}
				path := filepath.Join(filepath.Dir(file), "secret-test.yaml")
				_, err = Load(path, Options{Sources: []Source{{Path: path, Text: out}}, Env: map[string]string{"SECRET": secret}})
				if err != nil && strings.Contains(strings.ToLower(err.Error()), "s3cr3t") {
					t.Errorf("%s with %q:\n%s", file, secret, err)
				}
			}
			for i := range values(&probe) {
				check(func(k int) bool { return k == i })
			}
			check(func(int) bool { return true })
		}
	}
}

// values are the scalars of a tree that are not keys.
func values(n *yaml.Node) []*yaml.Node {
	var all []*yaml.Node
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			continue
		}
		if c.Kind == yaml.ScalarNode {
			all = append(all, c)
		}
		all = append(all, values(c)...)
	}
	return all
}
