//go:build linux

package backend

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Sink reads datagrams on a port of 127.0.0.1 until the process is told to end:
// the syslog daemon of haproxy's configuration. It says its port on w when it is
// ready, and at the end how many datagrams came, so that nobody measures an
// haproxy that does not log.
func Sink(w io.Writer) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	// As root the size is taken as it is; else it is cut to net.core.rmem_max.
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20) != nil {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 64<<20)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return fmt.Errorf("getsockname: %w", err)
	}
	in4, ok := name.(*unix.SockaddrInet4)
	if !ok {
		return errors.New("the socket has no IPv4 address")
	}
	if _, err := fmt.Fprintln(w, net.JoinHostPort("127.0.0.1", strconv.Itoa(in4.Port))); err != nil {
		return err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-stop
		_ = unix.Shutdown(fd, unix.SHUT_RD) // wakes the read
	}()
	buf, lines := make([]byte, 64<<10), 0
	for {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil || n == 0: // haproxy sends no empty line
			_, err := fmt.Fprintln(w, lines)
			return err
		default:
			lines++
		}
	}
}
