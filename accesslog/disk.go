package accesslog

import (
	"os"
	"path/filepath"
	"sync"

	"github.com/holdfast-edge/holdfast/internal/durable"
)

// disk is the file system as the store's writers use it. An implementation must
// keep these promises once a method returned nil:
//
//   - MkdirAll: the directory and those above it exist and are durable.
//   - Create: a new, empty file that nobody else writes; not durable yet.
//   - Rename and Remove: visible, not durable yet.
//   - SyncDir: every name created, renamed or removed in dir before is durable.
//
// It must be safe for concurrent use.
type disk interface {
	MkdirAll(dir string) error
	Create(path string) (file, error)
	Rename(from, to string) error
	Remove(path string) error
	SyncDir(dir string) error
}

// file is an open file for appending. Write takes all of p or fails; Datasync
// makes what was written durable, and after it failed once nothing written to
// the file since the last success may be relied upon. Used by one goroutine at a
// time.
type file interface {
	Write(p []byte) (int, error)
	Datasync() error
	Close() error
}

// osDisk is the real one.
type osDisk struct{}

func (osDisk) MkdirAll(dir string) error    { return durable.MkdirAll(dir) }
func (osDisk) Rename(from, to string) error { return os.Rename(from, to) }
func (osDisk) Remove(path string) error     { return os.Remove(path) }
func (osDisk) SyncDir(dir string) error     { return durable.SyncDir(dir) }

func (osDisk) Create(path string) (file, error) {
	f, err := durable.Create(path)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

type osFile struct{ *os.File }

func (f osFile) Datasync() error { return durable.Datasync(f.File) }

// dayDirs makes the directories of days below root. A directory that is there
// already may be one whose name another goroutine, or a process before a crash,
// has not made durable yet; so each is synced once by this process before
// anything relies on it.
type dayDirs struct {
	disk disk
	root string

	mu    sync.Mutex
	ready string // the day whose directory is durable
}

// ensure returns the directory of day once it is durable. Safe for concurrent
// use.
//
//	mkdir root/DAY, if it is missing; fsync root
func (d *dayDirs) ensure(day string) (string, error) {
	dir := filepath.Join(d.root, day)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ready == day {
		return dir, nil
	}
	if err := d.disk.MkdirAll(dir); err != nil {
		return "", err
	}
	if err := d.disk.SyncDir(d.root); err != nil {
		return "", err
	}
	d.ready = day
	return dir, nil
}

// forget makes the next ensure begin anew, after something below failed: the
// directory may have been removed.
func (d *dayDirs) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ready = ""
}
