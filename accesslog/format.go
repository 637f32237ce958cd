package accesslog

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"
)

// WriteJSON writes e as one line of the contract's JSON, with one call of Write.
// Control characters are escaped, so that a terminal can show the line.
func WriteJSON(w io.Writer, e *Entry) error {
	_, err := w.Write(append(appendEntry(make([]byte, 0, 1<<10), e, nil), '}', '\n'))
	return err
}

// WritePayloadJSON writes e as WriteJSON does, with what o holds in addition:
// request.client (the full address and port), request.raw_headers (pairs, in
// order), request.raw_trailers if there were any, and body.base64. It reads
// o.Body to its end, but does not close it. The body is not held in memory, so an
// error may come after part of the line was written; a newline ends that part.
func WritePayloadJSON(w io.Writer, e *Entry, o *Opened) error {
	line := appendEntry(make([]byte, 0, 4<<10), e, o)
	// The body is the last key of an entry: go on inside of it.
	line = append(bytes.TrimSuffix(line, []byte{'}'}), `,"base64":"`...)
	if _, err := w.Write(line); err != nil {
		return err
	}
	encoder := base64.NewEncoder(base64.StdEncoding, w)
	_, err := io.Copy(encoder, o.Body)
	if err == nil {
		err = encoder.Close()
	}
	if err != nil {
		_, _ = io.WriteString(w, "\n")
		return fmt.Errorf("record %s: body: %w", e.ID, err)
	}
	_, err = io.WriteString(w, "\"}}\n")
	return err
}

// appendEntry appends e without its last brace. It is appendClear for what was
// read back.
func appendEntry(b []byte, e *Entry, o *Opened) []byte {
	text := func(key, value string) {
		b = append(b, key...)
		b = appendString(b, value, 0)
	}
	b = append(b, `{"ts":"`...)
	b = appendTime(b, e.Time)
	text(`","id":`, e.ID.String())
	text(`,"outcome":`, e.Outcome.String())
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(e.Status), 10)
	b = append(b, `,"duration":`...)
	b = appendSeconds(b, time.Duration(e.Duration))
	text(`,"generation":`, e.Generation)
	text(`,"site":`, e.Site)
	text(`,"route":`, e.Route)
	text(`,"app":`, e.App)
	text(`,"upstream":`, e.Upstream)
	text(`,"match":`, e.Match)
	text(`,"stage":`, e.Stage)
	if e.Reason != "" {
		text(`,"reason":`, e.Reason)
	}
	text(`,"request":{"client_ip":`, e.Request.ClientIP)
	text(`,"proto":`, e.Request.Proto)
	text(`,"method":`, e.Request.Method)
	text(`,"host":`, e.Request.Host)
	text(`,"uri":`, e.Request.URI)
	if e.Request.Cut {
		b = append(b, `,"cut":true`...)
	}
	b = append(b, `,"headers":{`...)
	for i, name := range slices.Sorted(maps.Keys(e.Request.Headers)) {
		if i > 0 {
			b = append(b, ',')
		}
		text("", name)
		b = append(b, ':')
		b = appendList(b, e.Request.Headers[name])
	}
	b = append(b, '}')
	if t := e.Request.TLS; t != nil {
		text(`,"tls":{"server_name":`, t.ServerName)
		text(`,"version":`, t.Version)
		b = append(b, '}')
	}
	if o != nil {
		b = appendRawRequest(b, o)
	}
	b = append(b, '}')
	b = appendUserAgent(b, &e.UserAgent)
	b = append(b, `,"bytes_read":`...)
	b = strconv.AppendInt(b, e.BytesRead, 10)
	b = append(b, `,"size":`...)
	b = strconv.AppendInt(b, e.Size, 10)
	return appendBody(b, &e.Body, true)
}

func appendList(b []byte, list []string) []byte {
	b = append(b, '[')
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, s, 0)
	}
	return append(b, ']')
}

func appendRawRequest(b []byte, o *Opened) []byte {
	if o.Client.IsValid() {
		b = append(b, `,"client":`...)
		b = appendString(b, o.Client.String(), 0)
	}
	_, fields, _ := bytes.Cut(o.Head, []byte("\n")) // without the request line
	b = appendRawFields(append(b, `,"raw_headers":`...), fields)
	if len(o.Trailer) > 0 {
		b = appendRawFields(append(b, `,"raw_trailers":`...), o.Trailer)
	}
	return b
}

// appendRawFields appends header lines as pairs. A line without a colon, which a
// malformed request can have, is a name without a value.
func appendRawFields(b, lines []byte) []byte {
	b = append(b, '[')
	first := true
	for line := range bytes.SplitSeq(lines, []byte("\n")) {
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(line) == 0 {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		name, value, _ := bytes.Cut(line, []byte(":"))
		b = appendBytes(append(b, '['), name, 0)
		b = appendBytes(append(b, ','), bytes.Trim(value, " \t"), 0)
		b = append(b, ']')
	}
	return append(b, ']')
}

// WriteCombined writes e as a line of the combined format of Apache and NGINX,
// with one call of Write:
//
//	client - - [time] "METHOD target PROTO" status size "referer" "agent"
//
// The time is UTC. In the quoted parts every byte that is not printable ASCII,
// and " and \, is written as \xHH, so that no request can forge a field or a
// line; an empty part is "-". GoAccess (--log-format=COMBINED) and fail2ban read
// it.
func WriteCombined(w io.Writer, e *Entry) error {
	b := make([]byte, 0, 512)
	b = appendWord(b, e.Request.ClientIP)
	b = append(b, " - - ["...)
	b = e.Time.UTC().AppendFormat(b, "02/Jan/2006:15:04:05 -0700")
	b = append(b, `] "`...)
	if e.Request.Method == "" && e.Request.URI == "" {
		b = append(b, '-')
	} else {
		b = appendWord(b, e.Request.Method)
		b = append(b, ' ')
		b = appendWord(b, e.Request.URI)
		b = append(b, ' ')
		b = appendWord(b, e.Request.Proto)
	}
	b = append(b, `" `...)
	b = strconv.AppendInt(b, int64(e.Status), 10)
	b = append(b, ' ')
	b = strconv.AppendInt(b, e.Size, 10)
	b = append(b, ` "`...)
	b = appendQuoted(b, firstHeader(e, "Referer"), false)
	b = append(b, `" "`...)
	b = appendQuoted(b, firstHeader(e, "User-Agent"), false)
	b = append(b, '"', '\n')
	_, err := w.Write(b)
	return err
}

func firstHeader(e *Entry, name string) string {
	if values := e.Request.Headers[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// appendWord is appendQuoted for a part that must not hold a space either.
func appendWord(b []byte, s string) []byte { return appendQuoted(b, s, true) }

const upperHex = "0123456789ABCDEF" // as NGINX and Apache write it

func appendQuoted(b []byte, s string, word bool) []byte {
	if s == "" {
		return append(b, '-')
	}
	for i := range len(s) {
		c := s[i]
		if !plainASCII[c] || word && c == ' ' {
			b = append(b, '\\', 'x', upperHex[c>>4], upperHex[c&15])
			continue
		}
		b = append(b, c)
	}
	return b
}
