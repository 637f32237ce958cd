//go:build linux

package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// A Paced sends requests at fixed times, whatever becomes of the ones before (an
// open loop). A latency counts from the time at which the request was due, not
// from when a connection was free for it: a proxy that stalls for a second does
// not hide the requests that would have come (coordinated omission).
//
// It is one thread with an epoll and a timerfd, because the runtime's own timers
// are rounded to milliseconds, more than what is measured.
type Paced struct {
	Connections int
	Rate        int // requests per second
}

// A schedule says when each request is due.
type schedule struct {
	start    time.Time
	interval time.Duration
	total    int
}

// due is when request i is to be sent.
func (s schedule) due(i int) time.Time { return s.start.Add(time.Duration(i) * s.interval) }

// before is how many requests are due by now.
func (s schedule) before(now time.Time) int {
	if now.Before(s.start) {
		return 0
	}
	return min(s.total, int(now.Sub(s.start)/s.interval)+1)
}

// line is the state of a paced run. It belongs to one thread.
type line struct {
	epoll, timer int
	head         []byte // the whole request
	free         []int  // descriptors without a request under way
	conns        map[int]*pacedConn
	schedule     schedule
	sent         int // requests, also the number of the next
	result       Result
	latencies    []time.Duration
}

type pacedConn struct {
	request int // under way; -1 if none
	buf     []byte
	have    int
}

// Run sends for d.
func (p Paced) Run(ctx context.Context, r Request, d time.Duration) (Result, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	head, addr, secure, err := r.wire()
	if err != nil {
		return Result{}, err
	}
	if secure || r.Close {
		return Result{}, errors.New("paced load is plain and keeps its connections")
	}
	l := &line{head: append(head, r.Body...), conns: map[int]*pacedConn{}}
	defer l.close()
	if err := l.open(addr, p.Connections); err != nil {
		return Result{}, err
	}
	l.schedule = schedule{start: time.Now().Add(10 * time.Millisecond), interval: time.Second / time.Duration(p.Rate), total: int(d.Seconds() * float64(p.Rate))}
	end := l.schedule.due(l.schedule.total).Add(timeout)
	events := make([]unix.EpollEvent, p.Connections+1)
	for l.result.Requests+l.result.Failures < int64(l.schedule.total) {
		if ctx.Err() != nil {
			return Result{}, ctx.Err()
		}
		if time.Now().After(end) {
			return Result{}, fmt.Errorf("%d of %d requests were not answered in time", l.schedule.total-int(l.result.Requests), l.schedule.total)
		}
		if err := l.arm(); err != nil {
			return Result{}, err
		}
		n, err := unix.EpollWait(l.epoll, events, 1000)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return Result{}, fmt.Errorf("epoll_wait: %w", err)
		}
		for i := range max(n, 0) {
			if fd := int(events[i].Fd); fd != l.timer {
				if err := l.receive(fd); err != nil {
					return Result{}, err
				}
			}
		}
		if err := l.send(); err != nil {
			return Result{}, err
		}
	}
	l.result.Duration = time.Since(l.schedule.start)
	l.result.latencies(l.latencies)
	return l.result, nil
}

func (l *line) open(addr string, n int) (err error) {
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("epoll_create: %w", err)
	}
	if l.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC); err != nil {
		return fmt.Errorf("timerfd_create: %w", err)
	}
	if err := l.watch(l.timer); err != nil {
		return err
	}
	_, text, _ := net.SplitHostPort(addr)
	port, err := strconv.Atoi(text)
	if err != nil {
		return err
	}
	for range n {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("socket: %w", err)
		}
		l.conns[fd] = &pacedConn{request: -1, buf: make([]byte, 16<<10)}
		l.free = append(l.free, fd)
		if err := unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			return fmt.Errorf("connect: %w", err)
		}
		if err := errors.Join(unix.SetNonblock(fd, true), unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1), l.watch(fd)); err != nil {
			return err
		}
	}
	return nil
}

func (l *line) watch(fd int) error {
	if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}); err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	return nil
}

func (l *line) close() {
	for fd := range l.conns {
		_ = unix.Close(fd)
	}
	for _, fd := range []int{l.epoll, l.timer} {
		if fd > 0 {
			_ = unix.Close(fd)
		}
	}
}

// arm sets the timer to the next request's time; setting it also forgets that it
// has run out. A request that is late waits for a connection, not for the timer.
func (l *line) arm() error {
	wait := time.Hour
	if l.sent < l.schedule.total && len(l.free) > 0 {
		wait = max(time.Until(l.schedule.due(l.sent)), 1)
	}
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(wait.Nanoseconds())}
	if err := unix.TimerfdSettime(l.timer, 0, &spec, nil); err != nil {
		return fmt.Errorf("timerfd_settime: %w", err)
	}
	return nil
}

// send sends what is due, as far as connections are free.
func (l *line) send() error {
	for due := l.schedule.before(time.Now()); l.sent < due && len(l.free) > 0; l.sent++ {
		fd := l.free[0] // the one that rested longest: all stay in use
		l.free = l.free[1:]
		l.conns[fd].request, l.conns[fd].have = l.sent, 0
		if n, err := unix.Write(fd, l.head); err != nil || n < len(l.head) {
			return fmt.Errorf("a request was not taken: %d of %d bytes, %w", n, len(l.head), err)
		}
	}
	return nil
}

// receive reads what came for the request of fd.
func (l *line) receive(fd int) error {
	c := l.conns[fd]
	if c.have == len(c.buf) {
		return errors.New("the answer is larger than paced load is made for")
	}
	n, err := unix.Read(fd, c.buf[c.have:])
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return nil
	case err != nil || n == 0 || c.request < 0:
		return fmt.Errorf("a connection ended: %d bytes, %w", n, err)
	}
	c.have += n
	status, size, err := answerSize(c.buf[:c.have])
	if err != nil {
		return err
	}
	if size < 0 || int64(c.have) < size {
		return nil
	}
	l.latencies = append(l.latencies, time.Since(l.schedule.due(c.request)))
	l.result.Requests++
	l.result.Bytes += size
	if status >= 400 {
		l.result.Status++
	}
	c.request = -1
	l.free = append(l.free, fd)
	return nil
}
