//go:build linux

// Package backend is the app behind the proxies of the benchmark, and the place
// where haproxy's log lines end. Both run in processes of their own, whose time
// is nobody's.
//
// The app must cost less than any proxy, or it would decide the requests per
// second. It is one thread with one epoll: every connection is registered once,
// edge-triggered, so that a request is one read and one write, and an
// epoll_wait is shared by all that are ready. It knows no more HTTP than it takes
// to find where a request ends. What it costs is printed with the results.
package backend

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"runtime/debug"
	"strconv"

	"golang.org/x/sys/unix"
)

// Paths that the app knows; every body is read to its end.
const (
	Small = "/1k"   // 1 KiB
	Short = "/ok"   // two bytes, for POST
	Fail  = "/fail" // 502 and a short body
	Large = "/10m"  // 10 MiB
)

// LargeSize is the size in bytes of what Large answers.
const LargeSize = 10 << 20

const (
	readSize = 256 << 10 // bytes that one read takes at most
	maxHead  = 64 << 10
)

// app is the whole server. Its one thread owns everything in it.
type app struct {
	epoll   int
	buf     []byte // of all reads: what stays behind of a head is copied away
	conns   []conn // by descriptor
	answers map[string][]byte
}

// conn is what is known of a connection between two events.
type conn struct {
	head  []byte // the first part of a head whose end is missing
	body  int64  // bytes of the body still to come
	next  []byte // the answer to the request whose body is being read
	out   []byte // what the socket did not take yet
	close bool   // the request said Connection: close
}

// Serve answers on a port of 127.0.0.1 that the kernel chooses until the process
// ends, and says which with one line on ready. It returns only errors.
func Serve(ready io.Writer) error {
	runtime.LockOSThread()
	debug.SetGCPercent(-1) // see raw.go
	ln, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	if err := unix.Bind(ln, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	if err := unix.Listen(ln, 4096); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	name, err := unix.Getsockname(ln)
	if err != nil {
		return fmt.Errorf("getsockname: %w", err)
	}
	in4, ok := name.(*unix.SockaddrInet4)
	if !ok {
		return errors.New("the socket has no IPv4 address")
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return fmt.Errorf("epoll_create: %w", err)
	}
	a := &app{epoll: epoll, buf: make([]byte, readSize), answers: answers()}
	if err := a.watch(ln, unix.EPOLLIN); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(ready, net.JoinHostPort("127.0.0.1", strconv.Itoa(in4.Port))); err != nil {
		return err
	}
	return a.loop(ln)
}

func (a *app) loop(ln int) error {
	events := make([]unix.EpollEvent, 256)
	for {
		n, errno := wait(a.epoll, events)
		if errno != 0 && errno != unix.EINTR {
			return fmt.Errorf("epoll_wait: %w", errno)
		}
		for i := range n {
			fd := int(events[i].Fd)
			if fd == ln {
				if err := a.accept(ln); err != nil {
					return err
				}
				continue
			}
			if !a.serve(fd, events[i].Events) {
				a.conns[fd] = conn{}
				_ = unix.Close(fd) // takes it out of the epoll set as well
			}
		}
	}
}

func (a *app) watch(fd int, events uint32) error {
	if err := unix.EpollCtl(a.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)}); err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	return nil
}

// accept takes all connections that wait.
func (a *app) accept(ln int) error {
	for {
		fd, errno := accept(ln)
		switch errno {
		case 0:
		case unix.EAGAIN:
			return nil
		case unix.EINTR, unix.ECONNABORTED:
			continue
		default:
			return fmt.Errorf("accept: %w", errno)
		}
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		if fd >= len(a.conns) {
			a.conns = append(a.conns, make([]conn, fd+1-len(a.conns))...)
		}
		if err := a.watch(fd, unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLRDHUP|unix.EPOLLET&0xffffffff); err != nil {
			return err
		}
	}
}

// serve does what an event of fd asks for; false means that the connection is over.
//
// A read that did not fill the buffer has emptied the socket: what comes later is
// another event (epoll(7), edge-triggered), so no read is spent on EAGAIN. That
// a FIN is not read in the same call is what EPOLLRDHUP is for.
func (a *app) serve(fd int, events uint32) bool {
	c := &a.conns[fd]
	if len(c.out) > 0 {
		if !c.flush(fd) {
			return false
		}
		if len(c.out) > 0 {
			return events&(unix.EPOLLERR|unix.EPOLLHUP) == 0
		}
	}
	if events&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLERR|unix.EPOLLHUP) == 0 {
		return !c.close || c.next != nil
	}
	for {
		n, errno := read(fd, a.buf)
		switch {
		case errno == unix.EINTR:
			continue
		case errno == unix.EAGAIN:
			return true
		case n == 0: // the end, or an error
			return false
		}
		if !a.take(c, a.buf[:n]) || !c.flush(fd) {
			return false
		}
		if len(c.out) == 0 && c.close && c.next == nil {
			return false
		}
		if n < len(a.buf) && events&unix.EPOLLRDHUP == 0 {
			return true
		}
	}
}

// take reads requests out of p and puts their answers into c.out. False means
// that it is not HTTP that this app understands.
func (a *app) take(c *conn, p []byte) bool {
	if len(c.head) > 0 {
		p = append(c.head, p...)
		c.head = nil
	}
	for len(p) > 0 {
		if c.next == nil {
			end := bytes.Index(p, []byte("\r\n\r\n"))
			if end < 0 {
				c.head = bytes.Clone(p)
				return len(p) <= maxHead
			}
			if !a.begin(c, p[:end+2]) {
				return false
			}
			p = p[end+4:]
		}
		n := min(c.body, int64(len(p)))
		p, c.body = p[n:], c.body-n
		if c.body > 0 {
			return true
		}
		if len(c.out) == 0 {
			c.out = c.next // the usual case: no copy, the prepared answer itself
		} else {
			c.out = append(bytes.Clone(c.out), c.next...)
		}
		c.next = nil
	}
	return true
}

// begin reads a head: the request line, and of the fields the two that matter.
func (a *app) begin(c *conn, head []byte) bool {
	line, fields, _ := bytes.Cut(head, []byte("\r\n"))
	_, target, _ := bytes.Cut(line, []byte(" "))
	target, _, ok := bytes.Cut(target, []byte(" "))
	if !ok {
		return false
	}
	answer, known := a.answers[string(target)]
	if !known {
		answer = a.answers[Short]
	}
	c.next, c.body = answer, 0
	for len(fields) > 0 {
		line, fields, _ = bytes.Cut(fields, []byte("\r\n"))
		if len(line) == 0 || line[0]|0x20 != 'c' && line[0]|0x20 != 't' {
			continue
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			n, err := strconv.ParseInt(string(value), 10, 64)
			if err != nil || n < 0 {
				return false
			}
			c.body = n
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			return false // no client of the benchmark sends it
		case bytes.EqualFold(name, []byte("Connection")):
			c.close = bytes.EqualFold(value, []byte("close"))
		}
	}
	return true
}

// flush writes what the socket takes.
func (c *conn) flush(fd int) bool {
	for len(c.out) > 0 {
		n, errno := write(fd, c.out)
		switch errno {
		case 0:
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return true
		default:
			return false
		}
		c.out = c.out[n:]
	}
	return true
}

// answers are whole messages, ready to be written.
func answers() map[string][]byte {
	make := func(status string, body []byte) []byte {
		head := "HTTP/1.1 " + status + "\r\nServer: app\r\nContent-Type: text/plain\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n"
		return append([]byte(head), body...)
	}
	return map[string][]byte{
		Small: make("200 OK", bytes.Repeat([]byte("k"), 1024)),
		Short: make("200 OK", []byte("ok")),
		Fail:  make("502 Bad Gateway", []byte("the app is down")),
		Large: make("200 OK", bytes.Repeat([]byte("m"), LargeSize)),
	}
}
