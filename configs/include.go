package configs

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// inclusion collects the files that the patterns of `include` name.
type inclusion struct {
	*loader
	files []includedPath
}

type includedPath struct {
	path  string // absolute
	shown string // for messages
	at    spot   // the pattern that named it
	info  fs.FileInfo
}

// pattern adds the files of one entry of `include`: a path that must exist, or
// a pattern of path/filepath.Match that may match nothing. As in a shell, a
// pattern does not match names that start with a dot unless it does too, so that
// an editor's lock and swap files are left alone.
func (in *inclusion) pattern(p *text) {
	if !p.ok {
		return
	}
	if p.Value == "" {
		p.reject(in.ps, "write a path or a pattern such as sites/*.yaml", "%s is empty", p.what)
		return
	}
	if !strings.ContainsAny(p.Value, `*?[`) {
		in.path(p, p.at.src.resolve(p.Value))
		return
	}
	pattern := p.Value
	if !filepath.IsAbs(pattern) {
		// The folder of the file is not a pattern, whatever its name is.
		quoted := strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(p.at.src.dir())
		pattern = filepath.Join(quoted, pattern)
	}
	matches, err := filepath.Glob(pattern)
	if err != nil {
		p.reject(in.ps, "* and ? stand for characters, [a-z] for one of them", "%s: %s is not a pattern", p.what, p.shown())
		return
	}
	found := false
	for _, path := range matches {
		if strings.HasPrefix(filepath.Base(path), ".") && !strings.HasPrefix(filepath.Base(pattern), ".") {
			continue
		}
		found = true
		in.path(p, path)
	}
	if !found {
		in.ps.warnAt(p.at, "", "include: %s matches no file", p.shown())
	}
}

func (in *inclusion) path(p *text, path string) {
	shown := p.shown()
	if !p.expanded {
		shown = strconv.Quote(in.name(path))
	}
	info, err := os.Stat(path)
	if err != nil {
		err = pathless(err)
		problem := p.at.problem("", fmt.Sprintf("the included file %s %s", shown, err))
		problem.cause = err
		in.ps.add(problem)
		return
	}
	if info.IsDir() {
		hint := "write a pattern"
		if !p.expanded {
			hint = "for the files in it write " + filepath.Join(p.Value, "*.yaml")
			if strings.ContainsAny(p.Value, `*?[`) {
				hint = "make the pattern narrower, or move the directory"
			}
		}
		in.ps.errorAt(p.at, hint, "the included file %s is a directory", shown)
		return
	}
	if main, err := os.Stat(in.loader.path); err == nil && os.SameFile(main, info) {
		in.ps.errorAt(p.at, "keep the files to include in a folder of their own", "the included file %s is the main file itself", shown)
		return
	}
	for _, other := range in.files {
		if os.SameFile(other.info, info) {
			in.ps.errorAt(p.at, "name it once", "the file %s is included twice: the first time at %s", shown, other.at.origin())
			return
		}
	}
	in.files = append(in.files, includedPath{path: path, shown: shown, at: p.at, info: info})
}
