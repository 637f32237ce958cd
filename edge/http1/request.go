package http1

import (
	"bytes"
	"errors"

	"github.com/holdfast-edge/holdfast/edge/exchange"
)

// maxMethod is the longest method accepted, in bytes; the longest registered one
// has 18 (UPDATEREDIRECTREF).
const maxMethod = 24

// Request is a parsed request head. Its slices alias the buffer it was parsed
// from. The zero value is ready; Reset makes it so again and keeps its memory.
type Request struct {
	Method  []byte
	Target  []byte // origin-form or "*"
	Host    []byte // the authority named
	Minor   int    // 1 for HTTP/1.1, 0 for HTTP/1.0
	Fields  []exchange.Field
	Length  int64 // body: bytes, 0 none, -1 chunked
	Close   bool  // the connection ends after this exchange
	Expect  bool  // waits for 100 Continue
	Upgrade []byte

	pos    int // where the next unparsed line starts
	start  int // where the request line starts, behind one tolerated CR LF
	inHead bool
	line   []byte // the request line
}

// Reset forgets the head.
func (r *Request) Reset() {
	*r = Request{Fields: r.Fields[:0]}
}

// Parse reads a request head from the start of buf, which must hold the same
// bytes, at the same place, as at the call before, and more. It returns the length
// of the head when it is complete and 0 when more bytes are needed. After an
// error, what could be read (method, target) is set for the record.
func (r *Request) Parse(buf []byte) (n int, err *exchange.Malformed) {
	for {
		line, next, ok, err := nextLine(buf, r.pos)
		if err != nil || !ok {
			return 0, err
		}
		switch {
		case !r.inHead && len(line) == 0 && r.pos == 0:
			// RFC 9112, section 2.2: one empty line before the request line.
			r.start = next
		case !r.inHead:
			r.inHead, r.line = true, line
			if err := r.parseLine(line); err != nil {
				return 0, err
			}
		case len(line) == 0:
			if err := r.finish(); err != nil {
				return 0, err
			}
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

// ParseRecorded parses a head that was recorded, which must be whole.
func (r *Request) ParseRecorded(head []byte) error {
	n, bad := r.Parse(head)
	if bad != nil {
		return bad
	}
	if n != len(head) {
		return errors.New("the recorded head is incomplete")
	}
	return nil
}

// Named returns the method, the target (origin-form or "*") and the authority of a
// recorded head.
func Named(head []byte) (method, target, host string, err error) {
	var r Request
	if err := r.ParseRecorded(head); err != nil {
		return "", "", "", err
	}
	return string(r.Method), string(r.Target), string(r.Host), nil
}

// Start is the offset of the request line: 2 after a tolerated empty line.
func (r *Request) Start() int { return r.start }

// parseLine parses the request line (RFC 9112, section 3): exactly one SP between
// its three parts.
func (r *Request) parseLine(line []byte) *exchange.Malformed {
	sp := bytes.IndexByte(line, ' ')
	if sp <= 0 {
		return errRequestLine
	}
	method, rest := line[:sp], line[sp+1:]
	if !all(method, isToken) || len(method) > maxMethod {
		return errMethod
	}
	r.Method = method
	sp = bytes.IndexByte(rest, ' ')
	if sp <= 0 {
		return errRequestLine
	}
	target, version := rest[:sp], rest[sp+1:]
	if !all(target, isTarget) {
		return errTarget
	}
	r.Target = target
	switch string(version) {
	case "HTTP/1.1":
		r.Minor = 1
	case "HTTP/1.0":
		r.Minor = 0
	default:
		if len(version) == 8 && string(version[:5]) == "HTTP/" && version[6] == '.' &&
			classes[version[5]]&classes[version[7]]&isDigit != 0 {
			return errVersionOther
		}
		return errVersion
	}
	if string(method) == "CONNECT" {
		return errConnect
	}
	return nil
}

// finish checks what only the whole head can tell.
func (r *Request) finish() *exchange.Malformed {
	fr, err := readFraming(r.Fields)
	if err != nil {
		return err
	}
	switch {
	case fr.chunked && r.Minor == 0:
		return errCoding10
	case fr.chunked:
		r.Length = -1
	case fr.length > 0:
		r.Length = fr.length
	}

	if !exchange.MarkNominated(r.Fields) {
		return errOptions
	}
	hosts, upgrades := 0, 0
	var upgrade []byte
	for i := range r.Fields {
		f := &r.Fields[i]
		switch f.ID {
		case exchange.Host:
			hosts++
			r.Host = f.Value
		case exchange.Expect:
			if !exchange.Is(f.Value, "100-continue") {
				return errExpect
			}
			r.Expect = r.Minor == 1
		case exchange.Upgrade:
			upgrades++
			upgrade = f.Value
		}
	}
	if hosts > 1 {
		return errManyHosts
	}
	if hosts == 0 {
		return errNoHost
	}
	if err := r.resolveTarget(); err != nil {
		return err
	}
	if r.Minor == 1 {
		r.Close = exchange.HasOption(r.Fields, "close")
	} else {
		r.Close = !exchange.HasOption(r.Fields, "keep-alive") || exchange.HasOption(r.Fields, "close")
	}
	// A switch of protocols is passed on only where it cannot be a second way
	// to frame requests: never HTTP/2, never with a body, one protocol.
	if upgrades == 1 && r.Minor == 1 && r.Length == 0 && exchange.HasOption(r.Fields, "upgrade") &&
		len(upgrade) > 0 && all(upgrade, isToken) && !exchange.Is(upgrade, "h2c") && !exchange.Is(upgrade, "h2") {
		r.Upgrade = upgrade
	}
	if r.Length == 0 {
		r.Expect = false
	}
	return nil
}

// resolveTarget turns the absolute-form into the origin-form (RFC 9112, section
// 3.2). The RFC lets the target win over Host; here both must say the same.
func (r *Request) resolveTarget() *exchange.Malformed {
	t := r.Target
	if t[0] == '/' {
		return nil
	}
	if len(t) == 1 && t[0] == '*' {
		if string(r.Method) != "OPTIONS" {
			return errTarget
		}
		return nil
	}
	i := bytes.Index(t, []byte("://"))
	if i < 0 || !exchange.Is(t[:i], "http") && !exchange.Is(t[:i], "https") {
		return errTarget
	}
	rest := t[i+3:]
	end := bytes.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	authority := rest[:end]
	if len(authority) == 0 {
		return errTarget
	}
	if !exchange.EqualFold(authority, r.Host) {
		return errHostDiffers
	}
	switch {
	case end == len(rest) && string(r.Method) == "OPTIONS":
		r.Target = []byte("*")
	case end == len(rest):
		r.Target = []byte("/")
	case rest[end] == '?':
		r.Target = append([]byte("/"), rest[end:]...)
	default:
		r.Target = rest[end:]
	}
	return nil
}
