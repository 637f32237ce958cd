package accesslog

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"time"

	"filippo.io/age"
)

const (
	formatVersion  = 1
	dayLayout      = "2006-01-02"
	defaultSegment = 64 << 20 // bytes, after which a file is finished
)

// The two classes of files, named as their directories are.
const (
	classAccess   = "access"
	classCaptured = "captured"
)

// segmentHeader is the first line of every file.
type segmentHeader struct {
	Segment *segmentInfo `json:"segment"`
}

type segmentInfo struct {
	Format  int       `json:"format"`
	Class   string    `json:"class"`
	ID      string    `json:"id"`
	Epoch   uint32    `json:"epoch"`
	Created time.Time `json:"created"`
	// Recipients are the public keys that Key, an age file with the segment's
	// data key, is wrapped to. Access files have neither.
	Recipients []string `json:"recipients,omitempty"`
	Key        []byte   `json:"key,omitempty"`
}

// segmentEnd is the last line of a file that was finished in good order. First
// and Last are the earliest and the latest arrival in it.
type segmentEnd struct {
	End *endInfo `json:"end"`
}

type endInfo struct {
	Records int64      `json:"records"`
	First   *time.Time `json:"first,omitempty"`
	Last    *time.Time `json:"last,omitempty"`
}

// span is how many records there are and between which arrivals.
type span struct {
	records     int64
	first, last time.Time
}

// add takes the arrival t by the clock on the wall, which is what the records
// say: by their monotonic readings two times keep their order when that clock is
// set back, and first could end up after last.
func (s *span) add(t time.Time) {
	t = t.Round(0)
	if s.records == 0 || t.Before(s.first) {
		s.first = t
	}
	if s.records == 0 || t.After(s.last) {
		s.last = t
	}
	s.records++
}

func (s *span) merge(o span) {
	if o.records == 0 {
		return
	}
	n := s.records
	s.add(o.first)
	s.add(o.last)
	s.records = n + o.records
}

// segment is one file being written.
type segment struct {
	path   string
	day    string
	file   file
	size   int64
	span   span
	sealer *sealer // captured class only
	synced bool    // something in it was made durable and reported so
}

// write appends p. After an error the segment is to be abandoned.
func (s *segment) write(p []byte) error {
	n, err := s.file.Write(p)
	s.size += int64(n)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return err
}

// series is the succession of files of one class that one process writes. At
// most one is open. It belongs to one goroutine at a time.
//
// A file that failed once is abandoned: nothing is written to it any more, not
// even an end line, and the next file gets the next number and a new key.
type series struct {
	disk       disk
	days       *dayDirs // data/access or data/captured
	class      string
	epoch      uint32
	maxSize    int64
	now        func() time.Time
	recipients []*age.X25519Recipient // captured class only
	sealed     func(segment string, ordinal uint64)

	number  uint32
	current *segment
}

// ready returns the open segment, after finishing it and opening a new one if
// the day (UTC) has changed or it is full. A new segment is durable, its name
// and header line included, before ready returns it.
func (s *series) ready() (*segment, error) {
	now := s.now().UTC()
	day := now.Format(dayLayout)
	if c := s.current; c != nil {
		if !s.full(day) {
			return c, nil
		}
		// All that was acknowledged is durable already. A file without its end
		// line is only read with more care.
		_ = s.finish()
	}
	opened, err := s.open(now, day)
	if err != nil {
		s.days.forget()
		return nil, fmt.Errorf("opening a new %s file: %w", s.class, err)
	}
	s.current = opened
	return opened, nil
}

// due reports whether the next call of ready finishes the open segment.
func (s *series) due() bool {
	return s.current != nil && s.full(s.now().UTC().Format(dayLayout))
}

func (s *series) full(day string) bool {
	return s.current.day != day || s.current.size >= s.maxSize
}

// open makes a file:
//
//	mkdir data/CLASS/DAY, fsync data/CLASS (the first time)
//	open(O_EXCL) write(header) fdatasync fsync data/CLASS/DAY
func (s *series) open(now time.Time, day string) (*segment, error) {
	dir, err := s.days.ensure(day)
	if err != nil {
		return nil, err
	}
	s.number++
	id := segmentID(s.epoch, s.number)
	info := &segmentInfo{Format: formatVersion, Class: s.class, ID: id, Epoch: s.epoch, Created: now}
	seg := &segment{path: filepath.Join(dir, id+".jsonl"), day: day}
	if s.recipients != nil {
		if seg.sealer, info.Key, err = newSealer(id, s.recipients); err != nil {
			return nil, err
		}
		seg.sealer.used = s.sealed
		for _, r := range s.recipients {
			info.Recipients = append(info.Recipients, r.String())
		}
	}
	header, err := json.Marshal(segmentHeader{info})
	if err != nil {
		return nil, err
	}
	if seg.file, err = s.disk.Create(seg.path); err != nil {
		if !errors.Is(err, fs.ErrExist) {
			_ = s.disk.Remove(seg.path) // should it have come to be all the same
		}
		return nil, err
	}
	err = seg.write(append(header, '\n'))
	if err == nil {
		err = seg.file.Datasync()
	}
	if err == nil {
		err = s.disk.SyncDir(dir)
	}
	if err != nil {
		_ = s.discard(seg) // it holds no record
		return nil, err
	}
	return seg, nil
}

// abandon gives up the open segment after a failed write or sync. If nothing in
// it was ever reported durable, the file is removed: what it holds is written
// again elsewhere or has been reported as lost, and a full disk must not fill
// with the remains of attempts. It reports whether the file stays.
func (s *series) abandon() (stays bool) {
	seg := s.current
	s.current = nil
	if seg == nil {
		return false
	}
	if seg.synced {
		_ = seg.file.Close() // nothing in it depends on the result
		return true
	}
	return s.discard(seg) != nil
}

// discard removes a file. The error is that of the removal.
func (s *series) discard(seg *segment) error {
	_ = seg.file.Close()
	return s.disk.Remove(seg.path)
}

// finish closes the open segment with an end line. All that is in it must be
// durable before.
func (s *series) finish() error {
	seg := s.current
	s.current = nil
	if seg == nil {
		return nil
	}
	end := &endInfo{Records: seg.span.records}
	if end.Records > 0 {
		first, last := seg.span.first.UTC(), seg.span.last.UTC()
		end.First, end.Last = &first, &last
	}
	line, err := json.Marshal(segmentEnd{end})
	if err == nil {
		err = seg.write(append(line, '\n'))
	}
	if err == nil {
		err = seg.file.Datasync()
	}
	return errors.Join(err, seg.file.Close())
}

// segmentID names a segment within a data directory: no process repeats an
// epoch, no epoch a number.
func segmentID(epoch, number uint32) string { return fmt.Sprintf("%06d-%06d", epoch, number) }

// parseSegmentHeader reads a first line.
func parseSegmentHeader(line []byte) (*segmentInfo, error) {
	var h segmentHeader
	if err := json.Unmarshal(line, &h); err != nil {
		return nil, err
	}
	if h.Segment == nil {
		return nil, errors.New("no segment in the first line")
	}
	if h.Segment.Format != formatVersion {
		return nil, fmt.Errorf("format %d; this program reads format %d", h.Segment.Format, formatVersion)
	}
	return h.Segment, nil
}
