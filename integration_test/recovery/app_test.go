package recovery

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// message is one request as the app got it.
type message struct {
	method, target string
	fields         []field
	body           []byte
	trailers       []field
	status         int // what it was answered; 0: nothing
}

// reply is what the app does with a request.
type reply struct {
	status int
	delay  time.Duration // before the answer
	drop   bool          // close the connection in place of an answer
	raw    string        // this, in place of an HTTP answer; then close
	early  bool          // answer before the body is read, and close
}

// app records what it gets from raw sockets, with the strict reader.
type app struct {
	URL string

	mu     sync.Mutex
	decide func(*message) reply // sees the head only
	got    []*message
	wrong  []error
	ln     net.Listener
	conns  map[net.Conn]bool
	addr   string
	closed chan struct{} // while it is down
	wg     sync.WaitGroup
}

// newApp starts an app that answers 200. It ends with the test, which fails if
// anything that is not HTTP reached the app.
func newApp(t testing.TB) *app {
	t.Helper()
	a := &app{conns: make(map[net.Conn]bool), addr: "127.0.0.1:0"}
	a.up(t)
	t.Cleanup(func() {
		a.down()
		for _, err := range a.wrong {
			t.Errorf("the app at %s got what it should not: %v", a.URL, err)
		}
	})
	return a
}

// answers makes decide say what becomes of each request; nil is 200.
func (a *app) answers(decide func(*message) reply) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.decide = decide
}

// up listens, on the address it had before.
func (a *app) up(t testing.TB) {
	t.Helper()
	ln, err := net.Listen("tcp", a.addr)
	if err != nil {
		t.Fatal(err)
	}
	a.mu.Lock()
	a.ln, a.addr, a.closed = ln, ln.Addr().String(), make(chan struct{})
	closed := a.closed
	a.URL = "http://" + a.addr
	a.mu.Unlock()
	a.wg.Add(1)
	go func() {
		defer a.wg.Done()
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			a.mu.Lock()
			a.conns[nc] = true
			a.mu.Unlock()
			a.wg.Add(1)
			go a.serve(nc, closed)
		}
	}()
}

// down refuses connections and breaks those that are open.
func (a *app) down() {
	a.mu.Lock()
	if a.ln.Close() == nil { // it was up
		close(a.closed)
	}
	for nc := range a.conns {
		_ = nc.Close()
	}
	a.mu.Unlock()
	a.wg.Wait()
}

// requests returns what was received whole and forgets it.
func (a *app) requests() []*message {
	a.mu.Lock()
	defer a.mu.Unlock()
	got := a.got
	a.got = nil
	return got
}

// count is how many requests were received whole and are not forgotten.
func (a *app) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.got)
}

func (a *app) serve(nc net.Conn, closed <-chan struct{}) {
	defer a.wg.Done()
	defer func() {
		_ = nc.Close()
		a.mu.Lock()
		delete(a.conns, nc)
		a.mu.Unlock()
	}()
	r := bufio.NewReaderSize(nc, 64<<10)
	for {
		keep, err := a.one(nc, r, closed)
		if err != nil && strings.Contains(err.Error(), errWire.Error()) {
			a.mu.Lock()
			a.wrong = append(a.wrong, err)
			a.mu.Unlock()
		}
		if err != nil || !keep {
			return
		}
	}
}

// one serves one request.
func (a *app) one(nc net.Conn, r *bufio.Reader, closed <-chan struct{}) (keep bool, err error) {
	line, err := readLine(r)
	if err != nil {
		return false, err
	}
	part := strings.Split(line, " ")
	if len(part) != 3 || !isToken(part[0]) || part[1] == "" || part[2] != "HTTP/1.1" {
		return false, wrong("request line %q", line)
	}
	m := &message{method: part[0], target: part[1]}
	if m.fields, err = readFields(r); err != nil {
		return false, err
	}
	if _, ok := one(m.fields, "Host"); !ok {
		return false, wrong("Host %q", values(m.fields, "Host"))
	}
	length, _, err := framing(m.fields)
	if err != nil {
		return false, err
	}
	a.mu.Lock()
	decide := a.decide
	a.mu.Unlock()
	do := reply{status: 200}
	if decide != nil {
		do = decide(m)
	}
	m.status = do.status
	if do.early {
		if _, err := io.WriteString(nc, plain(do.status, "Connection: close\r\n")); err != nil {
			return false, err
		}
		// As a server that does not want the body: it reads on for a moment, so that
		// its answer is not lost to a reset.
		_ = nc.(*net.TCPConn).CloseWrite()
		_ = nc.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		_, _ = io.Copy(io.Discard, r)
		return false, nil
	}
	if m.body, m.trailers, err = readBody(r, length); err != nil {
		return false, err
	}
	a.mu.Lock()
	a.got = append(a.got, m)
	a.mu.Unlock()
	if do.delay > 0 {
		select {
		case <-time.After(do.delay):
		case <-closed:
		}
	}
	switch {
	case do.drop:
		return false, nil
	case do.raw != "":
		_, err = io.WriteString(nc, do.raw)
		return false, err
	}
	_, err = io.WriteString(nc, plain(do.status, ""))
	return true, err
}

// plain is a short answer.
func plain(status int, fields string) string {
	body := "status " + strconv.Itoa(status) + "\n"
	return fmt.Sprintf("HTTP/1.1 %d Status\r\nContent-Type: text/plain\r\n%sContent-Length: %d\r\n\r\n%s", status, fields, len(body), body)
}
