package configs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxDepth bounds the nesting of lists and mappings. The deepest place of the
// configuration is at 8.
const maxDepth = 64

// depthLimit makes the parser stop as soon as maxDepth is passed.
type depthLimit struct{}

var errTooDeep = fmt.Errorf("nested deeper than %d levels", maxDepth)

// CheckDepth implements yaml.LoaderLimitsPlugin.
func (depthLimit) CheckDepth(depth int, _ *yaml.DepthContext) error {
	if depth > maxDepth {
		return errTooDeep
	}
	return nil
}

// CheckAlias implements yaml.LoaderLimitsPlugin; aliases are never followed.
func (depthLimit) CheckAlias(int, int) error { return nil }

// parse turns a file into the mapping it holds. It returns nil if there is
// none; the problems say why. What it returns is free of what the decoder must
// not meet only where nothing was reported: the decoder passes over aliases,
// tagged values and repeated keys.
func parse(s *source, ps *problems) *yaml.Node {
	if !checkText(s, ps) {
		return nil
	}
	loader, err := yaml.NewLoader(bytes.NewReader(s.text), yaml.WithPlugin(depthLimit{}))
	if err != nil { // only wrong options do that
		ps.errorAt(s.start(), "", "%v", err)
		return nil
	}
	var doc yaml.Node
	err = loader.Load(&doc)
	switch {
	case errors.Is(err, io.EOF):
		ps.errorAt(s.start(), "write listen, apps and sites into it; an included file has apps and sites", "the file is empty")
		return nil
	case err != nil:
		reportSyntax(s, err, ps)
		return nil
	}
	var second yaml.Node
	if err := loader.Load(&second); err == nil {
		ps.errorAt(documentStart(s, &second), "keep one document; other files can be named with `include`", "a second YAML document starts here")
	} else if !errors.Is(err, io.EOF) {
		reportSyntax(s, err, ps)
	}
	if len(doc.Content) == 0 || doc.Content[0].Tag == "!!null" && doc.Content[0].Value == "" {
		ps.errorAt(s.start(), "write listen, apps and sites into it; an included file has apps and sites", "the file is empty")
		return nil
	}
	root := doc.Content[0]
	c := structure{src: s, ps: ps}
	c.check(root)
	c.checkTabs()
	if root.Kind == yaml.AliasNode {
		return nil
	}
	if root.Kind != yaml.MappingNode {
		ps.errorAt(s.at(root.Line, root.Column), "start with keys: listen:, apps:, sites:", "the file must be a mapping, not %s", kindName(root))
		return nil
	}
	return root
}

// documentStart is the place of the marker before a further document.
func documentStart(s *source, doc *yaml.Node) spot {
	line := doc.Line
	if len(doc.Content) > 0 && doc.Content[0].Line > 0 {
		line = doc.Content[0].Line
	}
	for l := min(line, len(s.lines)); l > 0; l-- {
		if strings.HasPrefix(s.lines[l-1], "---") || strings.HasPrefix(s.lines[l-1], "...") {
			return s.at(l, 1)
		}
	}
	return s.at(max(line, 1), 1)
}

// structure checks what holds for every node, whatever its meaning.
type structure struct {
	src    *source
	ps     *problems
	blocks []int // first lines of block scalars (| and >)
}

func (c *structure) check(n *yaml.Node) {
	at := c.src.at(n.Line, n.Column)
	if n.Kind == yaml.AliasNode {
		c.ps.errorAt(at, "write the value out", "YAML aliases (*%s) are not used here", n.Value)
		return
	}
	if n.Anchor != "" {
		c.ps.errorAt(at, "write the value out where it is needed", "YAML anchors (&%s) are not used here", n.Anchor)
	}
	if n.Style&yaml.TaggedStyle != 0 {
		c.ps.errorAt(at, "remove the tag; quotes make a value text", "YAML tags (%s) are not used here", n.Tag)
	}
	if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		c.blocks = append(c.blocks, n.Line)
	}
	if n.Kind == yaml.MappingNode {
		c.checkKeys(n)
		for i := 1; i < len(n.Content); i += 2 {
			c.check(n.Content[i])
		}
		return
	}
	for _, child := range n.Content {
		c.check(child)
	}
}

func (c *structure) checkKeys(n *yaml.Node) {
	first := make(map[string]*yaml.Node, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		at := c.src.at(k.Line, k.Column)
		switch {
		case k.Kind != yaml.ScalarNode:
			c.check(k) // an alias as a key, or an anchor inside it, is said too
			if k.Kind != yaml.AliasNode {
				c.ps.errorAt(at, "", "a key must be text, not %s", kindName(k))
			}
			continue
		case k.Tag == "!!merge":
			c.ps.errorAt(at, "write the keys out", "YAML merge keys (<<) are not used here")
			continue
		case k.Anchor != "" || k.Style&yaml.TaggedStyle != 0:
			c.check(k)
			continue
		}
		if other := first[k.Value]; other != nil {
			c.ps.errorAt(at, "keep one of them", "key `%s` is here twice: the first is at %s", clip(k.Value), c.src.at(other.Line, other.Column).origin())
			continue
		}
		first[k.Value] = k
	}
}

// checkTabs reports a tab in the indentation of a line that the parser let
// pass (it does between brackets). The text of a block scalar may have them.
func (c *structure) checkTabs() {
	text := make(map[int]bool)
	for _, start := range c.blocks {
		indent := -1
		for l := start + 1; l <= len(c.src.lines); l++ {
			line := c.src.lines[l-1]
			spaces := len(line) - len(strings.TrimLeft(line, " "))
			blank := strings.TrimLeft(line, " \t") == ""
			if indent < 0 && !blank {
				indent = spaces
			}
			if !blank && spaces < indent {
				break
			}
			text[l] = true
		}
	}
	for i, line := range c.src.lines {
		rest := strings.TrimLeft(line, " \t")
		tab := strings.IndexByte(line[:len(line)-len(rest)], '\t')
		if tab < 0 || rest == "" || rest[0] == '#' || text[i+1] {
			continue
		}
		reportTab(c.src.at(i+1, tab+1), c.ps)
	}
}

func reportTab(at spot, ps *problems) {
	ps.errorAt(at, "indent with spaces", "a tab is used for indentation")
}

// reportSyntax adds the parser's error in our words, at the place that helps.
func reportSyntax(s *source, err error, ps *problems) {
	var le *yaml.LoadError
	if !errors.As(err, &le) {
		ps.errorAt(s.start(), "", "not valid YAML: %v", err)
		return
	}
	at := s.at(le.Mark.Line, le.Mark.Column)
	if at.line < 1 {
		at = s.start()
	}
	context := s.at(le.ContextMark.Line, le.ContextMark.Column)
	char := runeAt(at)
	has := func(part string) bool { return strings.Contains(le.Message, part) }
	switch {
	case has(errTooDeep.Error()):
		ps.errorAt(at, "no key of this file is that deep", "lists and mappings are %s", errTooDeep)
	case has("tab character"), has("cannot start any token") && char == "\t":
		reportTab(at, ps)
	case has("cannot start any token"):
		ps.errorAt(at, "put the value in quotes", "a value cannot start with %q", char)
	case has("mapping values are not allowed"):
		ps.errorAt(at, `is the line indented too far? A value that contains ": " needs quotes`, "a `:` is not expected here")
	case has("end of stream") && context.line > 0 && strings.Contains(le.ContextMsg, "quoted"):
		ps.errorAt(context, "close it with the same quote", "this quote is never closed")
	case has("did not find expected ',' or") && char == "{" && runeAt(s.at(at.line, at.column-1)) == "$":
		ps.errorAt(s.at(at.line, at.column-1), `write "${NAME}"`, "between brackets, ${NAME} needs quotes")
	case has("did not find expected ',' or"):
		ps.errorAt(at, fmt.Sprintf("it starts at %s; is a comma missing, or a quote?", context.origin()), "the %s is not continued or closed here", flowKind(le.ContextMsg))
	case has("expected node content"):
		ps.errorAt(at, "is a bracket not closed, or one comma too many?", "a value is missing here")
	case has("could not find expected ':'") && context.line > 0:
		ps.errorAt(context, "write `key: value`, with a space after the colon", "a key without `:`")
	case has("did not find expected key"), has("did not find expected '-' indicator"), has("expected <document start>"):
		ps.errorAt(at, "keys of one mapping start in the same column; text after a closing quote or bracket does this too", "this does not fit what is above it")
	case has("unknown anchor"):
		ps.errorAt(at, "write the value out; text that starts with * needs quotes", "YAML aliases (*) are not used here")
	case has("tag"):
		ps.errorAt(at, "remove it; text that starts with ! needs quotes", "YAML tags (!) are not used here")
	case char == "%" && at.column == 1:
		ps.errorAt(at, "remove the line", "YAML directives (%%) are not used here")
	case has("unknown escape character"):
		ps.errorAt(at, `write \\ for a backslash, or use single quotes`, "this is not an escape of a double-quoted value")
	default:
		ps.errorAt(at, "", "not valid YAML: %s", le.Message)
	}
}

func flowKind(context string) string {
	if strings.Contains(context, "mapping") {
		return "{mapping}"
	}
	return "[list]"
}

func runeAt(at spot) string {
	if at.line < 1 || at.line > len(at.src.lines) {
		return ""
	}
	runes := []rune(at.src.lines[at.line-1])
	if at.column < 1 || at.column > len(runes) {
		return ""
	}
	return string(runes[at.column-1])
}

// kindName says in words what a node is.
func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		switch n.Tag {
		case "!!null":
			return "empty"
		case "!!int", "!!float":
			return "a number"
		case "!!bool":
			return "true or false"
		case "!!timestamp":
			return "a date"
		}
	}
	return "text"
}

// clip shortens a piece of the file for a message.
func clip(s string) string {
	const most = 60
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return s
}
