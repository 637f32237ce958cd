//go:build !linux

package durable

import "os"

// Datasync makes the data of a file durable. Where there is no fdatasync it is
// fsync, which does more.
func Datasync(f *os.File) error { return f.Sync() }
