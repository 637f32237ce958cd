package http1

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/holdfast-edge/holdfast/edge/exchange"
)

// AppendField appends one field line.
func AppendField(b []byte, name, value []byte) []byte {
	n, l := len(b), len(name)
	b = slices.Grow(b, l+len(value)+4)[:n+l+len(value)+4]
	p := b[n:]
	copy(p, name)
	p[l], p[l+1] = ':', ' '
	copy(p[l+2:], value)
	p[len(p)-2], p[len(p)-1] = '\r', '\n'
	return b
}

// AppendStatus appends a status line with the registered reason phrase.
func AppendStatus(b []byte, status int) []byte {
	if status == 200 {
		return append(b, "HTTP/1.1 200 OK\r\n"...)
	}
	b = append(b, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(b, ' ')
	b = append(b, http.StatusText(status)...)
	return append(b, "\r\n"...)
}

// AppendLength appends a Content-Length field line.
func AppendLength(b []byte, n int64) []byte {
	b = append(b, "Content-Length: "...)
	b = strconv.AppendInt(b, n, 10)
	return append(b, "\r\n"...)
}

// AppendChunkHead appends the size line of a chunk of n bytes.
func AppendChunkHead(b []byte, n int) []byte {
	b = strconv.AppendInt(b, int64(n), 16)
	return append(b, "\r\n"...)
}

// AppendLastChunk appends the last chunk and the trailer section. Fields that only
// the edge may set are left out: in a trailer nobody would look for them.
func AppendLastChunk(b []byte, trailers []exchange.Field) []byte {
	b = append(b, "0\r\n"...)
	for i := range trailers {
		if !trailers[i].ID.Owned() {
			b = AppendField(b, trailers[i].Name, trailers[i].Value)
		}
	}
	return append(b, "\r\n"...)
}

// date is a Date field line, which is made once a second.
type date struct {
	second int64
	line   []byte
}

// appendDate appends a Date field line (RFC 9110, section 6.6.1).
func (s *Server) appendDate(b []byte, now time.Time) []byte {
	d := s.date.Load()
	if second := now.Unix(); d == nil || d.second != second {
		line := now.UTC().AppendFormat([]byte("Date: "), http.TimeFormat)
		d = &date{second, append(line, "\r\n"...)}
		s.date.Store(d)
	}
	return append(b, d.line...)
}
