package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// nameServer is a DNS server on loopback. Safe for concurrent use.
type nameServer struct {
	pc net.PacketConn

	mu      sync.Mutex
	ips     []netip.Addr // of every name that is asked for
	ttl     uint32
	rcode   dnsmessage.RCode
	silent  bool
	queries int
}

func newNameServer(t *testing.T, ttl uint32, ips ...string) *nameServer {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &nameServer{pc: pc, ttl: ttl}
	s.set(ips...)
	done := make(chan struct{})
	go func() { defer close(done); s.serve() }()
	t.Cleanup(func() { _ = pc.Close(); <-done })
	return s
}

// set changes what names lead to.
func (s *nameServer) set(ips ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ips, s.rcode, s.silent = nil, dnsmessage.RCodeSuccess, false
	for _, ip := range ips {
		s.ips = append(s.ips, netip.MustParseAddr(ip))
	}
}

// fail answers with a code; 0 is no answer at all.
func (s *nameServer) fail(code dnsmessage.RCode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rcode, s.silent = code, code == 0
}

func (s *nameServer) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queries
}

func (s *nameServer) serve() {
	p := make([]byte, 1500)
	for {
		n, from, err := s.pc.ReadFrom(p)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(p[:n]) != nil || len(m.Questions) != 1 {
			continue
		}
		q := m.Questions[0]
		s.mu.Lock()
		s.queries++
		m.Response, m.Authoritative, m.RCode, m.Additionals = true, true, s.rcode, nil
		for _, ip := range s.ips {
			h := dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: s.ttl}
			switch {
			case s.rcode != 0:
			case q.Type == dnsmessage.TypeA && ip.Is4():
				m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: ip.As4()}})
			case q.Type == dnsmessage.TypeAAAA && ip.Is6():
				m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: ip.As16()}})
			}
		}
		silent := s.silent
		s.mu.Unlock()
		if out, err := m.Pack(); err == nil && !silent {
			_, _ = s.pc.WriteTo(out, from)
		}
	}
}

// serves makes the names of an app be looked up here.
func (s *nameServer) serves(a *App) {
	for _, e := range a.endpoints {
		if e.name != nil {
			e.name.lookup = lookupBy(func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, s.pc.LocalAddr().String())
			})
		}
	}
}

// told keeps what an app tells of lookups.
type told struct {
	mu  sync.Mutex
	all []string
}

func (l *told) resolved(_ string, addresses []netip.Addr, cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, fmt.Sprint(addresses, cause != nil))
}

func (l *told) list() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.all)
}

// siblings listen on the same port of several loopback addresses.
func siblings(t *testing.T, serve func(net.Conn), ips ...string) (all []*server, port string) {
	t.Helper()
	first := listen(t, "tcp", ips[0]+":0", serve)
	_, port, _ = net.SplitHostPort(first.Addr().String())
	all = append(all, first)
	for _, ip := range ips[1:] {
		all = append(all, listen(t, "tcp", net.JoinHostPort(ip, port), serve))
	}
	return all, port
}

func TestLookup(t *testing.T) {
	ns := newNameServer(t, 7, "127.0.0.1", "::1", "127.0.0.1", "192.0.2.1")
	a := newApp(t, nil, "http://app.test:80")
	ns.serves(a)
	tests := []struct {
		ttl  uint32
		want time.Duration
	}{{7, 7 * time.Second}, {0, ttlLeast}, {3600, ttlMost}}
	for _, tt := range tests {
		ns.mu.Lock()
		ns.ttl = tt.ttl
		ns.mu.Unlock()
		ips, ttl, err := a.endpoints[0].name.lookup(t.Context(), "app.test")
		if err != nil || ttl != tt.want || len(ips) != 3 {
			t.Errorf("%v, good for %v, %v; want %v", ips, ttl, err, tt.want)
		}
	}
	ns.fail(dnsmessage.RCodeNameError)
	if _, _, err := a.endpoints[0].name.lookup(t.Context(), "app.test"); !isUnresolved(err) {
		t.Errorf("%v", err)
	}
	// Without a name server: /etc/hosts.
	ips, ttl, err := systemLookup()(t.Context(), "localhost")
	if err != nil || ttl != ttlMost || !slices.Contains(ips, netip.MustParseAddr("127.0.0.1")) && !slices.Contains(ips, netip.IPv6Loopback()) {
		t.Errorf("%v %v %v", ips, ttl, err)
	}
}

// A name that moves: new requests go to the new address when the TTL is over, and the
// connections to the old one are not used again.
func TestNameMoves(t *testing.T) {
	t.Parallel()
	apps, port := siblings(t, answerAll(okAnswer), "127.0.0.1", "127.0.0.2")
	ns := newNameServer(t, 1, "127.0.0.1")
	a := newApp(t, nil, "http://app.test:"+port)
	ns.serves(a)
	var log told
	a.Resolved, a.Lookups = log.resolved, make(chan struct{}, 1)
	a.Start()
	for range 10 {
		if status, peer, err := ask(a); err != nil || status != 200 || !strings.HasPrefix(peer, "127.0.0.1:") {
			t.Fatalf("%d %s %v", status, peer, err)
		}
	}
	var tried Tried
	busy, err := a.Acquire(t.Context(), nil, time.Now(), &tried, false) // in use while the name moves
	if err != nil {
		t.Fatal(err)
	}
	_, _ = busy.Write([]byte("GET / HTTP/1.1\r\nHost: h\r\n\r\n"))
	_, _, _ = ask(a) // a second one, idle while the name moves
	ns.set("127.0.0.2")
	eventually(t, "requests go to the new address", func() bool {
		_, peer, err := ask(a)
		return err == nil && strings.HasPrefix(peer, "127.0.0.2:")
	})
	busy.Await()
	if _, err := finish(busy); err != nil {
		t.Errorf("the request under way got %v", err)
	}
	busy.Release(true)
	for range 10 {
		if _, peer, err := ask(a); err != nil || !strings.HasPrefix(peer, "127.0.0.2:") {
			t.Errorf("%s %v", peer, err)
		}
	}
	if n := apps[1].opened.Load(); n != 1 {
		t.Errorf("%d connections to the new address", n)
	}
	// A failure keeps what is known, and is told once; so is its end.
	ns.fail(dnsmessage.RCodeServerFailure)
	eventually(t, "it fails", func() bool { return len(log.list()) == 2 })
	queries := ns.asked()
	eventually(t, "it is looked up again", func() bool { return ns.asked() > queries+4 })
	if _, peer, err := ask(a); err != nil || !strings.HasPrefix(peer, "127.0.0.2:") {
		t.Errorf("%s %v", peer, err)
	}
	ns.set("127.0.0.2")
	eventually(t, "it is well again", func() bool { return len(log.list()) == 3 })
	if got := fmt.Sprint(log.list()); got != "[[127.0.0.2] false [127.0.0.2] true [127.0.0.2] false]" {
		t.Errorf("told %s", got)
	}
}

// An upstream without an address is down, at once for all requests but the first, and
// comes back when it has one.
func TestUnresolved(t *testing.T) {
	t.Parallel()
	s, port := siblings(t, answerAll(okAnswer), "127.0.0.1")
	ns := newNameServer(t, 1)
	a := newApp(t, nil, "http://app.test:"+port)
	ns.serves(a)
	ns.fail(dnsmessage.RCodeNameError)
	var log told
	a.Resolved = log.resolved
	a.Start()
	if _, _, err := ask(a); !errors.Is(err, ErrUnreachable) || !strings.Contains(Reason(err), "name has no address") {
		t.Errorf("%v", err)
	}
	ns.fail(0) // silent from now on: nobody may wait for it
	began := time.Now()
	for range 100 {
		if _, _, err := ask(a); !errors.Is(err, ErrUnreachable) {
			t.Errorf("%v", err)
		}
	}
	if d := time.Since(began); d > 500*time.Millisecond {
		t.Errorf("100 requests took %v", d)
	}
	ns.set("127.0.0.1")
	eventually(t, "it answers", func() bool { _, _, err := ask(a); return err == nil })
	if s[0].opened.Load() != 1 {
		t.Error("more than one connection")
	}
	if got := fmt.Sprint(log.list()); got != "[[] true [127.0.0.1] false]" {
		t.Errorf("told %s", got)
	}
}

// The first request waits for a slow name server as long as a connection may take.
func TestFirstLookupIsBounded(t *testing.T) {
	t.Parallel()
	ns := newNameServer(t, 1)
	ns.fail(0)
	for _, started := range []bool{true, false} {
		a := newApp(t, nil, "http://app.test:80")
		a.Connect = 200 * time.Millisecond
		ns.serves(a)
		if started {
			a.Start()
		}
		began := time.Now()
		_, _, err := ask(a)
		if d := time.Since(began); !errors.Is(err, ErrUnreachable) || d < 150*time.Millisecond || d > 2*time.Second {
			t.Errorf("%v after %v", err, d)
		}
		a.Close()
	}
}

// Without Start, as in a replay, a request looks the name up when its time is over.
func TestLookupOnDemand(t *testing.T) {
	t.Parallel()
	_, port := siblings(t, answerAll(okAnswer), "127.0.0.1", "127.0.0.2")
	ns := newNameServer(t, 1, "127.0.0.1")
	a := newApp(t, nil, "http://app.test:"+port)
	ns.serves(a)
	for range 5 {
		if _, peer, err := ask(a); err != nil || !strings.HasPrefix(peer, "127.0.0.1:") {
			t.Fatalf("%s %v", peer, err)
		}
	}
	if n := ns.asked(); n != 2 { // A and AAAA
		t.Errorf("%d queries for five requests", n)
	}
	ns.set("127.0.0.2")
	time.Sleep(1200 * time.Millisecond)
	a.endpoints[0].sweep(time.Time{})
	if _, peer, err := ask(a); err != nil || !strings.HasPrefix(peer, "127.0.0.2:") {
		t.Errorf("%s %v", peer, err)
	}
	ns.fail(dnsmessage.RCodeServerFailure)
	time.Sleep(1200 * time.Millisecond)
	a.endpoints[0].sweep(time.Time{})
	if _, peer, err := ask(a); err != nil || !strings.HasPrefix(peer, "127.0.0.2:") {
		t.Errorf("%s %v", peer, err)
	}
}

// Several addresses are used in turn; one that refuses or does not answer costs no
// request.
func TestSeveralAddresses(t *testing.T) {
	t.Parallel()
	apps, port := siblings(t, answerAll("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"), "127.0.0.1", "127.0.0.2", "127.0.0.3")
	ns := newNameServer(t, 60, "127.0.0.1", "127.0.0.2", "127.0.0.3")
	a := newApp(t, nil, "http://app.test:"+port)
	ns.serves(a)
	for range 30 {
		if status, _, err := ask(a); err != nil || status != 200 {
			t.Fatalf("%d %v", status, err)
		}
	}
	for i, s := range apps {
		if n := s.opened.Load(); n != 10 {
			t.Errorf("address %d got %d of 30", i, n)
		}
	}
	a.Marked = func(_ string, cause error) { t.Errorf("marked: %v", cause) }
	_ = apps[1].Close()
	for range 30 {
		if status, _, err := ask(a); err != nil || status != 200 {
			t.Fatalf("%d %v", status, err)
		}
	}
	if one, three := apps[0].opened.Load(), apps[2].opened.Load(); one+three != 50 || one < 20 || three < 20 {
		t.Errorf("%d and %d", one, three)
	}
}

func TestDeafAddress(t *testing.T) {
	t.Parallel()
	_, port := siblings(t, answerAll("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"), "127.0.0.1", "127.0.0.2")
	ns := newNameServer(t, 60, "127.0.0.1", "127.0.0.2")
	a := newApp(t, nil, "http://app.test:"+port)
	ns.serves(a)
	if _, _, err := ask(a); err != nil {
		t.Fatal(err)
	}
	a.endpoints[0].name.found.Load().addresses[0].text = deafAddr(t)
	began := time.Now()
	for range 6 {
		if _, peer, err := ask(a); err != nil || peer != "127.0.0.2:"+port {
			t.Fatalf("%s %v", peer, err)
		}
	}
	if d := time.Since(began); d > time.Second {
		t.Errorf("six requests took %v with one of two addresses deaf", d)
	}
}
