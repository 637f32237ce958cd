package configs

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"go.yaml.in/yaml/v4"
)

// scalar is one value, with what is needed to talk about it.
type scalar[T any] struct {
	Value T
	ok    bool // Value is good; false: absent, or reported
	set   bool // the key is there

	at       spot
	what     string // its name in messages: "`max_body`", "an entry of `hosts`"
	written  string // as the file has it, ${NAME} kept
	expanded bool   // Value came out of a variable, wholly or in part: never show it
}

// shown is the value for messages: as the file writes it.
func (s *scalar[T]) shown() string { return strconv.Quote(clip(s.written)) }

// reject reports the value. The hint, which may repeat the value, is left out
// where the value came from a variable.
func (s *scalar[T]) reject(ps *problems, hint, format string, args ...any) {
	s.ok = false
	if s.expanded {
		hint = "look at the value of the variable"
	}
	ps.errorAt(s.at, hint, format, args...)
}

// rejectErr reports the value with an error whose text leaves the value out.
func (s *scalar[T]) rejectErr(ps *problems, err error) {
	s.reject(ps, hintOf(err), "%s: %s %s", s.what, s.shown(), err)
}

// put makes a scalar placed: what could not be decoded is still there.
func (s *scalar[T]) put(at spot) { s.set, s.at = true, at }

func (s *scalar[T]) decode(d *decoder, n *yaml.Node, what string) {
	s.put(d.at(n))
	s.what, s.written = what, n.Value
	kind, hint := s.kind()
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		d.wrongType(n, what, kind, hint)
		return
	}
	value, expanded, missing := d.vars.expand(n.Value)
	s.expanded = expanded
	for _, m := range missing {
		if m.message != "" {
			at := s.at
			if !d.ps.full() {
				at = at.find(m.written)
			}
			d.ps.errorAt(at, m.hint, "%s: %s", what, m.message)
		}
	}
	if len(missing) > 0 {
		return
	}
	quoted := n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0
	wrong := func(hint string) {
		if expanded {
			s.reject(d.ps, "", "%s: %s must be %s", what, s.shown(), kind)
			return
		}
		d.wrongType(n, what, kind, hint)
	}
	switch p := any(&s.Value).(type) {
	case *string:
		if n.Tag != "!!str" && !expanded {
			d.wrongType(n, what, kind, fmt.Sprintf("quote it: %q", clip(value)))
			return
		}
		*p = value
	case *anyWord:
		*p = anyWord(value)
	case *bool:
		if quoted && !expanded || value != "true" && value != "false" {
			wrong(hint)
			return
		}
		*p = value == "true"
	case *int:
		i, err := strconv.Atoi(value)
		if quoted && !expanded || err != nil || strconv.Itoa(i) != value || i > math.MaxInt32 || i < math.MinInt32 {
			if !quoted && !expanded && (n.Tag == "!!int" || n.Tag == "!!float") {
				s.reject(d.ps, "write it in plain decimal digits", "%s: %s is not a whole number that fits", what, s.shown())
				return
			}
			wrong(hint)
			return
		}
		*p = i
	case *time.Duration:
		t, err := ParseDuration(value)
		if err != nil {
			s.rejectErr(d.ps, err)
			return
		}
		*p = t
	case *int64:
		b, err := ParseSize(value)
		if err != nil {
			s.rejectErr(d.ps, err)
			return
		}
		*p = b
	}
	s.ok = true
}

// kind says what the scalar takes, and how to write it.
func (s *scalar[T]) kind() (kind, hint string) {
	switch any(s.Value).(type) {
	case bool:
		return "true or false", "write true or false, without quotes"
	case int:
		return "a whole number", "write digits, without quotes"
	case time.Duration:
		return "a duration", "write a number and a unit, such as 30s"
	case int64:
		return "a size", "write a number and a unit, such as 64MiB"
	case anyWord:
		return "text or a number", ""
	}
	return "text", ""
}
