package replay

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-edge/holdfast/accesslog"
	"github.com/holdfast-edge/holdfast/internal/durable"
)

const (
	runSuffix = ".jsonl"
	version   = 1
	planChunk = 512 // ids in one plan line
)

// ErrNoRun is returned for a run the ledger does not know.
var ErrNoRun = errors.New("no such run")

// ErrDelivered is what a run answers to an intent for a record that was
// delivered: the last guard against sending it again.
var ErrDelivered = errors.New("already delivered")

// RunInfo is a run as the ledger keeps it.
type RunInfo struct {
	Header
	Begun   bool      // the plan is complete; without it nothing was sent
	Resumed int       // how often it was continued
	Ended   time.Time // of the last session; zero if it was cut off
	Reason  string    // how the last session ended
	path    string
}

// Ledger is the durable list of deliveries: data/ledger, one file per run. It is
// either read (ReadLedger: by any number of processes, beside a writer) or
// written (OpenLedger: by one). It is safe for concurrent use.
type Ledger struct {
	dir     string
	disk    disk
	lock    *durable.Lock // nil when it is only read
	damage  []Damage
	session int // the highest one

	mu    sync.Mutex // guards what follows
	index *index
	runs  []*RunInfo // in the order they were started
}

// ReadLedger reads the ledger under the data directory without taking its lock
// and without changing anything. A ledger that is not there yet is empty.
func ReadLedger(data string) (*Ledger, error) {
	l := &Ledger{dir: filepath.Join(data, "ledger"), index: newIndex()}
	if err := l.load(); err != nil {
		return nil, fmt.Errorf("reading the ledger: %w", err)
	}
	return l, nil
}

// OpenLedger takes the ledger under the data directory for writing, makes it if
// need be, and repairs what a crash left: a torn end of a file goes to
// data/quarantine. Error: *LockedError when another process has it. Close gives
// it back.
func OpenLedger(data string) (*Ledger, error) { return openOn(data, realDisk()) }

func openOn(data string, d disk) (*Ledger, error) {
	l := &Ledger{dir: filepath.Join(data, "ledger"), disk: d, index: newIndex()}
	if err := durable.MkdirAll(l.dir); err != nil {
		return nil, fmt.Errorf("opening the ledger: %w", err)
	}
	var err error
	if l.lock, err = lockLedger(filepath.Join(l.dir, "lock")); err != nil {
		return nil, err
	}
	if err = l.recover(filepath.Join(data, "quarantine")); err == nil {
		err = l.load()
	}
	// The names of files are read as well, and a process that was cut off may not
	// have come to syncing them.
	for _, dir := range []string{l.dir, data} {
		if err == nil {
			err = l.disk.syncDir(dir)
		}
	}
	if err != nil {
		l.lock.Unlock()
		return nil, fmt.Errorf("opening the ledger: %w", err)
	}
	return l, nil
}

// Close gives the lock back. Runs that were begun are to be closed before.
func (l *Ledger) Close() error {
	if l.lock == nil {
		return nil
	}
	return l.lock.Unlock()
}

// Of is the standing of one record.
func (l *Ledger) Of(id accesslog.ID) Standing {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.index.of(id)
}

// Damage lists what could not be read.
func (l *Ledger) Damage() []Damage { return l.damage }

// Runs lists the runs, oldest first.
func (l *Ledger) Runs() []RunInfo {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]RunInfo, len(l.runs))
	for i, r := range l.runs {
		out[i] = *r
	}
	return out
}

// Run gives one run by its name, or the last one for "".
func (l *Ledger) Run(name string) (RunInfo, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, err := l.find(name)
	if err != nil {
		return RunInfo{}, err
	}
	return *r, nil
}

// find is called with mu held.
func (l *Ledger) find(name string) (*RunInfo, error) {
	if name == "" && len(l.runs) > 0 {
		return l.runs[len(l.runs)-1], nil
	}
	for _, r := range l.runs {
		if r.Run == name {
			return r, nil
		}
	}
	return nil, fmt.Errorf("%w: %q", ErrNoRun, name)
}

// Planned reads the ids a run was begun with, in the order they were to be sent.
func (l *Ledger) Planned(name string) ([]accesslog.ID, error) {
	info, err := l.Run(name)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(info.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	ids := make([]accesslog.ID, 0, max(0, min(info.Count, 1<<24)))
	stop := errors.New("begun")
	_, err = scanLines(f, info.path, func(_ []byte, v any, _ int64) error {
		switch v := v.(type) {
		case *beginLine:
			return stop
		case *planLine:
			for _, text := range v.Plan {
				id, err := accesslog.ParseID(text)
				if err != nil {
					return fmt.Errorf("%s: %w", info.path, err)
				}
				ids = append(ids, id)
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, stop) {
		return nil, err
	}
	if info.Begun && len(ids) != info.Count {
		return nil, fmt.Errorf("%s: it was begun with %d requests, and %d can be read", info.path, info.Count, len(ids))
	}
	return ids, nil
}

func (l *Ledger) files() ([]string, error) {
	entries, err := os.ReadDir(l.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), runSuffix) && e.Type().IsRegular() {
			out = append(out, filepath.Join(l.dir, e.Name()))
		}
	}
	return out, nil
}

func (l *Ledger) recover(quarantine string) error {
	files, err := l.files()
	if err != nil {
		return err
	}
	for _, path := range files {
		if _, err := l.disk.recoverTail(path, quarantine); err != nil {
			return err
		}
	}
	return nil
}

// session is the part of a run's file that one process wrote. A run that was
// continued has several, and runs may have been started in between; the lock
// keeps them apart in time, and their numbers say in which order they were.
type session struct {
	number     int
	run        *RunInfo
	generation string
	from, to   int64
}

func (l *Ledger) load() error {
	files, err := l.files()
	if err != nil {
		return err
	}
	var sessions []session
	for _, path := range files {
		more, err := l.outline(path)
		if err != nil {
			return err
		}
		sessions = append(sessions, more...)
	}
	slices.SortStableFunc(sessions, func(a, b session) int { return cmp.Compare(a.number, b.number) })
	slices.SortStableFunc(l.runs, func(a, b *RunInfo) int { return cmp.Compare(a.Session, b.Session) })
	for _, s := range sessions {
		l.session = max(l.session, s.number)
		if err := l.replay(s); err != nil {
			return err
		}
	}
	return nil
}

// outline finds the sessions of one file, without reading what lies in them.
func (l *Ledger) outline(path string) ([]session, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info := &RunInfo{path: path}
	var out []session
	var offset int64
	br := bufio.NewReaderSize(f, 256<<10)
	for {
		line, n, err := readLine(br)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		start := offset
		offset += n
		if !bytes.HasPrefix(line, []byte(`{"id":`)) && !bytes.HasPrefix(line, []byte(`{"plan":`)) && n > 0 {
			v, _ := decodeLine(bytes.TrimSuffix(line, []byte("\n"))) // damage is found when the session is read
			switch v := v.(type) {
			case *Header:
				info.Header = *v
				out = append(out, session{number: v.Session, run: info, generation: v.Generation, from: start})
			case *beginLine:
				info.Begun = true
			case *resumeLine:
				info.Resumed++
				info.Ended, info.Reason = time.Time{}, ""
				out = append(out, session{number: v.Session, run: info, generation: v.Generation, from: start})
			case *endLine:
				info.Ended, info.Reason = v.Ended, v.Reason
			}
		}
		if err != nil {
			break
		}
	}
	if info.Run == "" { // the header never reached the disk, so nothing was sent
		if offset > 0 {
			l.damage = append(l.damage, Damage{File: path, Bytes: offset, Tail: true, Err: errors.New("the first line is no header")})
		}
		return nil, nil
	}
	if info.Version != version {
		return nil, wrongVersion(path, info.Version)
	}
	for i := range out {
		out[i].to = offset
		if i+1 < len(out) {
			out[i].to = out[i+1].from
		}
	}
	l.runs = append(l.runs, info)
	return out, nil
}

// replay takes the lines of one session into the index.
func (l *Ledger) replay(s session) error {
	f, err := os.Open(s.run.path)
	if err != nil {
		return err
	}
	defer f.Close()
	damage, err := scanLines(io.NewSectionReader(f, s.from, s.to-s.from), s.run.path, func(_ []byte, v any, _ int64) error {
		if e, ok := v.(*Delivery); ok {
			l.index.apply(s.run.Run, s.generation, e)
		}
		return nil
	})
	for _, d := range damage {
		d.Offset += s.from
		l.damage = append(l.damage, d)
	}
	return err
}
