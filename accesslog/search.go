package accesslog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
)

// searchRefs is about how many records a search knows the places of at a time.
const searchRefs = 1 << 17

// search is one run of Scan. It goes through the ids in portions, each as big as
// memory allows, from the first id on or, for the last N records, from the last
// id back. A portion takes a pass over the files; from the second pass on a file
// is read only if its ids, which the first pass saw, overlap with what is left.
// As files are written in about the order of ids, that is about each file once
// more, however many records there are.
type search struct {
	ctx   context.Context
	m     *matcher
	files []searchFile
	stats ScanStats
	view  view

	// The portion: ids from min to max, both included, of which the first limit
	// or, with back, the last limit are kept. Finding more moves the bound and
	// sets cut.
	min, max ID
	back     bool
	limit    int
	cut      bool

	captured []ref // those that match but for status and outcome
	alone    []ref // access lines without a captured part, those that match
}

// searchFile is a file and what the first pass found out about it.
type searchFile struct {
	scanFile
	read        bool // to its end
	skip        bool // nothing in it can match
	first, last ID   // zero: no record
}

func newSearch(ctx context.Context, m *matcher, files []scanFile, limit int) *search {
	s := &search{ctx: ctx, m: m, limit: limit, files: make([]searchFile, len(files)), max: maxID()}
	for i, f := range files {
		s.files[i].scanFile = f
	}
	return s
}

// maxID sorts after every id.
func maxID() ID { return ID(bytes.Repeat([]byte{0xff}, IDLength)) }

// next and previous are the ids beside id, as numbers.
func (id ID) next() ID {
	for i := IDLength - 1; i >= 0; i-- {
		if id[i]++; id[i] != 0 {
			break
		}
	}
	return id
}

func (id ID) previous() ID {
	for i := IDLength - 1; i >= 0; i-- {
		if id[i]--; id[i] != 0xff {
			break
		}
	}
	return id
}

func compareIDs(a, b ID) int { return bytes.Compare(a[:], b[:]) }

// run hands the matches to deliver in order of id, a portion at a time.
func (s *search) run(deliver func([]ref) error) error {
	if n := s.m.f.Last; n > 0 && n < math.MaxInt {
		refs, err := s.lastOnes(n)
		if err != nil {
			return err
		}
		return deliver(refs)
	}
	for {
		refs, err := s.portion()
		if err != nil {
			return err
		}
		if err := deliver(refs); err != nil || !s.cut {
			return err
		}
		s.min, s.max = s.max.next(), maxID()
	}
}

// lastOnes returns the last n matches.
func (s *search) lastOnes(n int) ([]ref, error) {
	s.back = true
	var found []ref
	for {
		refs, err := s.portion()
		if err != nil {
			return nil, err
		}
		refs = refs[max(len(refs)-(n-len(found)), 0):]
		found = append(slices.Clone(refs), found...)
		if len(found) >= n || !s.cut {
			return found, nil
		}
		s.min, s.max = ID{}, s.min.previous()
	}
}

// portion returns the matches of the next portion, in order of id: captured
// records first, then the access lines that belong to them or match by
// themselves.
func (s *search) portion() ([]ref, error) {
	s.cut, s.captured, s.alone = false, s.captured[:0], s.alone[:0]
	if err := s.each(classCaptured, s.addCaptured); err != nil {
		return nil, err
	}
	s.captured = sortRefs(s.captured, capturedPart)
	if err := s.each(classAccess, s.addAccess); err != nil {
		return nil, err
	}
	s.alone = sortRefs(s.alone, accessPart)
	found := slices.Concat(s.captured, s.alone)
	found = slices.DeleteFunc(found, func(r ref) bool {
		return s.outside(r.id) || r.captured && !s.m.final(r.outcome, int(r.status))
	})
	slices.SortFunc(found, func(a, b ref) int { return compareIDs(a.id, b.id) })
	return found, nil
}

func (s *search) outside(id ID) bool { return compareIDs(id, s.min) < 0 || compareIDs(id, s.max) > 0 }

// sortRefs sorts by id and leaves of several with the same id the latest.
func sortRefs(refs []ref, part int) []ref {
	slices.SortFunc(refs, func(a, b ref) int {
		if c := compareIDs(a.id, b.id); c != 0 {
			return c
		}
		return b.at[part].compare(a.at[part])
	})
	return slices.CompactFunc(refs, func(a, b ref) bool { return a.id == b.id })
}

// keep adds r to refs. If those are too many it leaves those of the portion,
// which ends there.
func (s *search) keep(refs []ref, r ref, part int) []ref {
	refs = append(refs, r)
	if len(refs) < 2*s.limit {
		return refs
	}
	refs = sortRefs(refs, part)
	if len(refs) <= s.limit {
		return refs
	}
	s.cut = true
	if s.back {
		refs = refs[:copy(refs, refs[len(refs)-s.limit:])]
		s.min = refs[0].id
		return refs
	}
	refs = refs[:s.limit]
	s.max = refs[s.limit-1].id
	return refs
}

func (s *search) addCaptured(at location) {
	if s.outside(s.view.id) || !s.m.lasting(&s.view) {
		return
	}
	r := ref{id: s.view.id, outcome: s.view.outcome, status: int32(s.view.status), captured: true}
	r.at[capturedPart] = at
	s.captured = s.keep(s.captured, r, capturedPart)
}

func (s *search) addAccess(at location) {
	if s.outside(s.view.id) {
		return
	}
	i, found := slices.BinarySearchFunc(s.captured, s.view.id, func(r ref, id ID) int { return compareIDs(r.id, id) })
	if found {
		r := &s.captured[i]
		if !r.access || at.compare(r.at[accessPart]) > 0 {
			r.access, r.status, r.at[accessPart] = true, int32(s.view.status), at
		}
		return
	}
	if !s.m.lasting(&s.view) || !s.m.final(s.view.outcome, s.view.status) {
		return
	}
	r := ref{id: s.view.id, outcome: s.view.outcome, status: int32(s.view.status), access: true}
	r.at[accessPart] = at
	s.alone = s.keep(s.alone, r, accessPart)
}

// each calls found for every record of a class, with the record in s.view.
func (s *search) each(class string, found func(location)) error {
	for n := range s.files {
		i := n
		if s.back {
			i = len(s.files) - 1 - n
		}
		f := &s.files[i]
		if f.class != class || f.skip || f.read && (compareIDs(f.last, s.min) < 0 || compareIDs(f.first, s.max) > 0) {
			continue
		}
		if !f.read && skippable(f.scanFile, &s.m.f) {
			f.skip = true
			continue
		}
		file, err := os.Open(f.path)
		if errors.Is(err, fs.ErrNotExist) {
			f.skip = true
			continue
		}
		if err != nil {
			return fmt.Errorf("record store: %w", err)
		}
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

// lines goes through one file. Only the first time counts for the statistics.
func (s *search) lines(file *os.File, index int, found func(location)) error {
	f, stats := &s.files[index], ScanStats{Files: 1}
	first, last := maxID(), ID{}
	lines := newLineReader(io.LimitReader(file, f.size), 0)
	for n := 0; ; n++ {
		if n%1024 == 0 {
			if err := s.ctx.Err(); err != nil {
				return err
			}
		}
		line, offset, err := lines.next()
		switch {
		case errors.Is(err, io.EOF):
			if !f.read {
				f.read, f.first, f.last = true, first, last
				s.stats.add(stats)
			}
			return nil
		case errors.Is(err, errTorn):
			continue // not written to its end yet, or never
		case errors.Is(err, errTooLong):
			stats.Skipped++
			continue
		case err != nil:
			return err
		}
		stats.Bytes += int64(len(line)) + 1
		if isControl(line) || len(line) == 0 {
			continue
		}
		if s.view.decode(line) != nil {
			stats.Skipped++
			continue
		}
		stats.Records++
		if compareIDs(s.view.id, first) < 0 {
			first = s.view.id
		}
		if compareIDs(s.view.id, last) > 0 {
			last = s.view.id
		}
		found(location{file: int32(index), length: int32(len(line)), offset: offset})
	}
}
