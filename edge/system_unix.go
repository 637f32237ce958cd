//go:build unix

package edge

import (
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// wantFiles is how many descriptors the edge would like to have.
const wantFiles = 1 << 20

// raiseFileLimit raises the number of descriptors as far as it may and returns it.
func raiseFileLimit() uint64 {
	var r unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &r) != nil {
		return 0
	}
	if r.Max < wantFiles {
		more := unix.Rlimit{Cur: wantFiles, Max: wantFiles}
		if unix.Setrlimit(unix.RLIMIT_NOFILE, &more) == nil { // only with privilege
			return wantFiles
		}
	}
	r.Cur = r.Max
	if unix.Setrlimit(unix.RLIMIT_NOFILE, &r) != nil {
		_ = unix.Getrlimit(unix.RLIMIT_NOFILE, &r)
	}
	return r.Cur
}

func monotonicMicros() int64 {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) != nil {
		return 0
	}
	return ts.Nano() / 1000
}

// listenPrivate opens a unix socket that only its owner may use, from its first
// moment: it is made under a name of its own, restricted, and then moved to path.
func listenPrivate(path string) (*net.UnixListener, error) {
	temp := path + ".new"
	_ = os.Remove(temp)
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: temp, Net: "unix"})
	if err != nil {
		return nil, err
	}
	ln.SetUnlinkOnClose(false)
	if err = os.Chmod(temp, 0o600); err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		_ = ln.Close()
		_ = os.Remove(temp)
		return nil, err
	}
	return ln, nil
}
