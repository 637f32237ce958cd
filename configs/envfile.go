package configs

import (
	"bytes"
	"maps"
	"strings"
)

// maxEnvFile bounds the file of `env_file`.
const maxEnvFile = 1 << 20

// variables resolves ${NAME}: the process environment wins over env_file.
type variables struct {
	getenv func(string) (string, bool)
	file   map[string]string // of env_file
	used   map[string]string // what was asked for and found
	// blind is set when env_file could not be read: a name that is not found
	// is then no problem of its own.
	blind bool
}

func (v *variables) lookup(name string) (string, bool) {
	value, ok := v.getenv(name)
	if !ok {
		value, ok = v.file[name]
	}
	if ok {
		v.used[name] = value
	}
	return value, ok
}

// expand replaces every ${NAME} in text; $${ stands for ${. What a variable
// holds is not looked at again. missing has the names (or what stands for one)
// that cannot be expanded, as they are written in text.
func (v *variables) expand(text string) (value string, expanded bool, missing []badVariable) {
	var b strings.Builder
	for {
		i := strings.Index(text, "${")
		if i < 0 {
			b.WriteString(text)
			return b.String(), expanded, missing
		}
		if i > 0 && text[i-1] == '$' {
			b.WriteString(text[:i-1] + "${")
			text = text[i+2:]
			continue
		}
		b.WriteString(text[:i])
		end := strings.IndexByte(text[i:], '}')
		if end < 0 {
			missing = append(missing, badVariable{text[i:], "${ is never closed", "write ${NAME}, or $${ for the characters themselves"})
			return b.String(), true, missing
		}
		written, name := text[i:i+end+1], text[i+2:i+end]
		expanded = true
		if !isVariableName(name) {
			missing = append(missing, badVariable{written, "`" + clip(written) + "` is not a variable", "a name has letters, digits and _; write $${ for the characters themselves; defaults (:-) do not exist"})
		} else if value, ok := v.lookup(name); ok {
			b.WriteString(value)
		} else if v.blind {
			missing = append(missing, badVariable{})
		} else {
			missing = append(missing, badVariable{written, "variable " + name + " is not set", "set it in the environment or in the file that `env_file` names"})
		}
		text = text[i+end+1:]
	}
}

// badVariable is a ${…} that cannot be expanded; the zero value is one that
// has been reported in another way.
type badVariable struct{ written, message, hint string }

func isVariableName(s string) bool {
	for i, c := range []byte(s) {
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || !isDigit(c)) {
			return false
		}
	}
	return s != ""
}

// loadEnvFile reads the file that `env_file` names (at is the value's place).
// Its lines may be secrets, so no problem shows them.
func (v *variables) loadEnvFile(at spot, shown, path, name string, ps *problems) {
	text, info, err := readFile(path, maxEnvFile)
	if err != nil {
		v.blind = true
		p := at.problem(hintOf(err), "the file "+shown+" "+err.Error())
		p.cause = err
		ps.add(p)
		return
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		ps.errorAt(at, "chmod 600 "+name, "the file %s can be read by others (mode %04o)", shown, mode)
	}
	if !v.parseEnvFile(text, name, ps) {
		v.blind = true
	}
}

// parseEnvFile reads KEY=VALUE lines. Empty lines and lines that start with #
// are left out; white space around key and value does not count, nor does one
// pair of quotes around the value. It reports whether all lines were good.
func (v *variables) parseEnvFile(text []byte, name string, ps *problems) bool {
	file := newSource("", name, text)
	file.lines = nil // never shown
	good := true
	fail := func(line int, hint, format string, args ...any) {
		ps.errorAt(file.at(line, 1), hint, format, args...)
		good = false
	}
	number := 0
	values := make(map[string]string)
	for raw := range bytes.Lines(text) {
		number++
		line := strings.TrimSpace(string(raw))
		if line == "" || line[0] == '#' {
			continue
		}
		key, value, found := strings.Cut(line, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		switch {
		case !found:
			fail(number, "write NAME=value", "this line has no `=`")
			continue
		case strings.HasPrefix(key, "export "):
			fail(number, "write NAME=value", "`export` belongs to the shell")
			continue
		case !isVariableName(key):
			fail(number, "write NAME=value; a name has letters, digits and _", "this line does not start with a name")
			continue
		case strings.ContainsRune(value, 0):
			fail(number, "check that it is a text file", "there is a NUL byte here")
			continue
		}
		if _, twice := values[key]; twice {
			fail(number, "keep one of them", "%s is set twice", key)
			continue
		}
		if q := strings.Trim(value[:min(1, len(value))], `"'`); q == "" && value != "" {
			if len(value) < 2 || value[len(value)-1] != value[0] {
				fail(number, "close it, or leave both out", "the value of %s starts with a quote that is not closed", key)
				continue
			}
			value = value[1 : len(value)-1]
		}
		values[key] = value
	}
	maps.Copy(v.file, values)
	return good
}
