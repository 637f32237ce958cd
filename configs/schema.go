package configs

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/invopop/jsonschema"
)

// Schema is the JSON Schema (draft 2020-12) of the configuration file, made
// from the same Go types as the decoder, for editors that complete and check
// YAML. It knows keys and forms, not meaning: `edge validate` has the last
// word. The file configs/schema.json is its output.
func Schema() ([]byte, error) {
	s := schemaOf(reflect.TypeFor[mainFile]())
	s.Version = jsonschema.Version
	s.Title = "Holdfast configuration"
	s.Description = "The main file (edge.yaml). An included file has apps and sites only."
	out, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("configuration schema: %w", err)
	}
	return append(out, '\n'), nil
}

// describing is a type that has its own schema.
type describing interface{ schema() *jsonschema.Schema }

func schemaOf(t reflect.Type) *jsonschema.Schema {
	r := jsonschema.Reflector{
		Anonymous:                  true,
		DoNotReference:             true,
		ExpandedStruct:             true,
		FieldNameTag:               "yaml",
		RequiredFromJSONSchemaTags: true,
		Mapper: func(t reflect.Type) *jsonschema.Schema {
			if d, ok := reflect.Zero(t).Interface().(describing); ok {
				return d.schema()
			}
			return nil
		},
	}
	s := r.ReflectFromType(t)
	s.Version = ""
	allowVariables(s)
	return s
}

// allowVariables lets a word out of a list come out of a variable too.
func allowVariables(s *jsonschema.Schema) {
	if s.Enum != nil {
		s.AnyOf = []*jsonschema.Schema{{Enum: s.Enum}, variableText()}
		s.Enum, s.Type = nil, ""
	}
	if s.Properties == nil {
		return
	}
	for p := s.Properties.Oldest(); p != nil; p = p.Next() {
		allowVariables(p.Value)
	}
}

// variable is what every value may be as well.
const variable = `\$\{[A-Za-z_][A-Za-z0-9_]*\}`

func variableText() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Pattern: variable}
}

func (s scalar[T]) schema() *jsonschema.Schema {
	switch any(s.Value).(type) {
	case bool:
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "boolean"}, variableText()}}
	case int:
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "integer"}, variableText()}}
	case time.Duration:
		return &jsonschema.Schema{Type: "string", Pattern: `^([0-9]+(\.[0-9]+)?` + unitPattern(durationUnits()) + `)+$|` + variable}
	case int64:
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{
			{Type: "string", Pattern: `^[0-9]+` + unitPattern(sizeUnits()) + `$|` + variable},
			{Type: "integer", Minimum: "0", Maximum: "0"},
		}}
	case anyWord:
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "string"}, {Type: "integer"}}}
	}
	return &jsonschema.Schema{Type: "string"}
}

func unitPattern(units []unit) string {
	names := make([]string, len(units))
	for i, u := range units {
		names[i] = u.name
	}
	return "(" + strings.Join(names, "|") + ")"
}

func (l list[T]) schema() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "array", Items: schemaOf(reflect.TypeFor[T]())}
}

func (l oneOrMany[T]) schema() *jsonschema.Schema {
	return &jsonschema.Schema{OneOf: []*jsonschema.Schema{schemaOf(reflect.TypeFor[T]()), l.list.schema()}}
}

func (t table[T]) schema() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "object", AdditionalProperties: schemaOf(reflect.TypeFor[T]())}
}

func (s shortOr[T]) schema() *jsonschema.Schema {
	return &jsonschema.Schema{OneOf: []*jsonschema.Schema{{Type: "string"}, schemaOf(reflect.TypeFor[T]())}}
}
