package accesslog

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
)

// ErrNotDurable is returned by Store.Commit when a record could not be made
// durable. It wraps the cause. The record may be on disk all the same; nothing
// may be built on it. The next Commit starts with a fresh file, so the store
// recovers by itself.
var ErrNotDurable = errors.New("the record is not on stable storage")

var errAborted = errors.New("the commit was aborted by a panic")

const (
	maxBatch   = 8 << 20 // bytes of payload in one write, more wait for the next
	maxScratch = 4 << 20 // bytes of scratch kept between batches
	attempts   = 2       // a batch is tried on the open segment and on a fresh one
)

// committer is the group commit. Whoever finds nobody writing becomes the
// leader: it takes the records of all that wait, writes them in one write, makes
// them durable with one fdatasync, and tells each. Whoever arrives meanwhile is
// the next batch, led by the first of them. Nobody waits for company.
type committer struct {
	mu      sync.Mutex
	waiting []*waiter
	leading bool
	closed  bool
	idle    *sync.Cond // on mu; signalled when nobody leads

	// What follows belongs to the leader.
	series *series
	batch  []*waiter
	buf    []byte

	waiters sync.Pool
	trouble func(error)
	records atomic.Uint64
	batches atomic.Uint64
	failed  atomic.Uint64
}

// waiter is one call of Commit. wake has room for one message, so that a leader
// never blocks.
type waiter struct {
	record *Record
	err    error
	lead   bool
	wake   chan struct{}
}

func newCommitter(s *series, trouble func(error)) *committer {
	c := &committer{series: s, trouble: trouble}
	c.idle = sync.NewCond(&c.mu)
	c.waiters.New = func() any { return &waiter{wake: make(chan struct{}, 1)} }
	return c
}

// commit returns once r is durable, or has failed to become so.
func (c *committer) commit(r *Record) error {
	w := c.waiters.Get().(*waiter)
	w.record, w.err, w.lead = r, nil, false
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return fmt.Errorf("%w: %w", ErrNotDurable, ErrClosed)
	}
	c.waiting = append(c.waiting, w)
	if c.leading {
		c.mu.Unlock()
		<-w.wake
	} else {
		c.leading = true
		w.lead = true
		c.mu.Unlock()
		// Those whose answers have come already may be about to commit as well.
		runtime.Gosched()
	}
	if w.lead {
		c.lead(w)
	}
	err := w.err
	w.record = nil
	c.waiters.Put(w)
	return err
}

// lead writes the next batch, which self is part of, and hands over.
func (c *committer) lead(self *waiter) {
	c.mu.Lock()
	c.batch = takeBatch(c.batch[:0], &c.waiting)
	c.mu.Unlock()

	aborted := true
	defer func() {
		if aborted {
			nameBlobs(c.batch) // nobody knows how far it came
		}
		for i, w := range c.batch {
			if aborted {
				w.err = fmt.Errorf("%w: %w", ErrNotDurable, errAborted)
			}
			c.batch[i] = nil
			if w != self {
				w.wake <- struct{}{}
			}
		}
		c.mu.Lock()
		if len(c.waiting) > 0 {
			next := c.waiting[0]
			next.lead = true
			next.wake <- struct{}{}
		} else {
			c.leading = false
			c.idle.Broadcast()
		}
		c.mu.Unlock()
	}()
	c.write(c.batch)
	aborted = false
}

// takeBatch moves waiters from the queue to the batch: all of them, or as many as
// fit into maxBatch, and at least one.
func takeBatch(batch []*waiter, queue *[]*waiter) []*waiter {
	size, n := 0, 0
	for _, w := range *queue {
		if p := w.record.Payload; p != nil {
			size += len(p.Head) + len(p.Body) + len(p.Trailer)
		}
		if n > 0 && size > maxBatch {
			break
		}
		n++
	}
	batch = append(batch, (*queue)[:n]...)
	rest := copy(*queue, (*queue)[n:])
	clear((*queue)[rest:])
	*queue = (*queue)[:rest]
	return batch
}

// write makes the batch durable and sets the result of each of its waiters.
//
// A segment whose write or sync failed is never written again (what fsync
// reports after a failure cannot be believed): the same records are sealed anew,
// with the key and the ordinals of a fresh segment, and written there.
func (c *committer) write(batch []*waiter) {
	var errs []error
	for range attempts {
		seg, err := c.series.ready()
		var before int64
		if err == nil {
			before = seg.size
			err = c.writeTo(seg, batch)
		}
		if err == nil {
			c.done(seg, batch)
			return
		}
		if stays := c.series.abandon(); stays && seg != nil && seg.size > before {
			nameBlobs(batch) // a reader may find these records
		}
		c.trouble(err)
		errs = append(errs, err)
	}
	c.failed.Add(uint64(len(batch)))
	err := fmt.Errorf("%w: %w", ErrNotDurable, errors.Join(errs...))
	for _, w := range batch {
		w.err = err
	}
}

// writeTo encodes, writes and syncs: one write, one fdatasync.
func (c *committer) writeTo(seg *segment, batch []*waiter) error {
	buf := c.buf[:0]
	for _, w := range batch {
		buf = appendClear(buf, w.record, true)
		if w.record.Payload == nil {
			buf = append(buf, '}', '\n')
			continue
		}
		var err error
		if buf, err = seg.sealer.appendSealed(buf, w.record); err != nil {
			return err
		}
		buf = append(buf, '}', '\n')
	}
	c.buf = buf
	if err := seg.write(buf); err != nil {
		return err
	}
	return seg.file.Datasync()
}

func (c *committer) done(seg *segment, batch []*waiter) {
	seg.synced = true
	for _, w := range batch {
		seg.span.add(w.record.Time)
	}
	nameBlobs(batch)
	c.records.Add(uint64(len(batch)))
	c.batches.Add(1)
	if cap(c.buf) > maxScratch {
		c.buf = nil
	}
	if s := seg.sealer; s != nil && cap(s.plain) > maxScratch {
		s.plain, s.box = nil, nil
	}
}

// nameBlobs keeps the blobs of a batch from being removed.
func nameBlobs(batch []*waiter) {
	for _, w := range batch {
		if p := w.record.Payload; p != nil && p.Blob != nil {
			p.Blob.named = true
		}
	}
}

// close refuses new commits, waits for those under way and finishes the file.
func (c *committer) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for c.leading {
		c.idle.Wait()
	}
	return c.series.finish()
}
