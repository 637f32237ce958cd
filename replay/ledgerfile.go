package replay

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/holdfast-edge/holdfast/internal/durable"
)

// maxLine bounds one line of a ledger file in bytes; the longest that is written
// is a plan line of planChunk ids.
const maxLine = 1 << 20

// Damage is a stretch of a ledger file that cannot be read.
type Damage struct {
	File   string
	Offset int64 // of its first byte
	Bytes  int64
	Tail   bool // nothing readable comes after it: what a crash leaves
	Err    error
}

// Error implements error.
func (d Damage) Error() string {
	return fmt.Sprintf("%s: %d bytes at offset %d cannot be read: %v", d.File, d.Bytes, d.Offset, d.Err)
}

// scanLines calls fn with every line of r that is whole, without its newline, and
// the offset behind it. A last line without a newline counts when it reads as
// whole; what does not is given as damage. The line is valid during the call.
func scanLines(r io.Reader, name string, fn func(line []byte, v any, end int64) error) ([]Damage, error) {
	var damage []Damage
	br := bufio.NewReaderSize(r, 256<<10)
	var offset int64
	for {
		line, n, err := readLine(br)
		if n > 0 {
			v, bad := decodeLine(bytes.TrimSuffix(line, []byte("\n")))
			if bad != nil {
				damage = append(damage, Damage{File: name, Offset: offset, Bytes: n, Tail: true, Err: bad})
			} else {
				for i := len(damage) - 1; i >= 0 && damage[i].Tail; i-- {
					damage[i].Tail = false
				}
				if err := fn(line, v, offset+n); err != nil {
					return damage, err
				}
			}
			offset += n
		}
		if errors.Is(err, io.EOF) {
			return damage, nil
		}
		if err != nil {
			return damage, err
		}
	}
}

// readLine reads up to and including a newline. n is the number of bytes read;
// of a line longer than maxLine only the beginning is returned.
func readLine(br *bufio.Reader) (line []byte, n int64, err error) {
	for {
		part, err := br.ReadSlice('\n')
		n += int64(len(part))
		if len(line)+len(part) <= maxLine {
			line = append(line, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, n, err
		}
	}
}

// recoverTail moves what cannot be read at the end of the run file at path to the
// folder quarantine and cuts it off, so that lines can be appended. Nothing is
// ever deleted: the copy is on disk before the file is cut. It reports how many
// bytes were moved. The caller holds the ledger's lock.
func recoverTail(path, quarantine string) (int64, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var last int64
	whole := true
	_, err = scanLines(f, path, func(line []byte, _ any, end int64) error {
		last, whole = end, bytes.HasSuffix(line, []byte("\n"))
		return nil
	})
	if err != nil {
		return 0, err
	}
	if !whole { // complete but for its newline
		if _, err := f.WriteAt([]byte("\n"), last); err != nil {
			return 0, err
		}
		return 0, durable.Datasync(f)
	}
	info, err := f.Stat()
	if err != nil || info.Size() == last {
		return 0, err
	}
	tail := io.NewSectionReader(f, last, info.Size()-last)
	name := fmt.Sprintf("ledger-%s-%d", strings.TrimSuffix(filepath.Base(path), runSuffix), last)
	if err := keepAside(quarantine, name, tail); err != nil {
		return 0, fmt.Errorf("setting aside the damaged end of %s: %w", path, err)
	}
	if err := f.Truncate(last); err != nil {
		return 0, err
	}
	return info.Size() - last, f.Sync()
}

// keepAside stores what r holds as a new file in dir, durably.
func keepAside(dir, name string, r io.Reader) error {
	if err := durable.MkdirAll(dir); err != nil {
		return err
	}
	f, err := createNew(dir, name, "")
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.Copy(f, r); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return durable.SyncDir(dir)
}

// createNew makes a file that was not there before: name+suffix, else name-2…
func createNew(dir, name, suffix string) (*os.File, error) {
	for n := 1; ; n++ {
		try := name
		if n > 1 {
			try = fmt.Sprintf("%s-%d", name, n)
		}
		f, err := durable.Create(filepath.Join(dir, try+suffix))
		if errors.Is(err, os.ErrExist) && n < 10_000 {
			continue
		}
		return f, err
	}
}

// LockedError says that another replay holds the ledger.
type LockedError struct{ PID int } // 0 if it cannot be told

// Error implements error.
func (e *LockedError) Error() string {
	if e.PID == 0 {
		return "another replay is at work on this data directory"
	}
	return fmt.Sprintf("another replay is at work on this data directory: process %d", e.PID)
}

// Hint says what to do about it.
func (e *LockedError) Hint() string {
	return "wait for it or stop it (it finishes what is in flight); replay status shows how far it is"
}

// lockLedger takes the lock on path, which ends with the process at the latest.
func lockLedger(path string) (*durable.Lock, error) {
	lock, err := durable.TryLock(path)
	var held *durable.LockedError
	if errors.As(err, &held) {
		return nil, &LockedError{PID: held.PID}
	}
	return lock, err
}
