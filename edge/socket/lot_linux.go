//go:build linux && !portable

package socket

import (
	"errors"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Lot is where connections that have been idle for a while wait without a
// goroutine, and so without a stack: 4 KiB and more each, once a request has been
// served on it. It is an epoll of its own (epoll(7)), with one goroutine that waits for
// all of them. Its methods are safe for concurrent use.
type Lot struct {
	epoll *os.File
	raw   syscall.RawConn
	done  chan struct{} // closed when run has returned

	mu     sync.Mutex
	closed bool
	last   uint64 // the number given last
	parked map[uint64]parked
}

type parked struct {
	conn *Conn
	wake func()
}

// NewLot opens an empty lot. Close ends it.
func NewLot() (*Lot, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	// A file that does not block waits in the runtime's poller: an epoll can be
	// in another one.
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	l := &Lot{epoll: os.NewFile(uintptr(fd), "epoll"), done: make(chan struct{}), parked: make(map[uint64]parked)}
	if l.raw, err = l.epoll.SyscallConn(); err != nil {
		_ = l.epoll.Close()
		return nil, err
	}
	go l.run()
	return l, nil
}

// Park makes wake be called, once and on the lot's goroutine, when there is something
// to read on c or its peer has left. Until then nobody else may use c, but for
// Take. It returns false, and does nothing, if that can't be.
func (l *Lot) Park(c *Conn, wake func()) (ticket uint64, ok bool) {
	if c.raw == nil {
		return 0, false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return 0, false
	}
	l.last++
	ticket = l.last
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLONESHOT,
		Fd: int32(ticket), Pad: int32(ticket >> 32)}
	err := c.raw.Control(func(fd uintptr) {
		ok = l.control(unix.EPOLL_CTL_ADD, int(fd), &event) == nil
	})
	if err != nil || !ok {
		return 0, false
	}
	l.parked[ticket] = parked{c, wake}
	return ticket, true
}

func (l *Lot) control(op, fd int, event *unix.EpollEvent) (err error) {
	if failed := l.raw.Control(func(epoll uintptr) { err = unix.EpollCtl(int(epoll), op, fd, event) }); failed != nil {
		return failed
	}
	return err
}

// Take takes a connection back. It returns false if somebody else has: its wake was, or
// is being, called.
func (l *Lot) Take(ticket uint64) bool {
	p, ok := l.take(ticket)
	if !ok {
		return false
	}
	l.forget(p.conn)
	return true
}

func (l *Lot) take(ticket uint64) (parked, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, ok := l.parked[ticket]
	delete(l.parked, ticket)
	return p, ok
}

// forget takes the descriptor out of the epoll: it may be parked again.
func (l *Lot) forget(c *Conn) {
	_ = c.raw.Control(func(fd uintptr) { _ = l.control(unix.EPOLL_CTL_DEL, int(fd), nil) })
}

// Len is how many connections are parked.
func (l *Lot) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.parked)
}

// run wakes connections until the lot is closed.
func (l *Lot) run() {
	defer close(l.done)
	events := make([]unix.EpollEvent, 128)
	for {
		n := 0
		err := l.raw.Read(func(epoll uintptr) bool {
			var err error
			n, err = unix.EpollWait(int(epoll), events, 0)
			return n > 0 || err != nil && !errors.Is(err, unix.EINTR)
		})
		if err != nil {
			return // closed
		}
		for i := range max(n, 0) {
			ticket := uint64(uint32(events[i].Fd)) | uint64(uint32(events[i].Pad))<<32
			if p, ok := l.take(ticket); ok {
				l.forget(p.conn)
				p.wake()
			}
		}
	}
}

// Close ends the lot, with those still in it forgotten.
func (l *Lot) Close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	_ = l.epoll.Close()
	<-l.done
}
