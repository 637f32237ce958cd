package edge

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	tlsgate "github.com/holdfast-edge/holdfast/tls"
)

// handshakeKind is why a handshake failed.
type handshakeKind uint8

const (
	unknownName handshakeKind = iota
	missingName
	clientRefused // the client told us so by an alert: it may not trust the certificate
	timedOut
	leftEarly
	otherFault
	handshakeKinds
)

// handshakeText is what the log says, handshakeKey what the counters are called.
var (
	handshakeText = [handshakeKinds]string{
		"a handshake asked for a name that has no certificate", "a handshake named no host",
		"a client refused our certificate or our terms", "a handshake took too long",
		"a client left in the handshake", "a handshake failed",
	}
	handshakeKey = [handshakeKinds]string{"unknown_name", "missing_name", "client_refused", "timeout", "left", "other"}
)

// handshakePause is how often a kind of failure is logged at most. Anybody can cause
// them, so they are never more than a line at a time.
const handshakePause = 10 * time.Second

// handshakeLog counts the handshakes that failed, and says so within bounds. It is
// safe for concurrent use.
type handshakeLog struct {
	mu     sync.Mutex
	counts [handshakeKinds]uint64
	quiet  [handshakeKinds]uint64 // not logged since the last line
	last   [handshakeKinds]time.Time
}

// add notes a failure.
func (l *handshakeLog) add(log zerolog.Logger, remote netip.AddrPort, err error) {
	kind := kindOf(err)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts[kind]++
	now := time.Now()
	if now.Sub(l.last[kind]) < handshakePause {
		l.quiet[kind]++
		return
	}
	ev := log.Info()
	if kind == timedOut || kind == leftEarly { // health checks and port scans
		ev = log.Debug()
	}
	if name := (*tlsgate.RefusedError)(nil); errors.As(err, &name) {
		ev = ev.Str("name", name.Name)
	} else {
		ev = ev.Err(err)
	}
	ev.Str("client", network(remote.Addr())).Uint64("more", l.quiet[kind]).Msg(handshakeText[kind])
	l.last[kind], l.quiet[kind] = now, 0
}

// network is an address as the clear lines of the access log have it: cut to /24 or /48.
func network(a netip.Addr) string {
	bits := 24
	if a.Is6() {
		bits = 48
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return ""
	}
	return p.Addr().String()
}

// snapshot is how many handshakes failed since the start, by kind.
func (l *handshakeLog) snapshot() map[string]uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := make(map[string]uint64, handshakeKinds)
	for k, n := range l.counts {
		m[handshakeKey[k]] = n
	}
	return m
}

func kindOf(err error) handshakeKind {
	var refused *tlsgate.RefusedError
	var op *net.OpError
	switch {
	case errors.As(err, &refused) && refused.Name == "":
		return missingName
	case errors.As(err, &refused):
		return unknownName
	case errors.Is(err, os.ErrDeadlineExceeded):
		return timedOut
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return leftEarly
	case errors.As(err, &op) && strings.HasPrefix(op.Op, "remote error"):
		return clientRefused
	}
	return otherFault
}
