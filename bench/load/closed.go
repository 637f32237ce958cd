//go:build linux

package load

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// timeout is when a request that is not answered counts as failed.
const timeout = 10 * time.Second

// A Closed sends the next request of a connection when the one before is
// answered, as wrk does. Unlike wrk it finishes what it began: an upload that is
// cut off at the end of the run would be another workload.
type Closed struct{ Connections int }

// Run drives for d, and for as long as the last requests take.
func (c Closed) Run(ctx context.Context, r Request, d time.Duration) (Result, error) {
	head, addr, secure, err := r.wire()
	if err != nil {
		return Result{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	results := make([]Result, c.Connections)
	all := make([][]time.Duration, c.Connections)
	first := make([]error, c.Connections)
	start := time.Now()
	var wg sync.WaitGroup
	for i := range c.Connections {
		wg.Go(func() {
			k := client{addr: addr, source: i, secure: secure, close: r.Close}
			defer k.hangUp()
			for ctx.Err() == nil {
				began := time.Now()
				status, n, err := k.do(head, r.Body)
				results[i].Bytes += n
				if err != nil {
					results[i].Failures++
					first[i] = errors.Join(first[i], err)
					return
				}
				if status >= 400 {
					results[i].Status++
				}
				results[i].Requests++
				all[i] = append(all[i], time.Since(began))
			}
		})
	}
	wg.Wait()
	sum := Result{Duration: time.Since(start)}
	var latencies []time.Duration
	for i, r := range results {
		sum.Requests += r.Requests
		sum.Bytes += r.Bytes
		sum.Failures += r.Failures
		sum.Status += r.Status
		latencies = append(latencies, all[i]...)
	}
	sum.latencies(latencies)
	if sum.Requests == 0 {
		return sum, fmt.Errorf("no request was answered: %w", errors.Join(first...))
	}
	return sum, nil
}

// client is one connection, and the next where each request has its own.
type client struct {
	addr   string
	source int // the loopback address it comes from
	secure bool
	close  bool
	conn   net.Conn
	buf    []byte
}

// dial connects from one of 64 loopback addresses, so that closed connections
// never use up the ports.
func (k *client) dial() error {
	d := net.Dialer{Timeout: timeout, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(1+k.source%64))},
		Control: func(_, _ string, c syscall.RawConn) error {
			var err error
			if e := c.Control(func(fd uintptr) {
				err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
			}); e != nil {
				return e
			}
			return err
		}}
	conn, err := d.Dial("tcp", k.addr)
	if err != nil {
		return err
	}
	if k.secure {
		conn = tls.Client(conn, clientTLS())
	}
	k.conn = conn
	return nil
}

// clientTLS offers every server the same: TLS 1.3 with X25519, which all of them
// have, and no session to resume. (Go would offer a post-quantum key exchange
// too, which only some servers know, and which costs them more.) Who the server
// is was settled when the certificate was made.
func clientTLS() *tls.Config {
	return &tls.Config{ServerName: "localhost", MinVersion: tls.VersionTLS13,
		CurvePreferences: []tls.CurveID{tls.X25519}, InsecureSkipVerify: true}
}

func (k *client) hangUp() {
	if k.conn != nil {
		_ = k.conn.Close()
		k.conn = nil
	}
}

// do sends a request and reads its answer: the status and the bytes received.
func (k *client) do(head []byte, body string) (status int, received int64, err error) {
	if k.conn == nil {
		if err := k.dial(); err != nil {
			return 0, 0, err
		}
	}
	if err := k.conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return 0, 0, err
	}
	if len(body) < 64<<10 {
		_, err = k.conn.Write(append(bytes.Clone(head), body...))
	} else if _, err = k.conn.Write(head); err == nil {
		_, err = io.WriteString(k.conn, body)
	}
	if err != nil {
		return 0, 0, err
	}
	if k.buf == nil {
		k.buf = make([]byte, 256<<10)
	}
	have, want := 0, int64(-1)
	for want < 0 {
		n, err := k.conn.Read(k.buf[have:])
		if have += n; err != nil {
			return 0, int64(have), err
		}
		if status, want, err = answerSize(k.buf[:have]); err != nil {
			return 0, int64(have), err
		}
	}
	for received = int64(have); received < want; {
		n, err := k.conn.Read(k.buf)
		if received += int64(n); err != nil {
			return 0, received, err
		}
	}
	if k.close {
		k.hangUp()
	}
	return status, received, nil
}

// answerSize reads the head of an answer: its status, and how many bytes head
// and body are together; -1 if the head is not whole yet.
func answerSize(p []byte) (status int, size int64, err error) {
	end := bytes.Index(p, []byte("\r\n\r\n"))
	if end < 0 {
		if len(p) >= 64<<10 {
			return 0, 0, errors.New("the answer's head is too long")
		}
		return 0, -1, nil
	}
	line, fields, _ := bytes.Cut(p[:end+2], []byte("\r\n"))
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, 0, fmt.Errorf("the answer begins with %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, 0, fmt.Errorf("the answer begins with %q", line)
	}
	for len(fields) > 0 {
		line, fields, _ = bytes.Cut(fields, []byte("\r\n"))
		name, value, _ := bytes.Cut(line, []byte(":"))
		if bytes.EqualFold(name, []byte("Content-Length")) {
			n, err := strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64)
			return status, int64(end) + 4 + n, err
		}
	}
	return 0, 0, errors.New("the answer has no Content-Length")
}

// An Idle is many connections that each made one request and now rest.
type Idle struct{ clients []client }

// OpenIdle opens n connections and makes one request on each.
func OpenIdle(ctx context.Context, r Request, n int) (*Idle, error) {
	head, addr, secure, err := r.wire()
	if err != nil {
		return nil, err
	}
	idle := &Idle{clients: make([]client, n)}
	const workers = 64
	problems := make([]error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			buf := make([]byte, 256<<10) // of all of this worker's, one after the other
			for i := w; i < n && problems[w] == nil; i += workers {
				k := &idle.clients[i]
				*k = client{addr: addr, source: i, secure: secure, buf: buf}
				status, _, err := k.do(head, r.Body)
				if err == nil && status != 200 {
					err = fmt.Errorf("status %d", status)
				}
				if err == nil {
					err = k.conn.SetDeadline(time.Time{})
				}
				k.buf = nil
				problems[w] = errors.Join(err, ctx.Err())
			}
		})
	}
	wg.Wait()
	if err := errors.Join(problems...); err != nil {
		idle.Close()
		return nil, err
	}
	return idle, nil
}

// Alive counts the connections that are still open.
func (i *Idle) Alive() int {
	n := 0
	var one [1]byte
	for k := range i.clients {
		c := i.clients[k].conn
		if c.SetReadDeadline(time.Now().Add(50*time.Microsecond)) != nil {
			continue
		}
		var timeout net.Error
		if _, err := c.Read(one[:]); errors.As(err, &timeout) && timeout.Timeout() {
			n++
		}
	}
	return n
}

// Close closes all of them.
func (i *Idle) Close() {
	for k := range i.clients {
		i.clients[k].hangUp()
	}
}
