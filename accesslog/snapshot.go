package accesslog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// scanFile is a file of one search, with the size it had when the search began.
type scanFile struct {
	segmentFile
	size int64
}

// snapshot lists the files that may hold a record that arrived at since or later.
//
// A line is written at or after its arrival, in the directory of the day it is
// written: so days before that of since are left out, but for one that allows
// for a clock that was set back. The other way nothing can be left out by the
// day alone, as a long exchange may be written days after it began; there the
// times in the end line of a file serve (see skippable).
func (r *Reader) snapshot(since time.Time) ([]scanFile, error) {
	from := ""
	if !since.IsZero() {
		from = since.UTC().AddDate(0, 0, -1).Format(dayLayout)
	}
	var files []scanFile
	// The access files are sized first: a captured part is on disk before its
	// access line, so a search that sees the access line sees the captured part.
	for _, class := range []string{classAccess, classCaptured} {
		list, err := listSegments(r.dir, class, from)
		if err != nil {
			return nil, fmt.Errorf("record store: %w", err)
		}
		for _, f := range list {
			info, err := os.Stat(f.path)
			if errors.Is(err, fs.ErrNotExist) {
				continue // removed meanwhile
			}
			if err != nil {
				return nil, fmt.Errorf("record store: %w", err)
			}
			files = append(files, scanFile{f, info.Size()})
		}
	}
	return files, nil
}

// skippable tells by the end line of a file that no record in it arrived in the
// time asked for.
func skippable(f scanFile, filter *Filter) bool {
	if filter.Since.IsZero() && filter.Until.IsZero() {
		return false
	}
	end, err := readEnd(f.path)
	if err != nil || end == nil {
		return false
	}
	if end.First == nil || end.Last == nil {
		return end.Records == 0
	}
	if end.First.After(*end.Last) {
		return false // not to be believed
	}
	return !filter.Since.IsZero() && end.Last.Before(filter.Since) ||
		!filter.Until.IsZero() && !end.First.Before(filter.Until)
}
