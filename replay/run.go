package replay

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/accesslog"
)

// Run writes one run's deliveries into the ledger. Its methods are safe for
// concurrent use and share their syncs.
type Run struct {
	ledger     *Ledger
	journal    *journal
	name       string
	generation string
}

// Name is the run's name: what --resume takes.
func (r *Run) Name() string { return r.name }

// Begin starts a run that is to send ids, in this order. h.Started gives it its
// name; h.Run, Version, Session and Count are filled in. The plan is on disk
// once Begin returns.
func (l *Ledger) Begin(h Header, ids []accesslog.ID) (*Run, error) {
	if l.lock == nil {
		return nil, errors.New("the ledger was opened for reading")
	}
	f, err := createNew(l.dir, h.Started.Format("r-20060102-1504"), runSuffix)
	if err != nil {
		return nil, fmt.Errorf("starting a run: %w", err)
	}
	r, err := l.begin(f, h, ids)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("starting a run: %w", err)
	}
	return r, nil
}

func (l *Ledger) begin(f *os.File, h Header, ids []accesslog.ID) (*Run, error) {
	l.session++
	h.Run = strings.TrimSuffix(filepath.Base(f.Name()), runSuffix)
	h.Version, h.Session, h.Count = version, l.session, len(ids)
	w := bufio.NewWriterSize(f, 64<<10)
	if err := writeLine(w, h); err != nil {
		return nil, err
	}
	chunk := make([]string, 0, planChunk)
	for i, id := range ids {
		chunk = append(chunk, id.String())
		if len(chunk) == planChunk || i == len(ids)-1 {
			if err := writeLine(w, planLine{Plan: chunk}); err != nil {
				return nil, err
			}
			chunk = chunk[:0]
		}
	}
	if err := w.Flush(); err != nil {
		return nil, err
	}
	r := &Run{ledger: l, journal: newJournal(diskFile{f}), name: h.Run, generation: h.Generation}
	if err := r.write(beginLine{Begin: h.Started}); err != nil { // syncs all of the above
		return nil, err
	}
	if err := l.disk.syncDir(l.dir); err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.runs = append(l.runs, &RunInfo{Header: h, Begun: true, path: f.Name()})
	l.mu.Unlock()
	return r, nil
}

// Resume continues a run under the configuration whose main file and generation
// are given. Planned says what it was begun with, Of what is still to be done.
func (l *Ledger) Resume(name, config, generation string, now time.Time) (*Run, error) {
	if l.lock == nil {
		return nil, errors.New("the ledger was opened for reading")
	}
	info, err := l.Run(name)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(info.path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return nil, fmt.Errorf("continuing %s: %w", info.Run, err)
	}
	r := &Run{ledger: l, journal: newJournal(diskFile{f}), name: info.Run, generation: generation}
	l.session++
	if err := r.write(resumeLine{Resumed: now, Session: l.session, Config: config, Generation: generation}); err != nil {
		f.Close()
		return nil, fmt.Errorf("continuing %s: %w", info.Run, err)
	}
	return r, nil
}

// Of is where a record stands, all earlier runs included.
func (r *Run) Of(id accesslog.ID) Standing { return r.ledger.Of(id) }

// Intent records that e's attempt is about to be sent. Once it returns nil the
// intent is on disk. Error: ErrDelivered if some run delivered the record.
func (r *Run) Intent(e Delivery) error {
	e.State = Attempting
	if r.ledger.Of(e.ID).State == Delivered {
		return fmt.Errorf("%w: %s", ErrDelivered, e.ID)
	}
	return r.record(&e)
}

// Result records how an attempt ended. Once it returns nil the result is on disk.
func (r *Run) Result(e Delivery) error { return r.record(&e) }

func (r *Run) record(e *Delivery) error {
	line, err := e.encode()
	if err != nil {
		return err
	}
	if err := r.journal.commit(line); err != nil {
		return err
	}
	r.ledger.mu.Lock()
	r.ledger.index.apply(r.name, r.generation, e)
	r.ledger.mu.Unlock()
	return nil
}

// Close writes how the session ended and closes the file.
func (r *Run) Close(now time.Time, reason string) error {
	return errors.Join(r.write(endLine{Ended: now, Reason: reason}), r.journal.close())
}

func (r *Run) write(v any) error {
	line, err := encodeLine(v)
	if err != nil {
		return err
	}
	return r.journal.commit(line)
}

func writeLine(w *bufio.Writer, v any) error {
	line, err := encodeLine(v)
	if err != nil {
		return err
	}
	_, err = w.Write(line)
	return err
}
