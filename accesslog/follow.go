package accesslog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	followPoll = 100 * time.Millisecond
	// followHold is how long a captured record waits for its access line, with
	// which it is one record. It comes within 150 ms of the end of most
	// exchanges; of one that goes on, the captured part is shown alone.
	followHold = time.Second
	// followSeen is of how many ids a follower knows that they were shown.
	followSeen = 1 << 16
	followDays = 2 // the latest days of each class are watched
)

// Follow calls fn for every record that f selects and that is written after the
// call began, as it comes, until ctx ends or fn returns an error; Follow returns
// that error. If f.Last is above 0, the last that many of the records that were
// there are first. The entry is fn's to keep.
//
// Every record is shown once: a captured part waits up to a second for its
// access line. Records come in about the order in which they were written, not in
// order of id.
func (r *Reader) Follow(ctx context.Context, f Filter, fn func(*Entry) error) error {
	m, err := f.compile()
	if err != nil {
		return err
	}
	files, err := r.snapshot(f.Since)
	if err != nil {
		return err
	}
	seen, err := lru.New[ID, struct{}](followSeen)
	if err != nil {
		return err
	}
	w := &follower{dir: r.dir, m: m, seen: seen, fn: fn, files: make(map[string]*followed), waiting: make(map[ID]*held)}
	w.skipWritten(files)
	if f.Last > 0 {
		_, err := r.scan(ctx, f, files, func(e *Entry) error {
			seen.Add(e.ID, struct{}{})
			return fn(e)
		})
		if err != nil {
			return err
		}
	}
	tick := time.NewTicker(followPoll)
	defer tick.Stop()
	for {
		if err := w.poll(time.Now()); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// follower is one run of Follow.
type follower struct {
	dir   string
	m     *matcher
	fn    func(*Entry) error
	seen  *lru.Cache[ID, struct{}]
	files map[string]*followed // by path; those being watched, and those done with
	held  []*held              // in the order they came; shown ones have no entry
	// waiting finds those of held that have an entry.
	waiting map[ID]*held
	view    view
}

// followed is how far a file was read.
type followed struct {
	offset int64
	done   bool // it has its end line
}

type held struct {
	entry *Entry
	since time.Time
}

func (w *follower) skipWritten(files []scanFile) {
	for _, f := range files {
		// A snapshot can end in the middle of a line; the rest of it is
		// skipped as unreadable. So go back to the last whole line.
		w.files[f.path] = &followed{offset: lastNewline(f.path, f.size)}
	}
}

// lastNewline is the offset after the last newline in the first size bytes.
func lastNewline(path string, size int64) int64 {
	f, err := os.Open(path)
	if err != nil {
		return size
	}
	defer f.Close()
	buf := make([]byte, 64<<10)
	for end := size; end > 0; {
		from := max(end-int64(len(buf)), 0)
		n, err := f.ReadAt(buf[:end-from], from)
		if err != nil && !errors.Is(err, io.EOF) {
			return size
		}
		for i := n - 1; i >= 0; i-- {
			if buf[i] == '\n' {
				return from + int64(i) + 1
			}
		}
		end = from
	}
	return 0
}

// poll reads what is new in all files of the latest days and shows it.
func (w *follower) poll(now time.Time) error {
	// The access files are sized first and read last: a captured part is on
	// disk before its access line, so whenever a line is seen its captured part
	// was.
	access, err := w.latest(classAccess)
	if err != nil {
		return err
	}
	sizes, err := sizesOf(access)
	if err != nil {
		return err
	}
	captured, err := w.latest(classCaptured)
	if err != nil {
		return err
	}
	capturedSizes, err := sizesOf(captured)
	if err != nil {
		return err
	}
	for i, f := range captured {
		if err := w.read(f, capturedSizes[i], now); err != nil {
			return err
		}
	}
	for i, f := range access {
		if err := w.read(f, sizes[i], now); err != nil {
			return err
		}
	}
	return w.release(now)
}

func (w *follower) latest(class string) ([]segmentFile, error) {
	days, err := listDays(filepath.Join(w.dir, class))
	if err != nil || len(days) == 0 {
		return nil, err
	}
	return listSegments(w.dir, class, days[max(len(days)-followDays, 0)])
}

// sizesOf returns the size of each file; 0 for one that is gone.
func sizesOf(files []segmentFile) ([]int64, error) {
	sizes := make([]int64, len(files))
	for i, f := range files {
		info, err := os.Stat(f.path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, fmt.Errorf("record store: %w", err)
		default:
			sizes[i] = info.Size()
		}
	}
	return sizes, nil
}

// read handles the whole lines between where the file was left and size.
func (w *follower) read(f segmentFile, size int64, now time.Time) error {
	state := w.files[f.path]
	if state == nil {
		state = &followed{}
		w.files[f.path] = state
	}
	if state.done || size <= state.offset {
		return nil
	}
	file, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("record store: %w", err)
	}
	defer file.Close()
	lines := newLineReader(io.NewSectionReader(file, state.offset, size-state.offset), state.offset)
	for {
		line, at, err := lines.next()
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, errTorn):
			return nil
		case errors.Is(err, errTooLong):
			state.offset = lines.offset
			continue
		case err != nil:
			return fmt.Errorf("record store: %s: %w", f.path, err)
		}
		state.offset = lines.offset
		if isControl(line) {
			state.done = state.done || len(line) > 2 && line[2] == 'e'
			continue
		}
		if w.view.decode(line) != nil || !w.m.lasting(&w.view) {
			continue
		}
		if err := w.add(f, place{f.path, at, len(line)}, now); err != nil {
			return err
		}
	}
}

// add takes the record in view: a captured part is held, an access line is shown,
// merged with what is held.
func (w *follower) add(f segmentFile, at place, now time.Time) error {
	if w.seen.Contains(w.view.id) {
		return nil
	}
	h := w.waiting[w.view.id]
	if f.class == classCaptured {
		e := w.view.capturedEntry(at)
		if h != nil {
			h.entry = e
			return nil
		}
		h = &held{e, now}
		w.held = append(w.held, h)
		w.waiting[e.ID] = h
		return nil
	}
	if h == nil {
		return w.show(w.view.entry())
	}
	e := h.entry
	h.entry = nil
	delete(w.waiting, e.ID)
	e.merge(&w.view)
	return w.show(e)
}

// release shows the captured parts that waited long enough.
func (w *follower) release(now time.Time) error {
	n := 0
	for n < len(w.held) && (w.held[n].entry == nil || now.Sub(w.held[n].since) >= followHold) {
		n++
	}
	due := slices.Clone(w.held[:n])
	w.held = slices.Delete(w.held, 0, n)
	for _, h := range due {
		if h.entry == nil {
			continue
		}
		delete(w.waiting, h.entry.ID)
		if err := w.show(h.entry); err != nil {
			return err
		}
	}
	return nil
}

func (w *follower) show(e *Entry) error {
	w.seen.Add(e.ID, struct{}{})
	if !w.m.final(e.Outcome, e.Status) {
		return nil
	}
	return w.fn(e)
}
