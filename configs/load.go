package configs

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// Options says where Load takes things from. The zero Options reads the disk
// and the process environment.
type Options struct {
	// Getenv looks a variable up; nil: the process environment.
	Getenv func(string) (string, bool)
	// Sources, if not empty, are read instead of the disk: the configuration of
	// a running edge, as its Config.Sources has it (the main file first). Then
	// nothing on the disk is looked at, neither `include` and `env_file` nor
	// whether the files of routes exist, and Env is the whole environment.
	Sources []Source
	// Env is the Config.Env that goes with Sources.
	Env map[string]string
	// NoCertificates leaves certificates and keys alone: for those who serve nothing,
	// and may not be allowed to read the keys. With Sources they are never read.
	NoCertificates bool
	// Now is the clock that certificates are judged by; nil: time.Now.
	Now func() time.Time
}

// Load reads and checks the configuration whose main file is path, with the
// files it includes. A relative path is relative to the current directory, on
// which nothing else depends.
//
// The error is an *Errors with every problem that was found, in all files; it
// wraps the I/O errors among them (fs.ErrNotExist if there is no such file).
// Where only warnings were found, the Config has them and there is no error.
func Load(path string, o Options) (*Config, error) {
	if path == "" && len(o.Sources) > 0 {
		path = o.Sources[0].Path
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	l := loader{
		path: path,
		bare: o.NoCertificates || len(o.Sources) > 0,
		now:  time.Now,
		live: len(o.Sources) > 0,
		vars: &variables{getenv: o.Getenv, file: map[string]string{}, used: map[string]string{}},
		ps:   new(problems),
	}
	if o.Now != nil {
		l.now = o.Now
	}
	switch {
	case l.live:
		l.vars.getenv = func(name string) (string, bool) {
			value, ok := o.Env[name]
			return value, ok
		}
	case o.Getenv == nil:
		l.vars.getenv = os.LookupEnv
	}

	var main mainFile
	src := l.read(path, o.Sources)
	if src == nil {
		return nil, l.ps.err()
	}
	root := parse(src, l.ps)
	if root == nil {
		return nil, l.ps.err()
	}
	l.loadEnv(src, root)
	newDecoder(src, l.vars, l.ps).mapping(root, &main, "the file")

	b := builder{loader: &l, cfg: &Config{Path: path}, src: src}
	b.merge(main.Apps, main.Sites)
	for _, included := range l.included(&main, o.Sources) {
		if root := parse(included, l.ps); root != nil {
			var part includedFile
			newDecoder(included, l.vars, l.ps).mapping(root, &part, "the file")
			b.merge(part.Apps, part.Sites)
		}
	}
	b.build(&main)
	if err := l.ps.err(); err != nil {
		return nil, err
	}
	cfg := b.cfg
	for _, s := range l.sources {
		cfg.Sources = append(cfg.Sources, Source{Path: s.path, Text: s.text})
	}
	cfg.Env = l.vars.used
	cfg.Warnings = l.ps.sorted()
	cfg.generation = cfg.Generation()
	return cfg, nil
}

// loader is the state of one Load.
type loader struct {
	path    string // of the main file, absolute
	live    bool   // Options.Sources were given: leave the disk alone
	bare    bool   // certificates are not read
	now     func() time.Time
	vars    *variables
	ps      *problems
	sources []*source
}

// name is how a file is called in messages: relative to the main file's folder
// if it lies below it.
func (l *loader) name(path string) string {
	rel, err := filepath.Rel(filepath.Dir(l.path), path)
	if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return path
	}
	return rel
}

// read returns the main file, or nil if it cannot be read.
func (l *loader) read(path string, given []Source) *source {
	var text []byte
	if l.live {
		text = given[0].Text
	} else {
		var err error
		if text, _, err = readFile(path, maxFileSize); err != nil {
			// The path as a whole: nobody has said yet which folder this is about.
			p := newSource(path, path, nil).at(0, 0).problem(hintOf(err), "the configuration file "+err.Error())
			p.cause = err
			l.ps.add(p)
			return nil
		}
	}
	return l.add(path, text)
}

func (l *loader) add(path string, text []byte) *source {
	s := newSource(path, l.name(path), text)
	l.sources = append(l.sources, s)
	return s
}

// loadEnv reads the file of `env_file` before anything else is decoded. The
// path itself can use the process environment only.
func (l *loader) loadEnv(src *source, root *yaml.Node) {
	if l.live {
		return
	}
	for key, value := range pairs(root) {
		if key.Value != "env_file" {
			continue
		}
		early := problems{} // the whole decoding reports them again
		var path text
		newDecoder(src, l.vars, &early).into(value, &path, "`env_file`")
		switch {
		case path.ok && path.Value != "":
			resolved := src.resolve(path.Value)
			name := l.name(resolved)
			if path.expanded {
				name = path.written
			}
			l.vars.loadEnvFile(path.at, path.shown(), resolved, name, l.ps)
		case path.ok:
			path.reject(l.ps, "name a file, or remove the key", "`env_file` is empty")
			l.vars.blind = true
		default:
			l.vars.blind = true
			for _, p := range early.list {
				l.ps.add(p)
			}
		}
	}
}

// included returns the files that `include` names, in the order of their paths.
func (l *loader) included(main *mainFile, given []Source) []*source {
	if l.live {
		for _, s := range given[1:] {
			l.add(s.Path, s.Text)
		}
		return l.sources[1:]
	}
	in := inclusion{loader: l}
	for i := range main.Include.Items {
		in.pattern(&main.Include.Items[i])
	}
	slices.SortFunc(in.files, func(a, b includedPath) int { return strings.Compare(a.path, b.path) })
	for _, f := range in.files {
		if text, _, err := readFile(f.path, maxFileSize); err == nil {
			l.add(f.path, text)
		} else {
			p := f.at.problem(hintOf(err), fmt.Sprintf("the included file %s %s", f.shown, err))
			p.cause = err
			l.ps.add(p)
		}
	}
	return l.sources[1:]
}
