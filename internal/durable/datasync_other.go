//go:build !linux && !nosync

package durable

import "os"

// Syncs says that Datasync does what it says. It is false in a test build only.
const Syncs = true

// Datasync makes the data of a file durable. Where there is no fdatasync it is
// fsync, which does more.
func Datasync(f *os.File) error { return f.Sync() }
