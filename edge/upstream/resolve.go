package upstream

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Times of looking a name up again: when the TTL of its records is over, within
// these bounds. What has no TTL (/etc/hosts) is looked at again after the longer one.
const (
	ttlLeast    = time.Second
	ttlMost     = 30 * time.Second
	lookupLimit = 10 * time.Second // of one lookup in the background
	retryMost   = 5 * time.Second  // longest pause after lookups that failed
	maxAddress  = 64               // of one name; the rest is not used
)

// lookup finds the addresses of a host name, and how long they are good for: 0 if
// that is not known. Its errors are *net.DNSError.
type lookup func(ctx context.Context, host string) (addresses []netip.Addr, ttl time.Duration, err error)

// lookupBy makes a lookup that asks as /etc/hosts, /etc/resolv.conf and
// /etc/nsswitch.conf say, with connections made by dial. It reads the TTLs, which
// net.Resolver keeps to itself, from the answers that pass.
func lookupBy(dial func(ctx context.Context, network, address string) (net.Conn, error)) lookup {
	return func(ctx context.Context, host string) ([]netip.Addr, time.Duration, error) {
		var seen ttl
		r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			nc, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			// The resolver goes on reading when nobody waits any more.
			context.AfterFunc(ctx, func() { _ = nc.Close() })
			if udp, ok := nc.(*net.UDPConn); ok {
				return &answers{udp, &seen}, nil
			}
			return nc, nil
		}}
		all, err := r.LookupNetIP(ctx, "ip", host)
		if err != nil {
			return nil, 0, err
		}
		var out []netip.Addr
		for _, a := range all {
			if a = a.Unmap(); len(out) < maxAddress && !slices.Contains(out, a) {
				out = append(out, a)
			}
		}
		return out, seen.least(), nil
	}
}

func systemLookup() lookup { return lookupBy(new(net.Dialer).DialContext) }

// answers is a connection to a name server whose answers are looked at.
type answers struct {
	*net.UDPConn
	seen *ttl
}

// Read reads one datagram.
func (a *answers) Read(p []byte) (int, error) {
	n, err := a.UDPConn.Read(p)
	if err == nil {
		a.seen.take(p[:n])
	}
	return n, err
}

// ttl is the least of the TTLs of several answers. Safe for concurrent use: IPv4 and
// IPv6 are asked for at the same time.
type ttl struct {
	mu    sync.Mutex
	value time.Duration
	known bool
}

func (t *ttl) take(message []byte) {
	var p dnsmessage.Parser
	if _, err := p.Start(message); err != nil || p.SkipAllQuestions() != nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		h, err := p.AnswerHeader()
		if err != nil || p.SkipAnswer() != nil {
			return
		}
		if d := time.Duration(h.TTL) * time.Second; !t.known || d < t.value {
			t.value, t.known = d, true
		}
	}
}

// least is the TTL within its bounds.
func (t *ttl) least() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.known {
		return ttlMost
	}
	return min(max(t.value, ttlLeast), ttlMost)
}

// address is one address of a name.
type address struct {
	ip     netip.Addr
	text   string       // with the port, to dial
	gone   atomic.Bool  // the name does not lead there any more: its connections are not used again
	failed atomic.Int64 // when a connection there failed last, Unix nanoseconds
}

// left reports whether a connection's address is gone. nil never is.
func (a *address) left() bool { return a != nil && a.gone.Load() }

// name is the name of an endpoint and what it leads to. Safe for concurrent use.
//
// Between Start and Close of its app a goroutine looks it up again and again, and
// requests take what is known: only those that come before the first answer wait
// for it. Without that goroutine (a replay) a request looks it up when its time is over.
type name struct {
	host, port string
	lookup     lookup
	kept       atomic.Bool           // the goroutine runs
	found      atomic.Pointer[found] // nil until the first lookup has ended
	next       atomic.Uint32         // which address is tried first
	turn       chan struct{}         // holds one token: who takes it may look up
	early      chan struct{}         // asks the goroutine to look up now
}

// found is the result of a lookup. It does not change.
type found struct {
	addresses []*address // if the last lookup failed, those of the one before
	err       error      // of the last lookup
	at, until time.Time
	failures  int // lookups that failed in a row
}

func newName(host, port string) *name {
	n := &name{host: host, port: port, lookup: systemLookup(), turn: make(chan struct{}, 1), early: make(chan struct{}, 1)}
	n.turn <- struct{}{}
	return n
}

// addresses are those to try. The error is the lookup's if it never found any.
func (e *Endpoint) addresses(ctx context.Context, a *App) ([]*address, error) {
	n := e.name
	f := n.found.Load()
	if f == nil || !n.kept.Load() && !time.Now().Before(f.until) {
		if err := e.resolve(ctx, a, f, false); err != nil {
			return nil, err
		}
		f = n.found.Load()
	}
	if len(f.addresses) == 0 {
		return nil, f.err
	}
	return f.addresses, nil
}

// resolve looks the name up, unless somebody else has done so since was the latest;
// keeper says that the goroutine of the name does it. The error is that ctx ended too
// early to say anything about the name.
func (e *Endpoint) resolve(ctx context.Context, a *App, was *found, keeper bool) error {
	n := e.name
	select {
	case <-n.turn:
	case <-ctx.Done():
		return &net.DNSError{Err: "no answer yet", Name: n.host, IsTimeout: true}
	}
	defer func() { n.turn <- struct{}{} }()
	if n.found.Load() != was {
		return nil
	}
	ips, ttl, err := n.lookup(ctx, n.host)
	if cause := ctx.Err(); err != nil && (cause == context.Canceled || cause != nil && !keeper && n.kept.Load()) {
		return err
	}
	now := time.Now()
	f := &found{at: now, err: err}
	var old []*address
	if was != nil {
		old = was.addresses
	}
	if err != nil {
		f.addresses = old
		if was != nil {
			f.failures = was.failures
		}
		f.until = now.Add(min(ttlLeast<<min(f.failures, 8), retryMost))
		f.failures++
	} else {
		f.until = now.Add(ttl + rand.N(ttl/10+1))
		f.addresses = e.name.renew(old, ips)
	}
	n.found.Store(f)
	e.settle(a, was, f)
	return nil
}

// renew makes the list of addresses, with those of old that are still in it.
func (n *name) renew(old []*address, ips []netip.Addr) []*address {
	var all []*address
	for _, ip := range ips {
		if i := slices.IndexFunc(old, func(a *address) bool { return a.ip == ip }); i >= 0 {
			all = append(all, old[i])
		} else {
			all = append(all, &address{ip: ip, text: net.JoinHostPort(ip.String(), n.port)})
		}
	}
	return all
}

// settle acts on what a lookup has changed: connections to addresses that are gone
// end when they are idle, and a mark of an upstream that has moved is tried again.
func (e *Endpoint) settle(a *App, was, f *found) {
	var old []*address
	var before error
	if was != nil {
		old, before = was.addresses, was.err
	}
	moved := len(old) != len(f.addresses)
	for _, o := range old {
		if !slices.Contains(f.addresses, o) {
			o.gone.Store(true)
			moved = true
		}
	}
	if moved {
		e.dropGone()
		if until := e.deadUntil.Load(); until != 0 && len(f.addresses) > 0 {
			e.deadUntil.CompareAndSwap(until, 1) // the next request tries it
		}
	}
	if a.Resolved != nil && ((before == nil) != (f.err == nil) || moved && was != nil) {
		var ips []netip.Addr
		for _, o := range f.addresses {
			ips = append(ips, o.ip)
		}
		a.Resolved(e.Name, ips, f.err)
	}
}

// keep looks the name up whenever its time is over, until ctx is done.
func (e *Endpoint) keep(ctx context.Context, a *App) {
	n := e.name
	defer n.kept.Store(false)
	for {
		if a.Lookups != nil {
			select {
			case a.Lookups <- struct{}{}:
			case <-ctx.Done():
				return
			}
		}
		limited, cancel := context.WithTimeout(ctx, lookupLimit)
		_ = e.resolve(limited, a, n.found.Load(), true) // what it found or not is in n.found
		cancel()
		if a.Lookups != nil {
			<-a.Lookups
		}
		pause := ttlLeast
		if f := n.found.Load(); f != nil {
			pause = time.Until(f.until)
		}
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-n.early:
			t.Stop()
		case <-t.C:
		}
	}
}

// suspect asks for a lookup before the time is over, because no address took a
// connection: the upstream may have moved. It does not wait.
func (n *name) suspect() {
	if f := n.found.Load(); f == nil || time.Since(f.at) < ttlLeast {
		return
	}
	select {
	case n.early <- struct{}{}:
	default:
	}
}

// isUnresolved reports whether an error is that a name has no address.
func isUnresolved(err error) bool {
	var e *net.DNSError
	return errors.As(err, &e)
}
