package accesslog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
)

// ScanStats says what a search looked at.
type ScanStats struct {
	Files   int   // opened; files whose times rule them out are not
	Records int64 // lines with a record, both classes
	Bytes   int64 // read in search of them
	Skipped int64 // lines that could not be read
}

// ref is a record that may match: where its parts are, without what is in them.
// A search holds one for each match (and for each captured record whose status
// or outcome alone rules it out), 72 bytes apiece.
type ref struct {
	id       ID
	outcome  Outcome
	captured bool
	access   bool
	status   int32
	at       [2]location // of the captured part, of the access line
}

type location struct {
	file   int32
	length int32
	offset int64
}

const (
	capturedPart = 0
	accessPart   = 1
)

// Scan calls fn for every record that f selects, in order of id, until fn returns
// an error or ctx ends; Scan returns that error. The entry is fn's to keep.
//
// What is written after the call began may be missing. Lines that cannot be read
// are left out and counted.
//
// A record has up to two lines: the captured part, written when the outcome was
// known, and the access line, written when the exchange was over. They are
// merged by id: status, duration, bytes_read and size are the access line's, all
// else is the captured part's. Should a line be there twice (a failed write is
// repeated in another file), the later one counts.
func (r *Reader) Scan(ctx context.Context, f Filter, fn func(*Entry) error) (ScanStats, error) {
	files, err := r.snapshot(f.Since)
	if err != nil {
		return ScanStats{}, err
	}
	return r.scan(ctx, f, files, fn)
}

// search is one run of Scan.
type search struct {
	ctx   context.Context
	m     *matcher
	files []scanFile
	stats ScanStats
	view  view

	captured []ref // those that match but for status and outcome
	alone    []ref // access lines without a captured part, those that match
	refs     []ref // the result
}

func (r *Reader) scan(ctx context.Context, f Filter, files []scanFile, fn func(*Entry) error) (ScanStats, error) {
	m, err := f.compile()
	if err != nil {
		return ScanStats{}, err
	}
	s := &search{ctx: ctx, m: m, files: files}
	if err := s.find(); err != nil {
		return s.stats, err
	}
	err = s.deliver(fn)
	return s.stats, err
}

// find fills refs: captured records first, then the access lines that belong to
// them or match by themselves.
func (s *search) find() error {
	if err := s.each(classCaptured, s.addCaptured); err != nil {
		return err
	}
	s.captured = sortRefs(s.captured, capturedPart)
	if err := s.each(classAccess, s.addAccess); err != nil {
		return err
	}
	s.alone = sortRefs(s.alone, accessPart)
	s.refs = slices.DeleteFunc(s.captured, func(r ref) bool { return !s.m.final(r.outcome, int(r.status)) })
	s.refs = append(s.refs, s.alone...)
	s.captured, s.alone = nil, nil
	slices.SortFunc(s.refs, func(a, b ref) int { return bytes.Compare(a.id[:], b.id[:]) })
	if n := s.m.f.Last; n > 0 && len(s.refs) > n {
		s.refs = s.refs[len(s.refs)-n:]
	}
	return nil
}

// sortRefs sorts by id and leaves of several with the same id the latest.
func sortRefs(refs []ref, part int) []ref {
	slices.SortFunc(refs, func(a, b ref) int {
		if c := bytes.Compare(a.id[:], b.id[:]); c != 0 {
			return c
		}
		if c := int(a.at[part].file) - int(b.at[part].file); c != 0 {
			return -c
		}
		if a.at[part].offset > b.at[part].offset {
			return -1
		}
		return 1
	})
	return slices.CompactFunc(refs, func(a, b ref) bool { return a.id == b.id })
}

func (s *search) addCaptured(at location) {
	if !s.m.lasting(&s.view) {
		return
	}
	r := ref{id: s.view.id, outcome: s.view.outcome, status: int32(s.view.status), captured: true}
	r.at[capturedPart] = at
	s.captured = append(s.captured, r)
}

func (s *search) addAccess(at location) {
	i, found := slices.BinarySearchFunc(s.captured, s.view.id, func(r ref, id ID) int { return bytes.Compare(r.id[:], id[:]) })
	if found {
		s.captured[i].access = true
		s.captured[i].status = int32(s.view.status)
		s.captured[i].at[accessPart] = at
		return
	}
	if !s.m.lasting(&s.view) || !s.m.final(s.view.outcome, s.view.status) {
		return
	}
	r := ref{id: s.view.id, outcome: s.view.outcome, status: int32(s.view.status), access: true}
	r.at[accessPart] = at
	s.alone = append(s.alone, r)
}

// each calls found for every record of a class, with the record in s.view.
func (s *search) each(class string, found func(location)) error {
	for i, f := range s.files {
		if f.class != class || skippable(f, &s.m.f) {
			continue
		}
		file, err := os.Open(f.path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("record store: %w", err)
		}
		s.stats.Files++
		err = s.lines(file, i, found)
		if closed := file.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return fmt.Errorf("record store: %s: %w", f.path, err)
		}
	}
	return nil
}

func (s *search) lines(file *os.File, index int, found func(location)) error {
	lines := newLineReader(io.LimitReader(file, s.files[index].size), 0)
	for n := 0; ; n++ {
		if n%1024 == 0 {
			if err := s.ctx.Err(); err != nil {
				return err
			}
		}
		line, offset, err := lines.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, errTorn):
			continue // not written to its end yet, or never
		case errors.Is(err, errTooLong):
			s.stats.Skipped++
			continue
		case err != nil:
			return err
		}
		s.stats.Bytes += int64(len(line)) + 1
		if isControl(line) || len(line) == 0 {
			continue
		}
		if s.view.decode(line) != nil {
			s.stats.Skipped++
			continue
		}
		s.stats.Records++
		found(location{file: int32(index), length: int32(len(line)), offset: offset})
	}
}

// deliver reads the found lines again, in order of id, and hands them out.
func (s *search) deliver(fn func(*Entry) error) error {
	files := openFiles{files: s.files}
	defer files.close()
	for _, r := range s.refs {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		e, err := s.load(&files, &r)
		if err != nil {
			s.stats.Skipped++ // changed since it was found
			continue
		}
		if err := fn(e); err != nil {
			return err
		}
	}
	return nil
}

// load reads and merges the parts of one record.
func (s *search) load(files *openFiles, r *ref) (*Entry, error) {
	var e *Entry
	if r.captured {
		if err := files.decode(&s.view, r.id, r.at[capturedPart]); err != nil {
			return nil, err
		}
		e = s.view.capturedEntry(place{
			file: s.files[r.at[capturedPart].file].path, offset: r.at[capturedPart].offset,
			length: int(r.at[capturedPart].length),
		})
		if !r.access {
			return e, nil
		}
	}
	if err := files.decode(&s.view, r.id, r.at[accessPart]); err != nil {
		if e != nil {
			return e, nil // the captured part alone is complete
		}
		return nil, err
	}
	if e == nil {
		return s.view.entry(), nil
	}
	e.merge(&s.view)
	return e, nil
}

// capturedEntry is entry for the captured part, which is found at p.
func (v *view) capturedEntry(p place) *Entry {
	e := v.entry()
	if v.sealed {
		e.payload = p
	}
	return e
}

// merge takes from the access line what it knows better than the captured part.
func (e *Entry) merge(access *view) {
	e.Status = access.status
	e.Duration = Seconds(access.duration)
	e.BytesRead = access.bytesRead
	e.Size = access.size
}
