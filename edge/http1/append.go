package http1

import (
	"net/http"
	"strconv"
	"time"

	"github.com/holdfast-edge/holdfast/edge/exchange"
)

// AppendField appends one field line.
func AppendField(b []byte, name, value []byte) []byte {
	b = append(b, name...)
	b = append(b, ": "...)
	b = append(b, value...)
	return append(b, "\r\n"...)
}

// AppendStatus appends a status line with the registered reason phrase.
func AppendStatus(b []byte, status int) []byte {
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

// appendDate appends a Date field line (RFC 9110, section 6.6.1).
func appendDate(b []byte, t time.Time) []byte {
	b = append(b, "Date: "...)
	b = t.UTC().AppendFormat(b, http.TimeFormat)
	return append(b, "\r\n"...)
}
