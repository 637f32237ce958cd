package accesslog

import (
	"strings"
	"sync"
	"syscall"
	"testing"
)

// fault says what goes wrong at one call: before its effect (nothing happens),
// after it (it happens and is reported as failed), or, for a write, in the
// middle.
type fault struct {
	when  string // "before", "after", "short"
	err   error
	match string // part of the path; "" is any
}

// faultDisk is the real disk with faults. It checks by itself that nothing is
// written to a file after a write or sync of it failed.
type faultDisk struct {
	t testing.TB
	disk

	mu     sync.Mutex
	rules  map[string][]fault // by operation; one fault per call, in order; nil err is no fault
	always map[string]fault
	calls  map[string]int
	trace  []string      // every call; writes in a row are one
	stall  chan struct{} // if set, Write waits until it is closed
}

func newFaultDisk(t testing.TB) *faultDisk {
	return &faultDisk{t: t, disk: osDisk{}, rules: map[string][]fault{}, always: map[string]fault{}, calls: map[string]int{}}
}

// next plans faults for the coming calls of op.
func (d *faultDisk) next(op string, faults ...fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rules[op] = append(d.rules[op], faults...)
}

// set makes every call of op fail; a zero fault ends that.
func (d *faultDisk) set(op string, f fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.always[op] = f
}

func (d *faultDisk) count(op string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls[op]
}

func (d *faultDisk) fault(op, path string) fault {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls[op]++
	if call := op + " " + path; op != "write" || len(d.trace) == 0 || d.trace[len(d.trace)-1] != call {
		d.trace = append(d.trace, call)
	}
	if f := d.always[op]; f.err != nil && strings.Contains(path, f.match) {
		return f
	}
	if list := d.rules[op]; len(list) > 0 && strings.Contains(path, list[0].match) {
		d.rules[op] = list[1:]
		return list[0]
	}
	return fault{}
}

func (d *faultDisk) do(op, path string, effect func() error) error {
	f := d.fault(op, path)
	if f.err != nil && f.when != "after" {
		return f.err
	}
	if err := effect(); err != nil {
		return err
	}
	return f.err
}

func (d *faultDisk) MkdirAll(dir string) error {
	return d.do("mkdir", dir, func() error { return d.disk.MkdirAll(dir) })
}

func (d *faultDisk) Rename(from, to string) error {
	return d.do("rename", from, func() error { return d.disk.Rename(from, to) })
}

func (d *faultDisk) Remove(path string) error {
	return d.do("remove", path, func() error { return d.disk.Remove(path) })
}

func (d *faultDisk) SyncDir(dir string) error {
	return d.do("syncdir", dir, func() error { return d.disk.SyncDir(dir) })
}

func (d *faultDisk) Create(path string) (file, error) {
	var opened file
	err := d.do("create", path, func() (err error) {
		opened, err = d.disk.Create(path)
		return err
	})
	if err != nil {
		if opened != nil {
			opened.Close()
		}
		return nil, err
	}
	return &faultFile{disk: d, file: opened, path: path}, nil
}

type faultFile struct {
	disk   *faultDisk
	file   file
	path   string
	failed bool
}

func (f *faultFile) Write(p []byte) (int, error) {
	if f.failed {
		f.disk.t.Errorf("%s: written after it failed", f.path)
	}
	f.disk.mu.Lock()
	stall := f.disk.stall
	f.disk.mu.Unlock()
	if stall != nil {
		<-stall
	}
	switch r := f.disk.fault("write", f.path); {
	case r.when == "short":
		f.failed = true
		n, _ := f.file.Write(p[:len(p)/2])
		return n, r.err // nil: a short write that says nothing
	case r.err != nil && r.when == "before":
		f.failed = true
		return 0, r.err
	case r.err != nil:
		f.failed = true
		n, _ := f.file.Write(p)
		return n, r.err
	}
	return f.file.Write(p)
}

func (f *faultFile) Datasync() error {
	if f.failed {
		f.disk.t.Errorf("%s: synced after it failed", f.path)
	}
	err := f.disk.do("sync", f.path, f.file.Datasync)
	f.failed = err != nil
	return err
}

func (f *faultFile) Close() error {
	err := f.disk.do("close", f.path, func() error { return nil })
	if real := f.file.Close(); err == nil {
		err = real
	}
	return err
}

// faultCases are the ways in which one call can fail.
func faultCases() map[string]fault {
	return map[string]fault{
		"EIO before":    {when: "before", err: syscall.EIO},
		"EIO after":     {when: "after", err: syscall.EIO},
		"ENOSPC before": {when: "before", err: syscall.ENOSPC},
		"ENOSPC short":  {when: "short", err: syscall.ENOSPC},
		"EROFS before":  {when: "before", err: syscall.EROFS},
	}
}
