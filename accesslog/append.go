package accesslog

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// The rhythm of access lines. A line is written at the latest writeDelay after
// it was appended and synced syncDelay after that, which leaves room for a slow
// disk within the 100 ms and the second that are promised.
const (
	writeDelay = 50 * time.Millisecond
	syncDelay  = 400 * time.Millisecond
	retryDelay = time.Second // after the disk failed

	writeSize          = 256 << 10 // bytes that are written without waiting
	syncSize           = 4 << 20   // bytes that are synced without waiting
	lineRoom           = 64 << 10  // room for lines that come while a buffer is handed over
	defaultMaxBuffered = 16 << 20  // bytes in memory before lines are dropped
)

// appender takes access lines. Lines are encoded into a shared buffer, which a
// goroutine of its own writes and syncs. A line stays in memory until it is
// synced: if a write or a sync fails, all lines not yet known to be durable are
// written again, to a new file. So a line can be in two files; readers see it
// once.
type appender struct {
	max  int64 // bytes of lines in memory; more are dropped
	wake chan struct{}
	full chan struct{}
	stop chan struct{}
	done chan struct{}
	err  error // of the last write, valid after done

	mu     sync.Mutex
	buf    []byte
	span   span
	closed bool

	// What follows belongs to the goroutine, except where atomic.
	series    *series
	spare     []byte
	tail      []byte // lines not known to be durable
	tailSpan  span   // of tail
	written   int    // how much of tail the open file has
	unwritten span   // of the rest
	trouble   func(error)
	held      atomic.Int64 // len(tail)
	lines     atomic.Uint64
	dropped   atomic.Uint64
	failures  atomic.Uint64
}

func newAppender(s *series, max int64, trouble func(error)) *appender {
	a := &appender{
		max:     max,
		wake:    make(chan struct{}, 1),
		full:    make(chan struct{}, 1),
		stop:    make(chan struct{}),
		done:    make(chan struct{}),
		series:  s,
		buf:     make([]byte, 0, writeSize+lineRoom),
		spare:   make([]byte, 0, writeSize+lineRoom),
		trouble: trouble,
	}
	go a.run()
	return a
}

// append encodes r into the buffer. It allocates nothing while the disk keeps
// up, and never waits for the disk. It returns false if it dropped the line.
func (a *appender) append(r *Record) bool {
	a.mu.Lock()
	before := len(a.buf)
	if a.closed || r.ID.IsZero() || int64(before)+a.held.Load() >= a.max {
		a.mu.Unlock()
		a.dropped.Add(1)
		return false
	}
	a.buf = append(appendClear(a.buf, r, false), '}', '\n')
	after := len(a.buf)
	a.span.add(r.Time)
	a.mu.Unlock()
	a.lines.Add(1)
	if before == 0 {
		notify(a.wake)
	}
	if before < writeSize && after >= writeSize {
		notify(a.full)
	}
	return true
}

// waiting is how many bytes are not known to be durable.
func (a *appender) waiting() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return int64(len(a.buf)) + a.held.Load()
}

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run writes and syncs until stop is closed, then does both once more.
func (a *appender) run() {
	defer close(a.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var writeAt, syncAt, retryAt time.Time // zero: not due
	for {
		timer.Reset(untilFirst(writeAt, syncAt, retryAt))
		stopping, urgent := false, false
		select {
		case <-a.wake:
		case <-a.full:
			urgent = true
		case <-timer.C:
		case <-a.stop:
			stopping = true
		}
		now := time.Now()
		if stopping {
			a.err = a.last()
			return
		}
		if !retryAt.IsZero() { // the disk failed: nothing is due before
			if now.Before(retryAt) {
				continue
			}
			retryAt, writeAt = time.Time{}, now
		}
		if writeAt.IsZero() {
			writeAt = now.Add(writeDelay)
		}
		var err error
		if urgent || !now.Before(writeAt) {
			writeAt = time.Time{}
			err = a.write()
			if err == nil && len(a.tail) > 0 && syncAt.IsZero() {
				syncAt = now.Add(syncDelay)
			}
		}
		if err == nil && !syncAt.IsZero() && (len(a.tail) >= syncSize || !now.Before(syncAt)) {
			err = a.sync()
			syncAt = time.Time{}
		}
		if err != nil {
			writeAt, syncAt, retryAt = time.Time{}, time.Time{}, now.Add(retryDelay)
		}
	}
}

func untilFirst(times ...time.Time) time.Duration {
	wait := time.Hour
	for _, t := range times {
		if !t.IsZero() {
			wait = min(wait, time.Until(t))
		}
	}
	return max(wait, 0)
}

// take moves what was appended to the tail.
func (a *appender) take() {
	a.mu.Lock()
	full, sp := a.buf, a.span
	a.buf, a.span = a.spare[:0], span{}
	// held goes up before the lock is let go, so that append never sees less
	// than there is.
	a.held.Add(int64(len(full)))
	a.mu.Unlock()
	a.tail = append(a.tail, full...)
	a.tailSpan.merge(sp)
	a.unwritten.merge(sp)
	if oversized(full) {
		full = make([]byte, 0, writeSize+lineRoom)
	}
	a.spare = full
}

// write brings all lines into the open file. A file that is full, or of
// yesterday, is finished before, which takes that all in it is durable.
func (a *appender) write() error {
	if a.series.due() {
		if err := a.sync(); err != nil {
			return err
		}
		// Without its end line a file is only read with more care.
		_ = a.series.finish()
	}
	a.take()
	if len(a.tail) == a.written {
		return nil
	}
	return a.attempt(a.writeTail)
}

// sync makes all written lines durable, in the open file or, if that fails, in a
// new one.
func (a *appender) sync() error {
	if len(a.tail) == 0 {
		return nil
	}
	err := a.attempt(func(seg *segment) error {
		if err := a.writeTail(seg); err != nil {
			return err
		}
		return seg.file.Datasync()
	})
	if err != nil {
		return err
	}
	a.series.current.synced = true
	if oversized(a.tail) {
		a.tail = nil
	}
	a.tail, a.tailSpan, a.written = a.tail[:0], span{}, 0
	a.held.Store(0)
	return nil
}

// oversized reports whether a buffer grew in a busy time that is over.
func oversized(b []byte) bool { return cap(b) > 4*writeSize && len(b) < cap(b)/8 }

// attempt runs do with the open file, and again with a new one if it fails.
func (a *appender) attempt(do func(*segment) error) error {
	var errs []error
	for range attempts {
		seg, err := a.series.current, error(nil)
		if seg == nil {
			seg, err = a.series.ready()
		}
		if err == nil {
			err = do(seg)
		}
		if err == nil {
			return nil
		}
		a.series.abandon()
		a.written, a.unwritten = 0, a.tailSpan
		a.failures.Add(1)
		a.trouble(err)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// writeTail writes what the file does not have yet.
func (a *appender) writeTail(seg *segment) error {
	if a.written == len(a.tail) {
		return nil
	}
	if err := seg.write(a.tail[a.written:]); err != nil {
		return err
	}
	a.written = len(a.tail)
	seg.span.merge(a.unwritten)
	a.unwritten = span{}
	return nil
}

// last writes and syncs what there is and finishes the file.
func (a *appender) last() error {
	a.take()
	if err := a.sync(); err != nil {
		a.dropped.Add(uint64(a.tailSpan.records))
		return fmt.Errorf("%d access lines lost: %w", a.tailSpan.records, err)
	}
	return a.series.finish()
}

// close stops the goroutine after a last write and sync.
func (a *appender) close() error {
	a.mu.Lock()
	closed := a.closed
	a.closed = true
	a.mu.Unlock()
	if !closed {
		close(a.stop)
	}
	<-a.done
	return a.err
}
