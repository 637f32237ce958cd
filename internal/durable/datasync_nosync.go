//go:build nosync

package durable

import "os"

// Syncs says that Datasync does nothing: this is a test build, for measuring what
// the disk costs (bench/). The edge says so, loudly, when it starts.
const Syncs = false

// Datasync does nothing.
func Datasync(*os.File) error { return nil }
