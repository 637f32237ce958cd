package desync

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A ledger is what all apps saw. Safe for concurrent use.
type ledger struct {
	serial atomic.Int64
	conns  atomic.Int64

	mu       sync.Mutex
	complete map[int64]*seen // by serial
	partial  []*seen
	faults   []fault
	gamma    []string // what reached the app that nothing may reach
}

// A fault is a violation of the protocol by the edge, with the bytes that showed it.
type fault struct {
	what string
	r    *seen
}

func newLedger() *ledger { return &ledger{complete: map[int64]*seen{}} }

// request returns the request that got the serial, or nil.
func (l *ledger) request(serial int64) *seen {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.complete[serial]
}

// An app is a TCP server that reads requests strictly and answers each with its serial.
type app struct {
	name   string
	l      *ledger
	ln     net.Listener
	mu     sync.Mutex
	open   map[net.Conn]bool
	closed bool
	wg     sync.WaitGroup
}

// startApp listens on a free loopback port until the test ends.
func startApp(t *testing.T, name string, l *ledger) *app {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &app{name: name, l: l, ln: ln, open: map[net.Conn]bool{}}
	a.wg.Go(a.accept)
	t.Cleanup(a.stop)
	return a
}

func (a *app) addr() string { return a.ln.Addr().String() }

// stop closes the listener and all connections, and waits for what they ran.
func (a *app) stop() {
	a.mu.Lock()
	a.closed = true
	a.ln.Close()
	for c := range a.open {
		c.Close()
	}
	a.mu.Unlock()
	a.wg.Wait()
}

func (a *app) accept() {
	for {
		c, err := a.ln.Accept()
		if err != nil {
			return
		}
		a.mu.Lock()
		if a.closed {
			c.Close()
		} else {
			a.open[c] = true
			a.wg.Go(func() { a.serve(c) })
		}
		a.mu.Unlock()
	}
}

// serve reads and answers requests until the connection ends or the edge breaks a rule.
func (a *app) serve(c net.Conn) {
	defer func() {
		c.Close()
		a.mu.Lock()
		delete(a.open, c)
		a.mu.Unlock()
	}()
	id := a.l.conns.Add(1)
	q := &requestReader{br: bufio.NewReader(c)}
	for {
		r := &seen{app: a.name, conn: id}
		err := q.next(r)
		if err == io.EOF {
			return
		}
		// Under /early/ the answer goes out before the body is read, as apps that refuse an
		// upload do.
		early := err == nil && strings.HasPrefix(r.target, "/early/")
		if early {
			r.serial = a.l.serial.Add(1)
			if a.answer(c, r) != nil {
				return
			}
		}
		if err == nil {
			err = q.bodyOf()
		}
		if !a.record(r, err) {
			return
		}
		if !early && a.answer(c, r) != nil {
			return
		}
	}
}

// record enters r in the ledger and says whether the connection goes on.
func (a *app) record(r *seen, err error) bool {
	a.l.mu.Lock()
	defer a.l.mu.Unlock()
	if a.name == "gamma" {
		a.l.gamma = append(a.l.gamma, string(r.raw))
	}
	var v *violation
	switch {
	case err == nil:
		if r.serial == 0 {
			r.serial = a.l.serial.Add(1)
		}
		a.l.complete[r.serial] = r
		for _, f := range r.manners() {
			a.l.faults = append(a.l.faults, fault{f, r})
		}
		return true
	case errors.As(err, &v):
		a.l.faults = append(a.l.faults, fault{v.what, r})
	default:
		a.l.partial = append(a.l.partial, r)
	}
	return false
}

// answer tells the client which app, which request, and what it was taken for.
func (a *app) answer(c net.Conn, r *seen) error {
	body := a.name + " " + r.method + " " + r.target
	answer := fmt.Sprintf("HTTP/1.1 200 OK\r\nX-App: %s\r\nX-Serial: %d\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n",
		a.name, r.serial, len(body))
	if r.method != "HEAD" {
		answer += body
	}
	c.SetWriteDeadline(time.Now().Add(10 * time.Second))
	_, err := io.WriteString(c, answer)
	return err
}
