package dataplane

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// A field is a field line as it stood on the wire.
type field struct{ name, value string }

// A message is one request or answer as it came over the wire.
type message struct {
	start    string // request or status line
	fields   []field
	body     []byte
	trailers []field
	framing  string // "length", "chunked", "close" or "none"
	err      error  // not nil: the body was cut short or is malformed
}

// get returns the values of the fields with the name, whatever its case, as one list.
func (m *message) get(name string) string {
	var values []string
	for _, f := range m.fields {
		if strings.EqualFold(f.name, name) {
			values = append(values, f.value)
		}
	}
	return strings.Join(values, ", ")
}

func (m *message) has(name string) bool {
	for _, f := range m.fields {
		if strings.EqualFold(f.name, name) {
			return true
		}
	}
	return false
}

// status is the code of a status line, 0 for a request.
func (m *message) status() int {
	if !strings.HasPrefix(m.start, "HTTP/1.") || len(m.start) < 12 {
		return 0
	}
	n, _ := strconv.Atoi(m.start[9:12])
	return n
}

// word is the n-th word of the start line.
func (m *message) word(n int) string {
	words := strings.Split(m.start, " ")
	if n >= len(words) {
		return ""
	}
	return words[n]
}

// readHead reads the head of a message. io.EOF: nothing came before the end.
func readHead(br *bufio.Reader) (*message, error) {
	if _, err := br.Peek(1); err != nil {
		return nil, err
	}
	m := &message{}
	start, err := readLine(br)
	if err != nil {
		return nil, err
	}
	m.start = start
	m.fields, err = readFields(br)
	return m, err
}

func readFields(br *bufio.Reader) ([]field, error) {
	var fields []field
	for {
		line, err := readLine(br)
		if err != nil {
			return fields, err
		}
		if line == "" {
			return fields, nil
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return fields, fmt.Errorf("field line %q", line)
		}
		fields = append(fields, field{name, strings.TrimSpace(value)})
	}
}

func readLine(br *bufio.Reader) (string, error) {
	s, err := br.ReadString('\n')
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return "", fmt.Errorf("in a line, after %q: %w", s, err)
	}
	if !strings.HasSuffix(s, "\r\n") {
		return "", fmt.Errorf("line %q does not end with CR LF", s)
	}
	return s[:len(s)-2], nil
}

// readBody reads the body that follows the head, strictly. For an answer, method is
// that of its request; for a request it is "".
func (m *message) readBody(br *bufio.Reader, method string) {
	length, coding := m.get("Content-Length"), m.get("Transfer-Encoding")
	status := m.status()
	switch {
	case length != "" && coding != "":
		m.err = fmt.Errorf("two framings: %q and %q", length, coding)
	case method == "HEAD" || status/100 == 1 || status == 204 || status == 304:
		m.framing = "none"
	case coding == "chunked":
		m.framing = "chunked"
		m.readChunks(br)
	case coding != "":
		m.err = fmt.Errorf("transfer coding %q", coding)
	case length != "":
		m.framing = "length"
		n, err := strconv.ParseInt(length, 10, 63)
		if err != nil {
			m.err = err
			return
		}
		m.body, m.err = readN(br, n)
	case status == 0:
		m.framing = "none"
	default:
		m.framing = "close"
		m.body, m.err = io.ReadAll(br)
	}
}

// readN reads n bytes, or what there is of them with an error.
func readN(br *bufio.Reader, n int64) ([]byte, error) {
	var b bytes.Buffer
	_, err := io.CopyN(&b, br, n)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return b.Bytes(), err
}

func (m *message) readChunks(br *bufio.Reader) {
	for {
		line, err := readLine(br)
		if err != nil {
			m.err = err
			return
		}
		n, err := strconv.ParseUint(line, 16, 62)
		if err != nil {
			m.err = fmt.Errorf("chunk size %q", line)
			return
		}
		if n == 0 {
			m.trailers, m.err = readFields(br)
			return
		}
		p, err := readN(br, int64(n))
		m.body = append(m.body, p...)
		if err != nil {
			m.err = err
			return
		}
		if line, err := readLine(br); err != nil || line != "" {
			m.err = fmt.Errorf("chunk ends with %q: %w", line, err)
			return
		}
	}
}

// chunked frames body as chunks of at most size bytes, with the last one and the trailers.
func chunked(body []byte, size int, trailers ...string) string {
	var b strings.Builder
	for len(body) > 0 {
		n := min(size, len(body))
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, body[:n])
		body = body[n:]
	}
	b.WriteString("0\r\n")
	for _, t := range trailers {
		b.WriteString(t + "\r\n")
	}
	b.WriteString("\r\n")
	return b.String()
}

// pattern is n bytes that tell their place, so that a shift shows.
func pattern(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEF\r\n"[(i+i/997)%44]
	}
	return p
}
