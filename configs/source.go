package configs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/holdfast-edge/holdfast/routing"
)

// Limits of one file, checked before the YAML parser sees it. A configuration
// of ten thousand sites is about one MiB; the parser needs up to about 1 KiB of
// memory for every entry.
const (
	maxFileSize = 4 << 20
	maxEntries  = 250_000
)

// source is one file with what is needed to point into it.
type source struct {
	path  string   // absolute
	name  string   // as shown to people
	text  []byte   // as read; nil when it could not be
	lines []string // without line ends
}

func newSource(path, name string, text []byte) *source {
	s := &source{path: path, name: name, text: text}
	for line := range bytes.Lines(text) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		s.lines = append(s.lines, string(bytes.TrimSuffix(line, []byte("\r"))))
	}
	return s
}

// dir is what relative paths in the file are relative to.
func (s *source) dir() string { return filepath.Dir(s.path) }

// at is a place in the file; line 0 is the file as a whole. The parser's end of
// file can be a line too far: what is beyond the text is moved to its end.
func (s *source) at(line, column int) spot {
	if n := len(s.lines); n > 0 && line > n {
		line, column = n, utf8.RuneCountInString(s.lines[n-1])+1
	}
	return spot{src: s, line: line, column: column}
}

// start is the place for what concerns the file as a whole.
func (s *source) start() spot { return s.at(1, 1) }

// resolve makes a path of the file absolute.
func (s *source) resolve(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(s.dir(), path)
}

// spot is a place in a file. The zero spot is nowhere.
type spot struct {
	src          *source
	line, column int // from 1; column in runes
}

func (s spot) origin() routing.Origin {
	if s.src == nil {
		return routing.Origin{}
	}
	return routing.Origin{File: s.src.name, Line: s.line, Column: s.column}
}

func (s spot) problem(hint, message string) Problem {
	p := Problem{Origin: s.origin(), Message: message, Hint: hint}
	if s.src != nil && s.line >= 1 && s.line <= len(s.src.lines) {
		p.Line = s.src.lines[s.line-1]
	}
	p.Message, p.Line, p.Hint = withoutSecrets(p.Message), withoutSecrets(p.Line), withoutSecrets(p.Hint)
	return p
}

// userinfo is the user name and password of a URL (RFC 3986, section 3.2.1), also
// where somebody forgot to encode a slash in it.
var userinfo = regexp.MustCompile(`(://)([^\s"'@]+)@`)

// withoutSecrets hides user names and passwords that stand in URLs: a problem is
// shown on terminals and goes to the log. The length stays, for the caret.
func withoutSecrets(s string) string {
	if !strings.Contains(s, "@") || !userinfo.MatchString(s) {
		return s
	}
	return userinfo.ReplaceAllStringFunc(s, func(m string) string {
		return "://" + strings.Repeat("*", utf8.RuneCountInString(m)-4) + "@"
	})
}

// find moves the spot to the first occurrence of part on its line, if any.
func (s spot) find(part string) spot {
	if s.src == nil || s.line < 1 || s.line > len(s.src.lines) {
		return s
	}
	rest := s.src.lines[s.line-1]
	rest = rest[byteOffset(rest, s.column):]
	if i := strings.Index(rest, part); i >= 0 {
		s.column += utf8.RuneCountInString(rest[:i])
	}
	return s
}

// byteOffset is where the rune of a column (from 1) begins in a line, at most
// its end.
func byteOffset(line string, column int) int {
	for i := range line {
		if column <= 1 {
			return i
		}
		column--
	}
	return len(line)
}

// readFile reads at most limit bytes of a regular file. Its errors say what is
// wrong without the path.
func readFile(path string, limit int64) ([]byte, fs.FileInfo, error) {
	// Opening a FIFO without a writer would block for ever, so the type is asked
	// before, and once more of what was opened.
	if info, err := os.Stat(path); err != nil {
		return nil, nil, pathless(err)
	} else if !info.Mode().IsRegular() {
		return nil, nil, notRegular(info)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, pathless(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, pathless(err)
	}
	if !info.Mode().IsRegular() {
		return nil, nil, notRegular(info)
	}
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, nil, pathless(err)
	}
	if int64(len(text)) > limit {
		return nil, nil, &hinted{
			what: fmt.Sprintf("is larger than %s", FormatSize(limit)),
			hint: "split it with `include`, or check that it is the right file",
		}
	}
	return text, info, nil
}

// pathless keeps the system's reason and drops the operation and the path,
// which the message around it has.
func pathless(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("does not exist%w", silent{err})
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("cannot be read: permission denied%w", silent{err})
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return fmt.Errorf("cannot be read: %w", pe.Err)
	}
	return fmt.Errorf("cannot be read: %w", err)
}

// silent hides the text of an error that errors.Is should still find.
type silent struct{ err error }

func (silent) Error() string   { return "" }
func (s silent) Unwrap() error { return s.err }

func notRegular(info fs.FileInfo) error {
	if info.IsDir() {
		return &hinted{what: "is a directory, not a file"}
	}
	return &hinted{what: "is not a regular file"}
}

// checkText finds what the YAML parser must not see: too many entries, another
// encoding than UTF-8, a byte order mark, control characters. It reports false
// if parsing makes no sense.
func checkText(s *source, ps *problems) bool {
	if bytes.HasPrefix(s.text, []byte("\xef\xbb\xbf")) {
		ps.errorAt(s.at(1, 1), "save the file as UTF-8 without BOM", "the file starts with a byte order mark (BOM)")
		return false
	}
	if bytes.HasPrefix(s.text, []byte("\xff\xfe")) || bytes.HasPrefix(s.text, []byte("\xfe\xff")) {
		ps.errorAt(s.at(1, 1), "save the file as UTF-8 without BOM", "the file is UTF-16, not UTF-8")
		return false
	}
	if n := bytes.Count(s.text, []byte(",")) + bytes.Count(s.text, []byte("\n")); n > maxEntries {
		ps.errorAt(s.start(), "split it with `include`", "the file has %d lines and list entries, more than %d", n, maxEntries)
		return false
	}
	ok := true
	for i, line := range s.lines {
		column := 0
		for rest := line; rest != ""; {
			r, n := utf8.DecodeRuneInString(rest)
			column++
			if what, hint := badRune(r, n); what != "" {
				ps.errorAt(s.at(i+1, column), hint, "%s", what)
				ok = false
				break // one per line is enough
			}
			rest = rest[n:]
		}
	}
	return ok
}

// badRune says what is wrong with a character of the file, decoded from n bytes.
func badRune(r rune, n int) (what, hint string) {
	switch {
	case r == utf8.RuneError && n == 1:
		return "this is not UTF-8", "save the file as UTF-8"
	case r == 0:
		return "there is a NUL byte here", "check that this is a text file, saved as UTF-8"
	case r == '\r':
		return "there is a carriage return in the middle of a line", "end lines with LF or CRLF"
	case r == '\t':
		return "", ""
	case r < 0x20, r >= 0x7f && r < 0xa0, r == '\u2028', r == '\u2029', r == '\ufeff', r == '\ufffe', r == '\uffff':
		return fmt.Sprintf("there is a control character (U+%04X) here", r), "remove it; in a double-quoted value it can be written as an escape"
	}
	return "", ""
}
