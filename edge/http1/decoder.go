package http1

import (
	"io"

	"github.com/holdfast-edge/holdfast/edge/exchange"
)

// Bounds of chunked framing, in bytes.
const (
	maxChunkLine  = 256     // one chunk-size line with its extensions
	maxExtensions = 8 << 10 // all extensions of one body
	maxTrailers   = 8 << 10 // the trailer section
)

type bodyKind uint8

const (
	bodyNone    bodyKind = iota
	bodyLength           // Content-Length
	bodyChunked          // Transfer-Encoding: chunked
	bodyToEOF            // an answer that ends with its connection
)

// Decoder reads one body out of a connection's buffer (RFC 9112, sections 6 and 7).
// After io.EOF the buffer stands at the next message. Errors: *exchange.Malformed for
// framing that is wrong, io.ErrUnexpectedEOF for a body cut short, else what the
// connection said. Not safe for concurrent use.
type Decoder struct {
	buf      *Buffer
	kind     bodyKind
	remain   int64 // bytes left of the body, or of the current chunk
	inChunk  bool  // chunked: inside chunk data (or before its CR LF)
	ext      int   // bytes of extensions seen
	raw      []byte
	trailers []exchange.Field
	err      error // sticky; io.EOF at the end
}

func (d *Decoder) reset(buf *Buffer, kind bodyKind, length int64) {
	*d = Decoder{buf: buf, kind: kind, raw: d.raw[:0], trailers: d.trailers[:0]}
	if kind == bodyLength {
		d.remain = length
	}
	if kind == bodyNone || kind == bodyLength && length == 0 {
		d.err = io.EOF
	}
}

// Done reports whether the body was read to its end.
func (d *Decoder) Done() bool { return d.err == io.EOF }

// Trailers are valid after io.EOF, until the next message.
func (d *Decoder) Trailers() []exchange.Field { return d.trailers }

// Next returns the next bytes of the body, at least one, in place: they are valid
// until the next call. The end may come together with the last bytes, as io.EOF.
func (d *Decoder) Next() ([]byte, error) {
	for d.err == nil {
		if d.kind == bodyChunked && !d.inChunk {
			d.err = d.chunkHead()
			continue
		}
		p := d.buf.Unread()
		if len(p) == 0 {
			if err := d.fill(); err != nil {
				d.err = err
				break
			}
			p = d.buf.Unread()
		}
		if d.kind != bodyToEOF {
			if d.remain == 0 { // only between chunk data and its CR LF
				d.err = d.chunkEnd()
				continue
			}
			if int64(len(p)) > d.remain {
				p = p[:d.remain]
			}
			d.remain -= int64(len(p))
		}
		d.buf.Consume(len(p))
		d.settle()
		return p, d.err
	}
	return nil, d.err
}

// settle finds the end of the body without touching the connection: at once for a
// known length, and for chunked where the last chunk is in the buffer.
func (d *Decoder) settle() {
	switch d.kind {
	case bodyLength:
		if d.remain == 0 {
			d.err = io.EOF
		}
	case bodyChunked:
		const last = "\r\n0\r\n\r\n"
		if u := d.buf.Unread(); d.remain == 0 && len(u) >= len(last) && string(u[:len(last)]) == last {
			d.buf.Consume(len(last))
			d.err = io.EOF
		}
	}
}

// Read copies body bytes to p. For long stretches it reads from the connection
// straight into p.
func (d *Decoder) Read(p []byte) (int, error) {
	if d.err == nil && d.remain > 0 && len(d.buf.Unread()) == 0 && (d.kind == bodyLength || d.inChunk) {
		if int64(len(p)) > d.remain {
			p = p[:d.remain]
		}
		n, err := d.buf.src.Read(p)
		d.remain -= int64(n)
		if n > 0 {
			d.settle()
			return n, nil
		}
		d.err = cutShort(err)
		return 0, d.err
	}
	if len(p) == 0 || d.err != nil {
		return 0, d.err
	}
	// Take at most len(p) of what Next would give.
	for d.err == nil {
		if d.kind == bodyChunked && !d.inChunk {
			d.err = d.chunkHead()
			continue
		}
		u := d.buf.Unread()
		if len(u) == 0 {
			d.err = d.fill()
			continue
		}
		if d.kind != bodyToEOF && d.remain == 0 {
			d.err = d.chunkEnd()
			continue
		}
		if d.kind != bodyToEOF && int64(len(u)) > d.remain {
			u = u[:d.remain]
		}
		n := copy(p, u)
		if d.kind != bodyToEOF {
			d.remain -= int64(n)
		}
		d.buf.Consume(n)
		d.settle()
		return n, nil
	}
	return 0, d.err
}

func (d *Decoder) fill() error {
	err := d.buf.Fill()
	if err == io.EOF && d.kind == bodyToEOF {
		return io.EOF
	}
	return cutShort(err)
}

func cutShort(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// line returns the next line of the framing, which it consumes.
func (d *Decoder) line(max int) ([]byte, error) {
	for {
		line, next, ok, err := nextLine(d.buf.Unread(), 0)
		if err != nil {
			return nil, err
		}
		if ok && len(line) <= max {
			d.buf.Consume(next)
			return line, nil
		}
		// The CR of a line of max bytes may be there, and its LF not yet.
		if len(d.buf.Unread()) > max+1 {
			return nil, errChunkExt
		}
		if err := d.fill(); err != nil {
			return nil, err
		}
	}
}

// chunkHead reads a chunk-size line (RFC 9112, section 7.1); a last chunk's
// trailers too. Extensions are checked, bounded and dropped.
func (d *Decoder) chunkHead() error {
	line, err := d.line(maxChunkLine)
	if err != nil {
		return err
	}
	var size int64
	i := 0
	for ; i < len(line); i++ {
		v := unhex(line[i])
		if v < 0 {
			break
		}
		if i == 15 { // 60 bits: cannot overflow
			return errChunkSize
		}
		size = size<<4 | int64(v)
	}
	if i == 0 {
		return errChunkSize
	}
	if ext := line[i:]; len(ext) > 0 {
		d.ext += len(ext)
		if ext[0] != ';' {
			return errChunkSize
		}
		if d.ext > maxExtensions || !all(ext, isValue) {
			return errChunkExt
		}
	}
	if size == 0 {
		return d.readTrailers()
	}
	d.remain, d.inChunk = size, true
	return nil
}

// chunkEnd reads the CR LF behind chunk data.
func (d *Decoder) chunkEnd() error {
	for len(d.buf.Unread()) < 2 {
		if u := d.buf.Unread(); len(u) == 1 && u[0] != '\r' {
			return errChunkEnd
		}
		if err := d.fill(); err != nil {
			return err
		}
	}
	if u := d.buf.Unread(); u[0] != '\r' || u[1] != '\n' {
		return errChunkEnd
	}
	d.buf.Consume(2)
	d.inChunk = false
	return nil
}

// readTrailers reads the trailer section into memory of its own (RFC 9110, section
// 6.5). Fields that frame or route a message are refused there. It returns io.EOF.
func (d *Decoder) readTrailers() (err error) {
	for {
		var line []byte
		line, err = d.line(maxTrailers)
		if err != nil {
			return err
		}
		if len(line) == 0 {
			break
		}
		if len(d.raw)+len(line) > maxTrailers {
			return errTrailersLarge
		}
		d.raw = append(append(d.raw, line...), '\r', '\n')
	}
	if d.trailers, err = appendTrailers(d.trailers, d.raw); err != nil {
		return err
	}
	return io.EOF
}

// ParseTrailers parses trailer lines that each end with CR LF.
func ParseTrailers(raw []byte) ([]exchange.Field, error) { return appendTrailers(nil, raw) }

func appendTrailers(trailers []exchange.Field, raw []byte) ([]exchange.Field, error) {
	for pos := 0; pos < len(raw); {
		line, next, ok, bad := nextLine(raw, pos)
		if bad != nil {
			return trailers, bad
		}
		if !ok || len(line) == 0 || len(trailers) == maxFields {
			return trailers, errTrailer
		}
		pos = next
		f, bad := parseField(line)
		if bad != nil {
			return trailers, bad
		}
		if f.ID.HopByHop() || f.ID == exchange.Host || f.ID == exchange.Trailer || f.ID == exchange.Expect {
			return trailers, errTrailer
		}
		trailers = append(trailers, f)
	}
	return trailers, nil
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}
