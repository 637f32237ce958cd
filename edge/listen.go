package edge

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/holdfast-edge/holdfast/configs"
)

// address is what to listen on.
type address struct {
	addr   string // host:port
	secure bool   // TLS
}

// listenAddresses are all that a configuration names.
func listenAddresses(cfg *configs.Config) []address {
	var addrs []address
	for _, a := range cfg.Listen.HTTP {
		addrs = append(addrs, address{a, false})
	}
	for _, a := range cfg.Listen.HTTPS {
		addrs = append(addrs, address{a, true})
	}
	return addrs
}

// listener accepts connections on one address until it is closed.
type listener struct {
	ln net.Listener
	// secure: connections begin with TLS. A reload may change it, for those that come then.
	secure atomic.Bool
	stop   chan struct{}
	done   chan struct{} // closed when accept has returned
}

// listenError explains why an address cannot be had.
type listenError struct {
	address
	err error
}

// key is the one of the configuration that names the address.
func (e *listenError) key() string {
	if e.secure {
		return "listen.https"
	}
	return "listen.http"
}

func (e *listenError) Error() string { return fmt.Sprintf("cannot listen on %s: %v", e.addr, e.err) }

func (e *listenError) Unwrap() error { return e.err }

// Hint says what to do about it.
func (e *listenError) Hint() string {
	_, port, _ := net.SplitHostPort(e.addr)
	switch {
	case errors.Is(e.err, syscall.EADDRINUSE):
		return fmt.Sprintf("another process has port %s (ss -ltnp 'sport = :%s' shows which): stop it, or change %s", port, port, e.key())
	case errors.Is(e.err, syscall.EACCES):
		return fmt.Sprintf("ports below 1024 need a privilege: run it by systemd with AmbientCapabilities=CAP_NET_BIND_SERVICE, or `setcap cap_net_bind_service=+ep %s`, or listen on a higher port", executable())
	case errors.Is(e.err, syscall.EADDRNOTAVAIL):
		return "this machine does not have that address (ip addr shows which it has)"
	}
	return "check " + e.key() + " in the configuration"
}

func executable() string {
	if p, err := os.Executable(); err == nil {
		return p
	}
	return "edge"
}

// openListeners opens the addresses that are not in have. On an error, what it
// had opened is closed again.
func openListeners(have map[string]*listener, addrs []address) (map[string]*listener, error) {
	opened := make(map[string]*listener)
	for _, a := range addrs {
		addr := a.addr
		if have[addr] != nil || opened[addr] != nil {
			continue
		}
		network := "tcp"
		if strings.HasPrefix(addr, "0.0.0.0:") {
			network = "tcp4"
		}
		ln, err := net.Listen(network, addr)
		if err != nil {
			for _, l := range opened {
				_ = l.ln.Close()
			}
			return nil, &listenError{a, unwrapOp(err)}
		}
		opened[addr] = &listener{ln: ln, stop: make(chan struct{}), done: make(chan struct{})}
	}
	return opened, nil
}

// boundPort is the port that the listener for addr has: the kernel chose it if the
// configuration says 0. It is "" if there is no listener.
func boundPort(addr string, sets ...map[string]*listener) string {
	for _, set := range sets {
		if l := set[addr]; l != nil {
			_, port, _ := net.SplitHostPort(l.ln.Addr().String())
			return port
		}
	}
	return ""
}

// unwrapOp takes the address, which is said already, out of a listen error.
func unwrapOp(err error) error {
	var sys *os.SyscallError
	if errors.As(err, &sys) {
		return sys.Err
	}
	return err
}

// startListeners begins to accept on the opened listeners and closes those whose
// address is not wanted any more. Their connections stay.
func (e *Edge) startListeners(opened map[string]*listener, addrs []address) {
	wanted := make(map[string]bool, len(addrs))
	for _, a := range addrs {
		wanted[a.addr] = true
		for _, l := range []*listener{opened[a.addr], e.listeners[a.addr]} {
			if l != nil {
				l.secure.Store(a.secure)
			}
		}
	}
	for addr, l := range e.listeners {
		if !wanted[addr] {
			l.close()
			delete(e.listeners, addr)
		}
	}
	for addr, l := range opened {
		e.listeners[addr] = l
		go e.accept(l)
	}
}

// closeListeners ends all accepting.
func (e *Edge) closeListeners() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for addr, l := range e.listeners {
		l.close()
		delete(e.listeners, addr)
	}
}

// mostConnections is how many clients may be connected: limits.max_connections, and no
// more than leave a quarter of the descriptors to connections to apps and to the log. A
// client too many waits; an app that can't be reached is a failed request.
func (e *Edge) mostConnections() int {
	most := e.live.Load().cfg.Limits.MaxConnections
	if e.files == 0 {
		return most
	}
	const own = 16 // listeners, segments, the admin socket, the runtime
	room := max(1, int(e.files-e.files/4)-own)
	if most == 0 || most > room {
		return room
	}
	return most
}

// accept serves the listener's connections. Over the limit it holds the one it has
// until another ends; the kernel's queue holds those behind it.
func (e *Edge) accept(l *listener) {
	defer close(l.done)
	var pause time.Duration
	var said time.Time
	for {
		nc, err := l.ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// Out of descriptors, or a connection that was reset meanwhile.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			e.log.Warn().Err(err).Dur("pause", pause).Msg("cannot accept a connection")
			select {
			case <-l.stop:
			case <-time.After(pause):
			}
			continue
		}
		pause = 0
		start := e.server.Start
		if l.secure.Load() {
			start = e.server.StartSecured
		}
		for !start(nc, e.mostConnections()) {
			if time.Since(said) > time.Minute {
				said = time.Now()
				e.log.Warn().Int("connections", e.mostConnections()).Uint64("files", e.files).
					Msg("no more clients may be connected (limits.max_connections, or three quarters of the descriptors): others wait")
			}
			select {
			case <-e.server.Ended():
				continue
			case <-time.After(100 * time.Millisecond): // the limit may be another one now
				continue
			case <-l.stop:
			}
			_ = nc.Close()
			break
		}
	}
}

// close ends the accepting.
func (l *listener) close() {
	close(l.stop)
	_ = l.ln.Close()
	<-l.done
}
