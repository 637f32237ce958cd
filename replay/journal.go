package replay

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/holdfast-edge/holdfast/internal/durable"
)

// file is what a journal needs of *os.File; tests put one in its place that
// fails before or after the write or the sync took effect.
type file interface {
	Write(p []byte) (int, error)
	Sync() error // the data is on stable storage once it returns nil
	Close() error
}

// diskFile syncs with fdatasync: the length goes to the disk with the data, the
// times do not.
type diskFile struct{ *os.File }

func (f diskFile) Sync() error { return durable.Datasync(f.File) }

// errClosed is what a closed journal answers.
var errClosed = errors.New("the ledger is closed")

// journal appends whole lines to one file. Lines that arrive while a sync is
// under way share the next one (group commit). It is safe for concurrent use.
//
// A failed write or sync is final: what the kernel kept of the pages is not
// known, so nothing is written after it and every later commit fails the same way.
type journal struct {
	f file

	mu       sync.Mutex // guards what follows
	changed  sync.Cond  // signalled when a batch is done
	buf      []byte     // lines of the batch that is being gathered
	spare    []byte     // the previous batch's memory
	batch    uint64     // number of the batch being gathered
	synced   uint64     // all batches below it are on disk
	flushing bool
	err      error
}

func newJournal(f file) *journal {
	j := &journal{f: f}
	j.changed.L = &j.mu
	return j
}

// commit appends line, which ends with a newline, and returns once it is on
// disk. The line is copied.
func (j *journal) commit(line []byte) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return j.err
	}
	j.buf = append(j.buf, line...)
	for mine := j.batch; j.synced <= mine; {
		switch {
		case j.err != nil:
			return j.err
		case j.flushing:
			j.changed.Wait()
		default:
			j.flush()
		}
	}
	return nil
}

// flush writes the gathered batch. It is called with mu held and gives it up
// while it works.
func (j *journal) flush() {
	out := j.buf
	j.buf, j.spare = j.spare[:0], nil
	j.batch++
	j.flushing = true
	j.mu.Unlock()
	_, err := j.f.Write(out)
	if err == nil {
		err = j.f.Sync()
	}
	j.mu.Lock()
	j.flushing = false
	j.spare = out[:0]
	if err != nil {
		j.err = fmt.Errorf("writing the ledger: %w", err)
	} else {
		j.synced = j.batch
	}
	j.changed.Broadcast()
}

// close waits for what is being written and closes the file.
func (j *journal) close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.flushing {
		j.changed.Wait()
	}
	if errors.Is(j.err, errClosed) {
		return nil
	}
	if j.err == nil {
		j.err = errClosed
	}
	return j.f.Close()
}
