package recovery

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// field is one header or trailer field as it stood on the wire.
type field struct{ name, value string }

func (f field) is(name string) bool { return strings.EqualFold(f.name, name) }

// values returns the values of the fields with a name, in order.
func values(fields []field, name string) []string {
	var out []string
	for _, f := range fields {
		if f.is(name) {
			out = append(out, f.value)
		}
	}
	return out
}

// one returns the value of the only field with a name.
func one(fields []field, name string) (string, bool) {
	v := values(fields, name)
	if len(v) != 1 {
		return "", false
	}
	return v[0], true
}

// errWire is what the strict reader finds wrong.
var errWire = errors.New("not as RFC 9112 has it")

func wrong(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errWire, fmt.Sprintf(format, args...))
}

// readLine reads one line that ends with CR LF and has no other CR or LF.
func readLine(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		if err == io.EOF && line != "" {
			err = io.ErrUnexpectedEOF
		}
		return "", err
	}
	text, ok := strings.CutSuffix(line, "\r\n")
	if !ok || strings.ContainsAny(text, "\r\x00") {
		return "", wrong("line %q", line)
	}
	return text, nil
}

// readFields reads fields up to the empty line. It is as strict as a receiver can be:
// a name is a token, a value stands behind exactly one space and ends without any.
func readFields(r *bufio.Reader) ([]field, error) {
	var fields []field
	for len(fields) < 1000 {
		line, err := readLine(r)
		if err != nil {
			return nil, err
		}
		if line == "" {
			return fields, nil
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || !isToken(name) {
			return nil, wrong("field line %q", line)
		}
		value = strings.TrimPrefix(value, " ")
		if value != strings.Trim(value, " \t") {
			return nil, wrong("white space around the value in %q", line)
		}
		for _, c := range []byte(value) {
			if c < ' ' && c != '\t' || c == 0x7f {
				return nil, wrong("byte %#x in %q", c, line)
			}
		}
		fields = append(fields, field{name, value})
	}
	return nil, wrong("more than 1000 fields")
}

func isToken(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// framing says how the body of a message is framed: its length, or -1 for chunked, or
// ok false where neither is said.
func framing(fields []field) (length int64, ok bool, err error) {
	lengths, codings := values(fields, "Content-Length"), values(fields, "Transfer-Encoding")
	switch {
	case len(lengths)+len(codings) > 1:
		return 0, false, wrong("framed by %q and %q", lengths, codings)
	case len(codings) == 1:
		if codings[0] != "chunked" {
			return 0, false, wrong("transfer coding %q", codings[0])
		}
		return -1, true, nil
	case len(lengths) == 1:
		n, err := strconv.ParseUint(lengths[0], 10, 62)
		if err != nil || strconv.FormatUint(n, 10) != lengths[0] {
			return 0, false, wrong("length %q", lengths[0])
		}
		return int64(n), true, nil
	}
	return 0, false, nil
}

// readBody reads a body of the given length, -1 for chunked, and its trailers.
func readBody(r *bufio.Reader, length int64) (body []byte, trailers []field, err error) {
	if length >= 0 {
		body = make([]byte, length)
		_, err = io.ReadFull(r, body)
		return body, nil, err
	}
	for {
		line, err := readLine(r)
		if err != nil {
			return body, nil, err
		}
		size, err := strconv.ParseUint(line, 16, 32)
		if err != nil {
			return body, nil, wrong("chunk size %q", line)
		}
		if size == 0 {
			trailers, err = readFields(r)
			return body, trailers, err
		}
		at := len(body)
		body = append(body, make([]byte, size)...)
		if _, err := io.ReadFull(r, body[at:]); err != nil {
			return body[:at], nil, err
		}
		if line, err := readLine(r); err != nil || line != "" {
			return body, nil, errors.Join(wrong("chunk ends with %q", line), err)
		}
	}
}

// answer is one answer as the client got it.
type answer struct {
	status   int
	fields   []field
	body     []byte
	trailers []field
	id       string // X-Request-Id
	close    bool   // the connection ends with it
}

// readAnswerHead reads the head of the next final answer.
func readAnswerHead(r *bufio.Reader) (*answer, error) {
	for range 100 {
		line, err := readLine(r)
		if err != nil {
			return nil, err
		}
		version, rest, _ := strings.Cut(line, " ")
		code, _, _ := strings.Cut(rest, " ")
		status, err := strconv.Atoi(code)
		if version != "HTTP/1.1" || err != nil || len(code) != 3 {
			return nil, wrong("status line %q", line)
		}
		a := &answer{status: status}
		if a.fields, err = readFields(r); err != nil {
			return nil, err
		}
		if status < 200 && status != 101 {
			continue
		}
		var ok bool
		if a.id, ok = one(a.fields, "X-Request-Id"); !ok {
			return nil, wrong("answer %d with X-Request-Id %q", status, values(a.fields, "X-Request-Id"))
		}
		for _, v := range values(a.fields, "Connection") {
			a.close = a.close || strings.EqualFold(v, "close")
		}
		return a, nil
	}
	return nil, wrong("too many interim answers")
}

// readRest reads the body of an answer to a request with the given method.
func (a *answer) readRest(r *bufio.Reader, method string) (err error) {
	length, ok, err := framing(a.fields)
	switch {
	case err != nil:
		return err
	case method == "HEAD", a.status == 204, a.status == 304:
	case ok:
		a.body, a.trailers, err = readBody(r, length)
	default:
		a.close = true
		a.body, err = io.ReadAll(r)
	}
	return err
}
