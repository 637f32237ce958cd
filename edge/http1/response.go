package http1

import (
	"github.com/holdfast-edge/holdfast/edge/exchange"
)

// Response is a parsed response head; see Request for how it is used.
type Response struct {
	Status int
	Minor  int
	Fields []exchange.Field
	Close  bool // the app ends the connection after this answer

	framing framing
	pos     int
	inHead  bool
}

// Reset forgets the head and keeps its memory.
func (r *Response) Reset() {
	*r = Response{Fields: r.Fields[:0]}
}

// Parse reads a response head from the start of buf, as Request.Parse does. Its
// errors have the status 502 or 400; both mean that the app's answer is malformed.
func (r *Response) Parse(buf []byte) (n int, err *exchange.Malformed) {
	for {
		line, next, ok, err := nextLine(buf, r.pos)
		if err != nil || !ok {
			return 0, err
		}
		switch {
		case !r.inHead:
			r.inHead = true
			if err := r.parseLine(line); err != nil {
				return 0, err
			}
		case len(line) == 0:
			if r.framing, err = readFraming(r.Fields); err != nil {
				return 0, err
			}
			if !exchange.MarkNominated(r.Fields) {
				return 0, errOptions
			}
			if r.framing.chunked && r.Minor == 0 {
				return 0, errCoding10
			}
			r.Close = exchange.HasOption(r.Fields, "close") ||
				r.Minor == 0 && !exchange.HasOption(r.Fields, "keep-alive")
			return next, nil
		default:
			if len(r.Fields) == maxFields {
				return 0, errManyFields
			}
			f, err := parseField(line)
			if err != nil {
				return 0, err
			}
			r.Fields = append(r.Fields, f)
		}
		r.pos = next
	}
}

// parseLine parses the status line (RFC 9112, section 4). The reason phrase is
// optional and means nothing; the space before it is often left out.
func (r *Response) parseLine(line []byte) *exchange.Malformed {
	if len(line) < 12 || string(line[:7]) != "HTTP/1." || line[8] != ' ' ||
		line[7] != '1' && line[7] != '0' || !all(line[9:12], isDigit) {
		return errStatusLine
	}
	if len(line) > 12 && (line[12] != ' ' || !all(line[12:], isValue)) {
		return errStatusLine
	}
	r.Minor = int(line[7] - '0')
	r.Status = int(line[9]-'0')*100 + int(line[10]-'0')*10 + int(line[11]-'0')
	if r.Status < 100 || r.Status > 599 {
		return errStatusLine
	}
	return nil
}

// Length is the announced size of the body in bytes, -1 when it is unknown.
func (r *Response) Length() int64 { return r.framing.length }

// Body makes d read the body that follows this head in buf, as the answer to a
// request with the given method (RFC 9112, section 6.3).
func (r *Response) Body(d *Decoder, buf *Buffer, method []byte) {
	kind, length := r.body(method)
	d.reset(buf, kind, length)
	if kind == bodyToEOF {
		r.Close = true
	}
}

// HasBody reports whether an answer to a request with the given method has a body.
func (r *Response) HasBody(method []byte) bool {
	kind, _ := r.body(method)
	return kind != bodyNone
}

func (r *Response) body(method []byte) (kind bodyKind, length int64) {
	switch {
	case string(method) == "HEAD" || r.Status < 200 || r.Status == 204 || r.Status == 304:
		return bodyNone, r.framing.length
	case r.framing.chunked:
		return bodyChunked, -1
	case r.framing.length >= 0:
		return bodyLength, r.framing.length
	}
	return bodyToEOF, -1
}
