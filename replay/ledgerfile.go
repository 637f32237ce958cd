package replay

import (
	"bufio"
	"bytes"
	"encoding/json"
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

// checkVersion looks at the first line of a run's file. A file of another format
// is not touched: what looks torn there may be whole.
func checkVersion(f io.ReaderAt, path string) error {
	line, _, err := readLine(bufio.NewReader(io.NewSectionReader(f, 0, maxLine)))
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	var header struct{ Version int }
	if json.Unmarshal(line, &header) == nil && header.Version > version {
		return wrongVersion(path, header.Version)
	}
	return nil
}

func wrongVersion(path string, found int) error {
	return fmt.Errorf("%s: format version %d, this program knows %d", path, found, version)
}

// ending is how a run's file ends.
type ending struct {
	at       int64 // behind the last line that stays; what follows is torn
	bare     bool  // that line lacks its newline
	finished bool  // it says that the process came to its end
}

// findEnd finds what a crash left at the end of a run's file: bytes without a newline
// that are no line, and lines with NUL, which the file system puts where data was
// never written. Any other line that has its newline was written as it is, whether
// this program understands it or not.
func findEnd(f *os.File) (ending, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return ending{}, err
	}
	var end ending
	var offset int64
	br := bufio.NewReaderSize(f, 256<<10)
	for {
		line, n, err := readLine(br)
		offset += n
		text, newline := bytes.CutSuffix(line, []byte("\n"))
		if int64(len(line)) < n { // too long to be held
			newline = !errors.Is(err, io.EOF)
		}
		v, bad := decodeLine(text)
		if bad == nil || newline && bytes.IndexByte(text, 0) < 0 {
			_, finished := v.(*endLine)
			end = ending{at: offset, bare: !newline, finished: finished}
		}
		if errors.Is(err, io.EOF) {
			return end, nil
		}
		if err != nil {
			return ending{}, err
		}
	}
}

// disk is what the ledger asks of the file system to make things durable; tests put
// something in its place that takes notes.
type disk struct {
	datasync func(*os.File) error
	syncDir  func(string) error
}

func realDisk() disk { return disk{durable.Datasync, durable.SyncDir} }

// recoverTail moves what cannot be read at the end of the run file at path to the
// folder quarantine and cuts it off, so that lines can be appended. Nothing is
// ever deleted: the copy is on disk before the file is cut. It reports how many
// bytes were moved. All that stays is on disk when it returns. The caller holds
// the ledger's lock.
func (d disk) recoverTail(path, quarantine string) (int64, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if err := checkVersion(f, path); err != nil {
		return 0, err
	}
	end, err := findEnd(f)
	if err != nil {
		return 0, err
	}
	last := end.at
	if end.bare { // complete but for its newline
		if _, err := f.WriteAt([]byte("\n"), last); err != nil {
			return 0, err
		}
		return 0, d.datasync(f)
	}
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if info.Size() == last {
		if end.finished {
			return 0, nil
		}
		// What the last process wrote may be in memory only. It is believed from
		// here on, so it has to be on the disk.
		return 0, d.datasync(f)
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
