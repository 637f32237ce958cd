package configs

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

func fieldsOfNames() []string { return fieldsOf(reflect.TypeFor[mainFile]()).names() }

// TestSchemaFile checks that schema.json is what Schema makes. After a change
// to file.go: go generate ./configs
func TestSchemaFile(t *testing.T) {
	got, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "schema.json", string(got))
}

// TestSchemaTypes checks the schema of every type of file.go against the keys
// that the decoder knows.
func TestSchemaTypes(t *testing.T) {
	schema := readSchema(t)
	if got := keysOf(schema); !slices.Equal(got, slices.Sorted(slices.Values(fieldsOfNames()))) {
		t.Errorf("%v", got)
	}
	for path, want := range map[string]string{
		"listen":                    "http https",
		"apps.*":                    "health host idempotent max_connections timeouts tls upstreams",
		"apps.*.tls":                "ca server_name",
		"apps.*.health":             "interval path",
		"sites[]":                   "app capture certificate hosts https_redirect name routes",
		"sites[].certificate":       "cert key",
		"sites[].routes[]":          "app capture exact file files methods path redirect respond",
		"sites[].routes[].redirect": "status to",
		"limits":                    "body_timeout header_timeout idle_timeout max_body max_connections max_header",
		"sites[].routes[].respond":  "body headers status",
		"diagnostics":               "level",
		"unmatched":                 "respond",
		"log":                       "max_body",
		"apps.*.timeouts":           "connect response",
	} {
		if got := strings.Join(keysOf(descend(t, schema, path)), " "); got != want {
			t.Errorf("%s: %s", path, got)
		}
	}
}

// TestSchemaAgrees: what Load takes, the schema takes; what it refuses because
// of a key or a form, the schema refuses.
func TestSchemaAgrees(t *testing.T) {
	schema := readSchema(t)
	files, err := filepath.Glob("testdata/good/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, "edge.yaml", "full.yaml", "sites/monitor.yaml") {
		if err := validate(schema, readYAML(t, file), "."); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	for _, name := range []string{
		"unknown-key-top", "unknown-key-nested", "unknown-key-later", "wrong-type-list", "wrong-type-scalar", "wrong-type-mapping",
		"enums", "durations", "sizes", "sizes-units", "empty-values", "unmatched-short", "unmatched-key",
	} {
		if err := validate(schema, readYAML(t, "testdata/bad/"+name+".yaml"), "."); err == nil {
			t.Errorf("%s: the schema takes it", name)
		}
	}
}

func readSchema(t *testing.T) map[string]any {
	t.Helper()
	text, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	return schema
}

func readYAML(t *testing.T, path string) any {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// object is the alternative of a schema that has properties.
func object(schema map[string]any) map[string]any {
	for _, key := range []string{"oneOf", "anyOf"} {
		for _, s := range list0(schema[key]) {
			if o := object(s.(map[string]any)); o != nil {
				return o
			}
		}
	}
	if schema["properties"] == nil {
		return nil
	}
	return schema
}

func list0(v any) []any {
	l, _ := v.([]any)
	return l
}

func keysOf(schema map[string]any) []string {
	var keys []string
	for key := range object(schema)["properties"].(map[string]any) {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func descend(t *testing.T, schema map[string]any, path string) map[string]any {
	t.Helper()
	for part := range strings.SplitSeq(path, ".") {
		name, isList := strings.CutSuffix(part, "[]")
		if name == "*" {
			schema = schema["additionalProperties"].(map[string]any)
		} else {
			schema = object(schema)["properties"].(map[string]any)[name].(map[string]any)
		}
		if isList {
			schema = schema["items"].(map[string]any)
		}
	}
	return schema
}

// validate knows the part of JSON Schema that Schema uses.
func validate(schema map[string]any, v any, path string) error {
	for key, value := range schema {
		switch key {
		case "oneOf", "anyOf":
			n := 0
			var last error
			for _, s := range list0(value) {
				if err := validate(s.(map[string]any), v, path); err == nil {
					n++
				} else {
					last = err
				}
			}
			if n == 0 || key == "oneOf" && n > 1 {
				return fmt.Errorf("%s: %d alternatives fit: %w", path, n, last)
			}
		case "type":
			if kind := jsonType(v); kind != value {
				return fmt.Errorf("%s: %s is not %s", path, kind, value)
			}
		case "enum":
			if i, ok := v.(int); ok {
				v = float64(i)
			}
			if !slices.Contains(list0(value), v) {
				return fmt.Errorf("%s: %v is none of %v", path, v, value)
			}
		case "pattern":
			if s, ok := v.(string); ok && !regexp.MustCompile(value.(string)).MatchString(s) {
				return fmt.Errorf("%s: %q does not match %s", path, s, value)
			}
		case "minimum", "maximum":
			if i, ok := v.(int); ok && i != 0 {
				return fmt.Errorf("%s: %d is not 0", path, i)
			}
		case "items":
			for i, item := range list0(v) {
				if err := validate(value.(map[string]any), item, fmt.Sprintf("%s[%d]", path, i)); err != nil {
					return err
				}
			}
		case "properties", "additionalProperties":
			m, _ := v.(map[string]any)
			properties, _ := schema["properties"].(map[string]any)
			for k, item := range m {
				s, known := properties[k].(map[string]any)
				if !known {
					if s, known = schema["additionalProperties"].(map[string]any); !known {
						return fmt.Errorf("%s: unknown key %s", path, k)
					}
				}
				if err := validate(s, item, path+"."+k); err != nil {
					return err
				}
			}
		case "$schema", "title", "description":
		default:
			return fmt.Errorf("the test does not know the keyword %q", key)
		}
	}
	return nil
}

func jsonType(v any) string {
	switch v.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case int, int64, uint64:
		return "integer"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	}
	return fmt.Sprintf("%T", v)
}
