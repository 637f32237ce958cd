package desync

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// caseLimit is how long the edge may take to finish with any connection: its header and body
// timeouts (2 s each in the configuration under test) and time to say so.
const caseLimit = 8 * time.Second

// grace is how long a client that has all the answers it hopes for waits for more.
const grace = 120 * time.Millisecond

// An answer is one final response as the client saw it.
type answer struct {
	status int
	app    string // "" if the edge made it
	serial int64
	id     string // X-Request-Id
	body   string
	keep   bool // neither HTTP/1.0 nor Connection: close
}

// A conversation is everything that came back on one client connection.
type conversation struct {
	answers []answer
	interim []int
	closed  bool  // by the edge, within the limit
	late    bool  // nothing more came within the limit
	err     error // what came back is not HTTP
	took    time.Duration
}

// converse plays one case against addr, within the time that its own pauses take and patience.
func converse(addr string, c testCase, patience time.Duration) conversation {
	start := time.Now()
	var v conversation
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		v.err = err
		return v
	}
	defer conn.Close()
	limit := start.Add(patience)
	for _, w := range c.writes {
		limit = limit.Add(w.after)
	}

	// Writing runs beside reading, so that neither side can block the other. It ends when
	// the connection is closed.
	var wg sync.WaitGroup
	wg.Go(func() {
		for _, w := range c.writes {
			time.Sleep(w.after)
			if _, err := io.WriteString(conn, w.data); err != nil {
				return // refused before all was sent, which is no fault
			}
		}
		if c.halfClose {
			conn.(*net.TCPConn).CloseWrite()
		}
	})
	defer wg.Wait()
	defer conn.Close()

	br := bufio.NewReader(conn)
	for {
		deadline := limit
		if v.satisfied(c.want) {
			deadline = time.Now().Add(grace)
		}
		conn.SetReadDeadline(deadline)
		a, interim, err := readAnswer(br, c.head && len(v.answers) == 0)
		v.took = time.Since(start)
		switch {
		case err == nil && interim:
			v.interim = append(v.interim, a.status)
		case err == nil:
			v.answers = append(v.answers, a)
		case errors.Is(err, os.ErrDeadlineExceeded):
			v.late = !time.Now().Before(limit)
			return v
		case err == io.EOF || isReset(err):
			v.closed = true
			return v
		default:
			v.err = err
			return v
		}
	}
}

// satisfied says whether the answers so far could be all of an outcome that leaves the
// connection open.
func (v *conversation) satisfied(want []outcome) bool {
	if n := len(v.answers); n > 0 && !v.answers[n-1].keep {
		return false // it announced a close: wait for it
	}
	for _, o := range want {
		if o.end != endAny || len(o.steps) != len(v.answers) {
			continue
		}
		same := true
		for i, s := range o.steps {
			same = same && (s.fwd != nil) == (v.answers[i].app != "")
		}
		if same {
			return true
		}
	}
	return false
}

func isReset(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && !op.Timeout() && op.Op == "read"
}

// readAnswer reads one response. Its errors are io.EOF between responses, a deadline, a
// reset, or a description of what is wrong with it.
func readAnswer(br *bufio.Reader, headless bool) (a answer, interim bool, err error) {
	if _, err = br.Peek(1); err != nil {
		return a, false, err
	}
	line, err := responseLine(br)
	if err != nil {
		return a, false, err
	}
	proto, rest, ok := strings.Cut(line, " ")
	if !ok || len(rest) < 3 || (proto != "HTTP/1.1" && proto != "HTTP/1.0") {
		return a, false, fmt.Errorf("status line %q", line)
	}
	if a.status, err = strconv.Atoi(rest[:3]); err != nil {
		return a, false, fmt.Errorf("status line %q", line)
	}
	a.keep = proto == "HTTP/1.1"
	length, isChunked := int64(-1), false
	for {
		line, err := responseLine(br)
		if err != nil {
			return a, false, err
		}
		if line == "" {
			break
		}
		name, value, ok := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		if !ok {
			return a, false, fmt.Errorf("response field %q", line)
		}
		switch strings.ToLower(name) {
		case "x-app":
			a.app = value
		case "x-serial":
			a.serial, _ = strconv.ParseInt(value, 10, 64)
		case "x-request-id":
			a.id = value
		case "connection":
			a.keep = a.keep && !strings.EqualFold(value, "close")
		case "content-length":
			if length, err = strconv.ParseInt(value, 10, 64); err != nil {
				return a, false, fmt.Errorf("response Content-Length %q", value)
			}
		case "transfer-encoding":
			isChunked = true
		}
	}
	switch {
	case a.status < 200:
		return a, a.status != 101, nil
	case headless && a.app == "" && !a.keep:
		// A refusal of what looked like a HEAD: with or without a body, it is the last.
		b, err := io.ReadAll(br)
		a.body = string(b)
		if err != nil && !isReset(err) {
			return a, false, err
		}
		return a, false, nil
	case headless || a.status == 204 || a.status == 304:
		return a, false, nil
	case isChunked:
		a.body, err = chunkedBody(br)
	case length >= 0:
		b := make([]byte, length)
		_, err = io.ReadFull(br, b)
		a.body = string(b)
	default:
		var b []byte
		b, err = io.ReadAll(br)
		a.body, a.keep = string(b), false
	}
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = fmt.Errorf("response %d ends in its body", a.status)
	}
	return a, false, err
}

func responseLine(br *bufio.Reader) (string, error) {
	s, err := br.ReadString('\n')
	if err == io.EOF {
		return "", fmt.Errorf("response ends after %q", s)
	}
	if err != nil {
		return "", err
	}
	if !strings.HasSuffix(s, crlf) {
		return "", fmt.Errorf("response line %q", s)
	}
	return s[:len(s)-2], nil
}

func chunkedBody(br *bufio.Reader) (string, error) {
	var body strings.Builder
	for {
		line, err := responseLine(br)
		if err != nil {
			return "", err
		}
		n, err := strconv.ParseUint(line, 16, 31)
		if err != nil {
			return "", fmt.Errorf("response chunk size %q", line)
		}
		if n == 0 {
			for {
				line, err := responseLine(br)
				if err != nil || line == "" {
					return body.String(), err
				}
			}
		}
		if _, err := io.CopyN(&body, br, int64(n)); err != nil {
			return "", err
		}
		if line, err := responseLine(br); err != nil || line != "" {
			return "", fmt.Errorf("response chunk ends with %q: %w", line, err)
		}
	}
}
