package accesslog

import (
	"cmp"
	"context"
)

// ScanStats says what a search looked at.
type ScanStats struct {
	Files   int   // opened; files whose times rule them out are not
	Records int64 // lines with a record, both classes
	Bytes   int64 // read in search of them
	Skipped int64 // lines that could not be read
}

func (s *ScanStats) add(o ScanStats) {
	s.Files += o.Files
	s.Records += o.Records
	s.Bytes += o.Bytes
	s.Skipped += o.Skipped
}

// ref is a record that may match: where its parts are, without what is in them.
// A search holds one for each match of a portion (and for each captured record
// whose status or outcome alone rules it out), 72 bytes apiece.
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

// compare puts places in the order in which they were written.
func (l location) compare(o location) int {
	return cmp.Or(cmp.Compare(l.file, o.file), cmp.Compare(l.offset, o.offset))
}

const (
	capturedPart = 0
	accessPart   = 1
)

// Scan calls fn for every record that f selects, in order of id, until fn returns
// an error or ctx ends; Scan returns that error. The entry is fn's to keep.
//
// It holds the places of at most some hundred thousand records at a time (or of
// f.Last, if that is more): for a long result it reads the files again, in
// portions.
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

func (r *Reader) scan(ctx context.Context, f Filter, files []scanFile, fn func(*Entry) error) (ScanStats, error) {
	m, err := f.compile()
	if err != nil {
		return ScanStats{}, err
	}
	s := newSearch(ctx, m, files, r.searchRefs)
	open := openFiles{files: s.files}
	defer open.close()
	err = s.run(func(refs []ref) error { return s.deliver(&open, refs, fn) })
	return s.stats, err
}

// deliver reads the found lines again, in order of id, and hands them out.
func (s *search) deliver(files *openFiles, refs []ref, fn func(*Entry) error) error {
	for _, r := range refs {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		e, err := s.load(files, &r)
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
