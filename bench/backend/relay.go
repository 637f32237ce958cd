//go:build linux

package backend

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// Relay is a proxy that knows nothing: whatever comes from a client goes to the
// connection to the app that belongs to it, and back. It takes the four system
// calls that every proxy needs for a request, and an epoll_wait for as many
// connections as are ready, and does nothing else: the floor under the figures
// of the others. It has a listener and a thread for each processor, and serves
// until the process ends.
func Relay(listen, app string) error {
	from, err := netip.ParseAddrPort(listen)
	if err != nil {
		return err
	}
	to, err := netip.ParseAddrPort(app)
	if err != nil {
		return err
	}
	debug.SetGCPercent(-1) // see raw.go
	runtime.GOMAXPROCS(runtime.NumCPU() + 1)
	failed := make(chan error)
	for range runtime.NumCPU() {
		go func() {
			runtime.LockOSThread()
			failed <- relay(from, to)
		}()
	}
	return <-failed
}

// relay is one thread of the relay. Registered edge-triggered, a socket is told
// of once when something came, so a read that did not fill the buffer is the
// last.
func relay(from, to netip.AddrPort) error {
	ln, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	err = errors.Join(unix.SetsockoptInt(ln, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1), unix.SetsockoptInt(ln, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1),
		unix.Bind(ln, &unix.SockaddrInet4{Addr: from.Addr().As4(), Port: int(from.Port())}), unix.Listen(ln, 4096))
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return fmt.Errorf("epoll_create: %w", err)
	}
	watch := func(fd int, events uint32) error {
		return unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
	}
	if err := watch(ln, unix.EPOLLIN); err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	peers := map[int]int{}
	buf, events := make([]byte, 64<<10), make([]unix.EpollEvent, 256)
	for {
		n, errno := wait(epoll, events)
		if errno != 0 && errno != unix.EINTR {
			return fmt.Errorf("epoll_wait: %w", errno)
		}
		for i := range n {
			fd := int(events[i].Fd)
			if fd == ln {
				a, b, err := pair(ln, to)
				if errors.Is(err, unix.EAGAIN) {
					continue // another thread was faster
				} else if err != nil {
					return err
				}
				peers[a], peers[b] = b, a
				if err := errors.Join(watch(a, unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLET&0xffffffff), watch(b, unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLET&0xffffffff)); err != nil {
					return fmt.Errorf("epoll_ctl: %w", err)
				}
				continue
			}
			if peer, ok := peers[fd]; ok && !pass(fd, peer, buf) {
				delete(peers, fd)
				delete(peers, peer)
				_, _ = unix.Close(fd), unix.Close(peer)
			}
		}
	}
}

// pair takes a client and connects to the app for it.
func pair(ln int, to netip.AddrPort) (client, app int, err error) {
	client, errno := accept(ln)
	if errno != 0 {
		return 0, 0, errno
	}
	if app, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return 0, 0, fmt.Errorf("socket: %w", err)
	}
	if err := unix.Connect(app, &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())}); err != nil {
		return 0, 0, fmt.Errorf("connect: %w", err)
	}
	return client, app, errors.Join(unix.SetNonblock(app, true),
		unix.SetsockoptInt(client, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1), unix.SetsockoptInt(app, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1))
}

// pass moves what came; false means that one side is gone. Messages are small
// here: what a socket does not take at once ends the connection.
func pass(from, to int, buf []byte) bool {
	for {
		n, errno := read(from, buf)
		switch {
		case errno == unix.EAGAIN:
			return true
		case n == 0: // the end, or an error
			return false
		}
		if m, _ := write(to, buf[:n]); m < n {
			return false
		}
		if n < len(buf) {
			return true
		}
	}
}
