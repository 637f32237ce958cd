package accesslog

import (
	"bytes"
	"errors"
	"io"
)

const (
	lineBuffer = 256 << 10
	maxLine    = 16 << 20 // a longer line is not one of ours
)

var (
	// errTorn marks the rest of a file after its last newline.
	errTorn = errors.New("line without an end")
	// errTooLong marks a line that is longer than any we write.
	errTooLong = errors.New("line too long")
)

// lineReader divides a stream into lines and knows where each began.
type lineReader struct {
	r          io.Reader
	buf        []byte
	start, end int   // what is in buf and was not returned yet
	offset     int64 // of buf[start]
	err        error // of r
}

func newLineReader(r io.Reader, offset int64) *lineReader {
	return &lineReader{r: r, buf: make([]byte, lineBuffer), offset: offset}
}

// next returns the next line without its newline, and where it began. The line
// is valid until the next call. At the end of the file the error is io.EOF; what
// follows the last newline comes with errTorn before that. A line that is too
// long comes as errTooLong, empty.
func (l *lineReader) next() (line []byte, at int64, err error) {
	searched := 0
	for {
		if i := bytes.IndexByte(l.buf[l.start+searched:l.end], '\n'); i >= 0 {
			line = l.buf[l.start : l.start+searched+i]
			at = l.offset
			l.advance(searched + i + 1)
			return line, at, nil
		}
		searched = l.end - l.start
		if l.err != nil {
			return l.rest()
		}
		if searched > maxLine {
			return l.skipLong()
		}
		l.fill()
	}
}

func (l *lineReader) rest() ([]byte, int64, error) {
	if l.start == l.end || !errors.Is(l.err, io.EOF) {
		return nil, l.offset, l.err
	}
	line, at := l.buf[l.start:l.end], l.offset
	l.advance(l.end - l.start)
	return line, at, errTorn
}

// skipLong leaves out everything up to the next newline.
func (l *lineReader) skipLong() ([]byte, int64, error) {
	at := l.offset
	for {
		l.advance(l.end - l.start)
		l.fill()
		if i := bytes.IndexByte(l.buf[l.start:l.end], '\n'); i >= 0 {
			l.advance(i + 1)
			return nil, at, errTooLong
		}
		if l.err != nil {
			l.advance(l.end - l.start)
			return nil, at, errTooLong
		}
	}
}

func (l *lineReader) advance(n int) {
	l.start += n
	l.offset += int64(n)
	if l.start == l.end {
		l.start, l.end = 0, 0
	}
}

// fill reads more, making room first.
func (l *lineReader) fill() {
	if l.start > 0 {
		l.end = copy(l.buf, l.buf[l.start:l.end])
		l.start = 0
	}
	if l.end == len(l.buf) {
		l.buf = append(l.buf, make([]byte, len(l.buf))...)
	}
	n, err := l.r.Read(l.buf[l.end:])
	l.end += n
	l.err = err
}
