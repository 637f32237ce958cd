package configs

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// decoder fills the types of file.go from a tree. It adds a problem for
// everything that does not fit and goes on.
type decoder struct {
	src    *source
	vars   *variables
	ps     *problems
	fields map[reflect.Type]fieldSet
}

func newDecoder(s *source, vars *variables, ps *problems) *decoder {
	return &decoder{src: s, vars: vars, ps: ps, fields: make(map[reflect.Type]fieldSet)}
}

// decodable is a type that reads itself from a node. what names the value in
// messages: "`hosts`", "an entry of `hosts`".
type decodable interface {
	decode(d *decoder, n *yaml.Node, what string)
}

// place says where a mapping or list stands. The structs of file.go embed it.
type place struct {
	at  spot
	set bool // the key is there
	ok  bool // and has a mapping (or list), whatever is wrong inside
	odd bool // an unknown key is in the mapping: what seems to be missing may be misspelt
}

func (p *place) put(at spot)   { p.at, p.set = at, true }
func (p *place) start(at spot) { p.at, p.set, p.ok = at, true, true }

func (p *place) strange() { p.odd = true }

// placed is what knows where it stands.
type placed interface{ put(spot) }

// placeHolder is a struct that embeds place.
type placeHolder interface {
	start(spot)
	strange()
}

// at is the place of a node.
func (d *decoder) at(n *yaml.Node) spot { return d.src.at(n.Line, n.Column) }

// into decodes n into dst, a pointer to a decodable or a struct.
func (d *decoder) into(n *yaml.Node, dst any, what string) {
	if p, ok := dst.(placed); ok {
		p.put(d.at(n))
	}
	if n.Kind == yaml.AliasNode || n.Style&yaml.TaggedStyle != 0 {
		return // reported by parse
	}
	if x, ok := dst.(decodable); ok {
		x.decode(d, n, what)
		return
	}
	d.mapping(n, dst, what)
}

// wrongType reports a node of the wrong kind; want has its article.
func (d *decoder) wrongType(n *yaml.Node, what, want, hint string) {
	if kind := kindName(n); kind != "empty" {
		d.ps.errorAt(d.at(n), hint, "%s must be %s, not %s", what, want, kind)
		return
	}
	d.ps.errorAt(d.at(n), "give it a value or remove the key", "%s is empty: it must be %s", what, want)
}

// field is one key of a struct.
type field struct {
	name  string
	index int
	enum  []string // the values it may have; nil: any
	usual bool     // the key that is meant when only its value was written
}

type fieldSet struct {
	keys  []field
	later []string // keys that are designed but not built
}

func (fs fieldSet) names() []string {
	names := make([]string, len(fs.keys))
	for i, f := range fs.keys {
		names[i] = f.name
	}
	return names
}

// usual is the key that is meant when only a value is there, or nil.
func (fs fieldSet) usual() *field {
	for i := range fs.keys {
		if fs.keys[i].usual || len(fs.keys) == 1 {
			return &fs.keys[i]
		}
	}
	return nil
}

// fieldsOf reads the tags of a struct type.
func fieldsOf(t reflect.Type) fieldSet {
	var set fieldSet
	for i := range t.NumField() {
		f := t.Field(i)
		set.later = append(set.later, strings.Fields(f.Tag.Get("later"))...)
		name := f.Tag.Get("yaml")
		if name == "" || name == "-" {
			continue
		}
		key := field{name: name, index: i, usual: f.Tag.Get("usual") != ""}
		for part := range strings.SplitSeq(f.Tag.Get("jsonschema"), ",") {
			if v, ok := strings.CutPrefix(part, "enum="); ok {
				key.enum = append(key.enum, v)
			}
		}
		set.keys = append(set.keys, key)
	}
	return set
}

// mapping decodes the keys of n into the struct that dst points to.
func (d *decoder) mapping(n *yaml.Node, dst any, what string) {
	v := reflect.ValueOf(dst).Elem()
	set, ok := d.fields[v.Type()]
	if !ok {
		set = fieldsOf(v.Type())
		d.fields[v.Type()] = set
	}
	if n.Kind != yaml.MappingNode {
		hint := "its keys are " + strings.Join(set.names(), ", ")
		if f := set.usual(); f != nil && n.Kind == yaml.ScalarNode {
			hint = fmt.Sprintf("did you mean {%s: %s}?", f.name, plain(n))
		}
		d.wrongType(n, what, "a mapping", hint)
		return
	}
	p := dst.(placeHolder) // every struct of file.go embeds place
	p.start(d.at(n))
	for key, value := range pairs(n) {
		i := slices.IndexFunc(set.keys, func(f field) bool { return f.name == key.Value })
		if i < 0 {
			d.unknownKey(key, set, v.Type())
			p.strange()
			continue
		}
		f := set.keys[i]
		ptr := v.Field(f.index).Addr().Interface()
		d.into(value, ptr, "`"+f.name+"`")
		if t, ok := ptr.(*text); ok && t.ok && f.enum != nil && !slices.Contains(f.enum, t.Value) {
			t.ok = false
			t.reject(d.ps, didYouMean(t.Value, f.enum, "", "write one of"), "%s cannot be %s", t.what, t.shown())
		}
	}
}

// plain is a scalar as it can be written in a hint.
func plain(n *yaml.Node) string {
	if n.Style != 0 {
		return strconv.Quote(clip(n.Value))
	}
	return clip(n.Value)
}

func (d *decoder) unknownKey(key *yaml.Node, set fieldSet, t reflect.Type) {
	var hint string
	switch {
	case t == reflect.TypeFor[includedFile]() && slices.Contains(fieldsOf(reflect.TypeFor[mainFile]()).names(), key.Value):
		hint = "it belongs in the main file; an included file has apps and sites only"
	case slices.Contains(set.later, key.Value):
		hint = "it is planned, but this version does not have it yet: remove it"
	default:
		hint = didYouMean(key.Value, set.names(), "`", "the keys here are")
	}
	d.ps.errorAt(d.at(key), hint, "unknown key `%s`", clip(key.Value))
}

// pairs yields the keys and values of a mapping, without what parse reported:
// keys that are not text, and all but the first of repeated ones.
func pairs(n *yaml.Node) func(yield func(key, value *yaml.Node) bool) {
	return func(yield func(key, value *yaml.Node) bool) {
		seen := make(map[string]bool, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if key.Kind != yaml.ScalarNode || key.Tag == "!!merge" || key.Anchor != "" || key.Style&yaml.TaggedStyle != 0 || seen[key.Value] {
				continue
			}
			seen[key.Value] = true
			if !yield(key, n.Content[i+1]) {
				return
			}
		}
	}
}

// list is a sequence.
type list[T any] struct {
	place
	Items []T
}

// empty reports whether the list is written and has nothing in it.
func (l *list[T]) empty() bool { return l.ok && len(l.Items) == 0 }

func (l *list[T]) decode(d *decoder, n *yaml.Node, what string) {
	if n.Kind != yaml.SequenceNode {
		hint := ""
		if n.Kind == yaml.ScalarNode && n.Value != "" {
			hint = "write [" + plain(n) + "]"
		}
		d.wrongType(n, what, "a list", hint)
		return
	}
	l.ok = true
	l.Items = make([]T, len(n.Content))
	for i, item := range n.Content {
		d.into(item, &l.Items[i], "an entry of "+what)
	}
}

// oneOrMany is a sequence, or its only entry.
type oneOrMany[T any] struct{ list[T] }

func (l *oneOrMany[T]) decode(d *decoder, n *yaml.Node, what string) {
	if n.Kind == yaml.SequenceNode {
		l.list.decode(d, n, what)
		return
	}
	l.ok = true
	l.Items = make([]T, 1)
	d.into(n, &l.Items[0], what)
}

// table is a mapping whose keys the user chooses, in the order of the file.
type table[T any] struct {
	place
	Entries []entry[T]
}

type entry[T any] struct {
	Key   string
	at    spot // of the key
	Value T
}

func (t *table[T]) decode(d *decoder, n *yaml.Node, what string) {
	if n.Kind != yaml.MappingNode {
		d.wrongType(n, what, "a mapping", "")
		return
	}
	t.ok = true
	t.Entries = make([]entry[T], 0, len(n.Content)/2)
	for key, value := range pairs(n) {
		t.Entries = append(t.Entries, entry[T]{Key: key.Value, at: d.at(key)})
		d.into(value, &t.Entries[len(t.Entries)-1].Value, "`"+clip(key.Value)+"`")
	}
}

// shortOr is text, the short form, or a struct, the long one.
type shortOr[T any] struct {
	Short text
	Long  T
	place
	long bool // Long is the one that was written
}

func (s *shortOr[T]) decode(d *decoder, n *yaml.Node, what string) {
	s.ok = true
	if n.Kind == yaml.ScalarNode {
		s.Short.decode(d, n, what)
		return
	}
	s.long = true
	d.mapping(n, &s.Long, what)
}
