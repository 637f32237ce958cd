package desync

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// This is the apps' reader of requests. It is deliberately its own implementation: line by
// line, with regular expressions, forgiving nothing that RFC 9112 does not require a
// recipient to forgive. What it rejects it calls a violation, and a violation fails the test
// whatever the case expected, since the bytes were made by the edge.

// seen is a request as an app saw it.
type seen struct {
	app     string
	conn    int64 // the upstream connection, for messages
	serial  int64 // given when complete
	method  string
	target  string
	fields  [][2]string
	trailer [][2]string
	body    string
	raw     []byte // the bytes read so far
}

// values returns the values of all fields called name, in order.
func (r *seen) values(name string) []string {
	var vs []string
	for _, f := range r.fields {
		if strings.EqualFold(f[0], name) {
			vs = append(vs, f[1])
		}
	}
	return vs
}

func (r *seen) value(name string) string { return strings.Join(r.values(name), " | ") }

// A violation is something a well-behaved sender never sends.
type violation struct{ what string }

func (v *violation) Error() string { return v.what }

func violated(format string, a ...any) error { return &violation{fmt.Sprintf(format, a...)} }

// errPartial wraps what ended a connection in the middle of a request.
var errPartial = errors.New("connection ended inside a request")

const tokenRE = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+"

var (
	requestLineRE = regexp.MustCompile(`^(` + tokenRE + `) ([\x21-\x7e\x80-\xff]+) HTTP/1\.1$`)
	fieldRE       = regexp.MustCompile(`(?s)^(` + tokenRE + `):[ \t]*(.*?)[ \t]*$`)
	valueRE       = regexp.MustCompile(`^[\t\x20-\x7e\x80-\xff]*$`)
	tokenOnly     = regexp.MustCompile(`^` + tokenRE + `$`)
	lengthRE      = regexp.MustCompile(`^(0|[1-9][0-9]{0,17})$`)
	chunkSizeRE   = regexp.MustCompile(`^[0-9A-Fa-f]{1,8}$`)
)

// requestReader reads requests off one connection.
type requestReader struct {
	br *bufio.Reader
	r  *seen
}

// next reads the head of one request. io.EOF means a clean end before any byte.
func (q *requestReader) next(r *seen) error {
	q.r = r
	line, err := q.line()
	if err != nil {
		if len(r.raw) == 0 {
			return io.EOF
		}
		return err
	}
	m := requestLineRE.FindStringSubmatch(latin(line))
	if m == nil {
		return violated("request line %q", line)
	}
	r.method, r.target = unlatin(m[1]), unlatin(m[2])
	r.fields, err = q.fieldLines()
	if err != nil {
		return err
	}
	return nil
}

// bodyOf reads the body that the head announces.
func (q *requestReader) bodyOf() error {
	r := q.r
	lengths, codings := r.values("Content-Length"), r.values("Transfer-Encoding")
	switch {
	case len(lengths)+len(codings) > 1:
		return violated("framed by Content-Length %q and Transfer-Encoding %q", lengths, codings)
	case len(lengths) == 1:
		if !lengthRE.MatchString(lengths[0]) {
			return violated("Content-Length %q", lengths[0])
		}
		n, err := strconv.ParseInt(lengths[0], 10, 64)
		if err != nil || n > 64<<20 {
			return violated("Content-Length %q", lengths[0])
		}
		r.body, err = q.take(int(n))
		return err
	case len(codings) == 1:
		if codings[0] != "chunked" {
			return violated("Transfer-Encoding %q", codings[0])
		}
		return q.chunks()
	}
	return nil
}

func (q *requestReader) chunks() error {
	var body strings.Builder
	for {
		line, err := q.line()
		if err != nil {
			return err
		}
		if !chunkSizeRE.MatchString(line) {
			return violated("chunk size %q", line)
		}
		n, err := strconv.ParseUint(line, 16, 32)
		if err != nil || n > 64<<20 {
			return violated("chunk size %q", line)
		}
		if n == 0 {
			break
		}
		data, err := q.take(int(n))
		if err != nil {
			return err
		}
		body.WriteString(data)
		end, err := q.take(2)
		if err != nil {
			return err
		}
		if end != crlf {
			return violated("chunk data followed by %q", end)
		}
	}
	q.r.body = body.String()
	var err error
	q.r.trailer, err = q.fieldLines()
	return err
}

// fieldLines reads field lines up to and including the empty line.
func (q *requestReader) fieldLines() ([][2]string, error) {
	var fs [][2]string
	for {
		line, err := q.line()
		if err != nil {
			return fs, err
		}
		if line == "" {
			return fs, nil
		}
		m := fieldRE.FindStringSubmatch(latin(line))
		if m == nil || !valueRE.MatchString(m[2]) {
			return fs, violated("field line %q", line)
		}
		fs = append(fs, [2]string{unlatin(m[1]), unlatin(m[2])})
	}
}

// line reads up to CRLF, which is the only line end there is.
func (q *requestReader) line() (string, error) {
	var b []byte
	for {
		c, err := q.br.ReadByte()
		if err != nil {
			return "", fmt.Errorf("%w: %w", errPartial, err)
		}
		q.r.raw = append(q.r.raw, c)
		switch {
		case c == '\n' && len(b) > 0 && b[len(b)-1] == '\r':
			return string(b[:len(b)-1]), nil
		case c == '\n' || c == 0 || (len(b) > 0 && b[len(b)-1] == '\r'):
			return "", violated("bare CR, bare LF or NUL after %q", b)
		}
		if b = append(b, c); len(b) > 1<<20 {
			return "", violated("line without end")
		}
	}
}

func (q *requestReader) take(n int) (string, error) {
	b := make([]byte, n)
	m, err := io.ReadFull(q.br, b)
	q.r.raw = append(q.r.raw, b[:m]...)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errPartial, err)
	}
	return string(b), nil
}

// Go's regular expressions work on UTF-8; the wire is bytes. latin maps each byte to the code
// point of the same number, unlatin is its inverse.
func latin(s string) string {
	rs := make([]rune, len(s))
	for i := range len(s) {
		rs[i] = rune(s[i])
	}
	return string(rs)
}

func unlatin(s string) string {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		b = append(b, byte(r))
	}
	return string(b)
}

// edgeOwned are fields a client can never set, and that never are trailers.
func edgeOwned(name string) bool {
	n := strings.ToLower(name)
	return n == "x-request-id" || strings.HasPrefix(n, "x-forwarded-") || strings.HasPrefix(n, "x-edge-")
}

// manners checks what CONTRACT §3 and RFC 9110 §7.6.1 say of every forwarded request.
func (r *seen) manners() []string {
	var faults []string
	add := func(format string, a ...any) { faults = append(faults, fmt.Sprintf(format, a...)) }
	for _, n := range []string{"Host", "X-Request-Id", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host"} {
		if vs := r.values(n); len(vs) != 1 {
			add("%d fields called %s: %q", len(vs), n, vs)
		}
	}
	if v := r.value("X-Forwarded-For"); v != "127.0.0.1" {
		add("X-Forwarded-For %q, not the client's address", v)
	}
	if v := r.value("X-Forwarded-Proto"); v != "http" {
		add("X-Forwarded-Proto %q", v)
	}
	for _, f := range r.fields {
		switch n := strings.ToLower(f[0]); n {
		case "keep-alive", "proxy-connection", "http2-settings":
			add("hop-by-hop field %s: %q", f[0], f[1])
		case "te":
			if f[1] != "trailers" {
				add("hop-by-hop field TE: %q", f[1])
			}
		case "connection":
			for o := range strings.SplitSeq(strings.ToLower(f[1]), ",") {
				switch strings.TrimSpace(o) {
				case "keep-alive", "close", "upgrade", "te":
				default:
					add("Connection option %q", o)
				}
			}
		case "upgrade":
			// One protocol, and never another HTTP: an app that agreed would speak it past the
			// edge (mod_http2 takes h2 too).
			if p := strings.ToLower(f[1]); !tokenOnly.MatchString(p) || p == "h2c" || p == "h2" || p == "http" {
				add("Upgrade to %q", f[1])
			}
		case "x-request-id", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host":
		default:
			if edgeOwned(n) {
				add("client's own %s: %q", f[0], f[1])
			}
		}
	}
	for _, f := range r.trailer {
		switch n := strings.ToLower(f[0]); n {
		case "transfer-encoding", "content-length", "host", "connection", "upgrade", "te", "trailer", "expect", "keep-alive":
			add("trailer field %s: %q", f[0], f[1])
		default:
			if edgeOwned(n) {
				add("trailer field %s: %q", f[0], f[1])
			}
		}
	}
	return faults
}

func TestReaderForgivesNothing(t *testing.T) {
	const h = "Host: x\r\n"
	for _, c := range []struct {
		name, data string
		want       string // requests as "METHOD target body", then "violation", "partial" or ""
	}{
		{"one", "GET / HTTP/1.1\r\n" + h + "\r\n", "GET / ;"},
		{"two", "GET /1 HTTP/1.1\r\n" + h + "\r\nGET /2 HTTP/1.1\r\n" + h + "\r\n", "GET /1 ;GET /2 ;"},
		{"length", "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "POST / abc;"},
		{"chunks", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\nT: 1\r\n\r\n", "POST / abc;"},
		{"high byte in value", "GET / HTTP/1.1\r\nA: \xff\r\n\r\n", "GET / ;"},
		{"short body", "POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nabc", "partial"},
		{"half a head", "GET / HTTP/1.1\r\nHost", "partial"},
		{"unfinished chunks", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", "partial"},
		{"both lengths", "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "violation"},
		{"length twice", "POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "violation"},
		{"length +3", "POST / HTTP/1.1\r\nContent-Length: +3\r\n\r\nabc", "violation"},
		{"length 03", "POST / HTTP/1.1\r\nContent-Length: 03\r\n\r\nabc", "violation"},
		{"coding gzip", "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "violation"},
		{"LF line", "GET / HTTP/1.1\n" + h + "\r\n", "violation"},
		{"CR in value", "GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", "violation"},
		{"NUL in value", "GET / HTTP/1.1\r\nA: b\x00c\r\n\r\n", "violation"},
		{"fold", "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", "violation"},
		{"space before colon", "GET / HTTP/1.1\r\nA : b\r\n\r\n", "violation"},
		{"no colon", "GET / HTTP/1.1\r\nA\r\n\r\n", "violation"},
		{"two spaces", "GET  / HTTP/1.1\r\n\r\n", "violation"},
		{"1.0", "GET / HTTP/1.0\r\n\r\n", "violation"},
		{"chunk extension", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nab\r\n0\r\n\r\n", "violation"},
		{"chunk LF", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\nab\r\n0\r\n\r\n", "violation"},
		{"chunk without end", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n", "violation"},
		{"after a good one", "GET / HTTP/1.1\r\n" + h + "\r\nX", "GET / ;partial"},
		{"leading CRLF", "\r\nGET / HTTP/1.1\r\n\r\n", "violation"},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := &requestReader{br: bufio.NewReader(strings.NewReader(c.data))}
			var got strings.Builder
			for {
				r := &seen{}
				err := q.next(r)
				if err == io.EOF {
					break
				}
				if err == nil {
					err = q.bodyOf()
				}
				var v *violation
				if errors.As(err, &v) {
					got.WriteString("violation")
					break
				} else if err != nil {
					got.WriteString("partial")
					break
				}
				fmt.Fprintf(&got, "%s %s %s;", r.method, r.target, r.body)
			}
			if got.String() != c.want {
				t.Errorf("got %q, want %q", got.String(), c.want)
			}
		})
	}
}
