// Package durable does the few file operations whose result must survive a
// power cut, and says what each of them costs.
//
// What POSIX and Linux promise, and what therefore has to be done:
//
//   - fsync(2): "Calling fsync() does not necessarily ensure that the entry in
//     the directory containing the file has also reached disk. For that an
//     explicit fsync() on a file descriptor for the directory is also needed."
//   - rename(2) is atomic for whoever looks at the name, but neither the new
//     name nor the new contents are on disk by it: the file is synced before,
//     the directory after (Pillai et al., "All File Systems Are Not Created
//     Equal", OSDI 2014).
//   - A failed fsync leaves the pages clean and the data lost on Linux: calling
//     it again reports success (Rebello et al., "Can Applications Recover from
//     fsync Failures?", ATC 2020). Nothing here calls it twice; who gets an
//     error has to write somewhere else.
//
// Every file is made with mode 0600 and every directory with 0700, whatever the
// umask is.
package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	fileMode fs.FileMode = 0o600
	dirMode  fs.FileMode = 0o700
)

// SyncDir makes the entries of a directory durable: names that were created,
// renamed or removed in it before the call.
//
//	open(dir, O_RDONLY) fsync close
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	return errors.Join(err, d.Close())
}

// MkdirAll makes a directory and the missing ones above it, each durable once it
// returns. What exists already is left as it is.
//
//	for each missing one, from the top:
//	  mkdir(dir, 0700) chmod(dir, 0700) open(parent) fsync close
//
// chmod is there for a umask that takes the owner's own bits away.
func MkdirAll(dir string) error {
	dir = filepath.Clean(dir)
	if info, err := os.Stat(dir); err == nil {
		if !info.IsDir() {
			return &fs.PathError{Op: "mkdir", Path: dir, Err: errors.New("exists and is not a directory")}
		}
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(dir)
	if parent != dir {
		if err := MkdirAll(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := os.Chmod(dir, dirMode); err != nil {
		return err
	}
	return SyncDir(parent)
}

// Create makes a new file for appending and fails if the name is taken. Neither
// the file nor its name is durable yet: the caller writes, syncs the file, then
// calls SyncDir.
//
//	open(path, O_WRONLY|O_APPEND|O_CREAT|O_EXCL, 0600) fchmod(0600)
func Create(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return nil, err
	}
	if err := f.Chmod(fileMode); err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(path))
	}
	return f, nil
}

// WriteFile replaces the contents of a file. After a crash at any point the name
// has the old contents or the new, whole; once WriteFile returned nil, the new.
// Two calls for one name must not run at once.
//
//	open(path.tmp, O_WRONLY|O_CREAT|O_TRUNC, 0600) fchmod(0600)
//	write fsync close rename(path.tmp, path) open(dir) fsync close
//
// If the last step fails, the new contents are visible but may not survive a
// power cut, and the error says so by being there.
func WriteFile(path string, data []byte) error {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return err
	}
	err = func() error {
		if err := f.Chmod(fileMode); err != nil {
			return err
		}
		if _, err := f.Write(data); err != nil {
			return err
		}
		return f.Sync()
	}()
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(fmt.Errorf("writing %s: %w", path, err), os.Remove(tmp))
	}
	if err := os.Rename(tmp, path); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return SyncDir(filepath.Dir(path))
}
