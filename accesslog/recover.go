package accesslog

import (
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

// recovery is what was found at start.
type recovery struct {
	Files   int   // looked through
	Torn    int   // of them, cut back to whole lines
	Bytes   int64 // moved to the quarantine, from torn files
	Orphans int   // bodies without a record, moved to the quarantine
}

// recoverFiles looks at the files an earlier process may have left unfinished: of
// epochs after recovered, those without an end line. That is one file of each
// class for every process that did not close the store, however much is stored.
// Each is read once, is cut back to its last whole record, and what was cut off
// is in the quarantine first. Nothing is appended to it.
//
// What is whole is synced with sync (durable.Datasync) as well: the process may
// have died between the write and the sync, and what a reader has believed from
// now on must not be gone after a power cut.
//
// A file that cannot be repaired does not keep the edge from starting: readers
// skip what they cannot read. The error then has all there were.
func recoverFiles(data string, files []segmentFile, recovered uint32, sync func(*os.File) error) (recovery, error) {
	var found recovery
	var errs []error
	for _, f := range files {
		if f.epoch <= recovered {
			continue
		}
		if end, err := readEnd(f.path); err == nil && end != nil {
			continue
		}
		found.Files++
		n, err := recoverFile(data, f, sync)
		if err != nil {
			errs = append(errs, fmt.Errorf("repairing %s: %w", f.path, err))
		}
		if n > 0 {
			found.Torn++
			found.Bytes += n
		}
	}
	orphans, err := quarantineOrphans(data)
	found.Orphans = orphans
	return found, errors.Join(append(errs, err)...)
}

// recoverFile returns how many bytes went to the quarantine.
//
//	copy the tail to quarantine/NAME.tmp, fsync, rename, fsync quarantine
//	ftruncate(file) fdatasync
//
// If nothing is torn, there is only the fdatasync.
//
// A crash between the two does the same copy again.
func recoverFile(data string, f segmentFile, sync func(*os.File) error) (int64, error) {
	file, err := os.OpenFile(f.path, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	good, err := lastGood(file)
	if err != nil {
		return 0, err
	}
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	torn := info.Size() - good
	if torn <= 0 {
		return 0, sync(file)
	}
	name := fmt.Sprintf("%s-%s-%s.tail-%d", f.class, f.day, segmentID(f.epoch, f.number), good)
	if err := copyDurably(filepath.Join(data, quarantineName, name), io.NewSectionReader(file, good, torn)); err != nil {
		return 0, err
	}
	if err := file.Truncate(good); err != nil {
		return 0, err
	}
	return torn, sync(file)
}

// lastGood returns where the last line that can be read ends. Lines before it
// that cannot be read stay where they are.
func lastGood(r io.Reader) (int64, error) {
	lines := newLineReader(r, 0)
	var good int64
	var v view
	for {
		line, at, err := lines.next()
		switch {
		case errors.Is(err, io.EOF):
			return good, nil
		case errors.Is(err, errTorn), errors.Is(err, errTooLong):
			continue
		case err != nil:
			return 0, err
		}
		if isControl(line) && json.Valid(line) || v.decode(line) == nil {
			good = at + int64(len(line)) + 1
		}
	}
}

// copyDurably writes a file as durable.WriteFile does, from a reader.
func copyDurably(path string, r io.Reader) error {
	tmp := path + ".tmp"
	_ = os.Remove(tmp) // of an earlier try
	f, err := durable.Create(tmp)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(path))
}

// quarantineOrphans moves the bodies that a killed process was still writing.
// They are sealed, but lack their end.
func quarantineOrphans(data string) (int, error) {
	dir := filepath.Join(data, classCaptured, blobsName)
	list, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	moved := 0
	for _, d := range list {
		if d.IsDir() || !strings.HasSuffix(d.Name(), spillSuffix) {
			continue
		}
		if err := os.Rename(filepath.Join(dir, d.Name()), filepath.Join(data, quarantineName, "blob-"+d.Name())); err != nil {
			return moved, err
		}
		moved++
	}
	if moved == 0 {
		return 0, nil
	}
	return moved, errors.Join(durable.SyncDir(filepath.Join(data, quarantineName)), durable.SyncDir(dir))
}

const endRoom = 512 // an end line is shorter

// readEnd returns the end line of a file, nil if it has none.
func readEnd(path string) (*endInfo, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	var buf [endRoom]byte
	from := max(info.Size()-endRoom, 0)
	n, err := f.ReadAt(buf[:], from)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	tail, whole := bytes.CutSuffix(buf[:n], []byte{'\n'})
	if !whole {
		return nil, nil
	}
	line := tail[bytes.LastIndexByte(tail, '\n')+1:]
	var end segmentEnd
	if !bytes.HasPrefix(line, []byte(`{"end":`)) || json.Unmarshal(line, &end) != nil {
		return nil, nil
	}
	return end.End, nil
}
