package misbehaviour

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/integration_test/edgetest"
)

// The limits of a stage's edge.
const (
	headerTimeout = time.Second
	bodyTimeout   = time.Second
	idleTimeout   = 10 * time.Second
	response      = time.Second     // of the app, for the host quick.test
	farResponse   = 3 * time.Second // of the app that is far away
	connect       = 2 * time.Second
)

// A stage is an edge in front of an app that behaves, under normal.test, and one that
// does as it is told, under quick.test with a short response time and under patient.test
// with a long one.
type stage struct {
	t    *testing.T
	edge *edgetest.Edge
	good *app
	bad  *app
	far  *app // does as it is told too, under far.test, and is far away
}

// newStage starts an edge whose time limits are those above.
func newStage(t *testing.T) *stage {
	t.Helper()
	s := prepareStage(t, bodyTimeout)
	s.start()
	return s
}

// start starts the edge of a stage.
func (s *stage) start() {
	s.t.Helper()
	s.edge.Start()
	s.t.Cleanup(func() { s.edge.Sound(s.t) })
}

// prepareStage makes a stage whose edge does not run yet.
func prepareStage(t *testing.T, bodyTimeout time.Duration) *stage {
	t.Helper()
	s := &stage{t: t, good: newApp(t, false), bad: newApp(t, false), far: newApp(t, true)}
	s.edge = edgetest.New(t, fmt.Sprintf(`
listen: {http: ADDR}
data: data
limits: {header_timeout: %v, body_timeout: %v, idle_timeout: %v, max_body: 16MiB}
apps:
  good: "http://%s"
  quick: {upstreams: ["http://%[5]s"], timeouts: {connect: %v, response: %v}}
  far: {upstreams: ["http://%[8]s"], timeouts: {connect: %[6]v, response: %[9]v}}
  patient: {upstreams: ["http://%[5]s"], timeouts: {connect: %[6]v, response: 25s}}
sites:
  - {hosts: [normal.test], app: good}
  - {hosts: [quick.test], app: quick}
  - {hosts: [patient.test], app: patient}
  - {hosts: [far.test], app: far}
`, headerTimeout, bodyTimeout, idleTimeout, s.good.addr, s.bad.addr, connect, response, s.far.addr, farResponse))
	return s
}

// vitals are the edge's; the test ends if they cannot be had.
func (s *stage) vitals() edgetest.Vitals {
	s.t.Helper()
	v, err := s.edge.Vitals()
	if err != nil {
		s.t.Fatalf("the vitals of the edge: %v", err)
	}
	return v
}

// dial connects to the edge; the connection ends with the test.
func (s *stage) dial() *client {
	s.t.Helper()
	c, err := connectTo(s.edge.Addr, 0, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

// A client is a raw connection to the edge.
type client struct {
	*net.TCPConn
	br *bufio.Reader
}

// connectTo connects from one of several addresses, so that ports do not run out. rcvbuf,
// if not 0, is the size of the socket's receive buffer, in bytes; such a client is also
// as far away as an Ethernet, in segments of its size. Otherwise the loopback's kernel would take some
// megabytes of each answer for it.
func connectTo(addr string, i, rcvbuf int) (*client, error) {
	d := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+i%64))}}
	if rcvbuf > 0 {
		d.Control = func(_, _ string, raw syscall.RawConn) error {
			var err error
			if bad := raw.Control(func(fd uintptr) {
				err = errors.Join(syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, rcvbuf),
					syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, 1460))
			}); bad != nil {
				return bad
			}
			return err
		}
	}
	nc, err := d.DialContext(context.Background(), "tcp", addr)
	if err != nil {
		return nil, err
	}
	_ = nc.SetDeadline(time.Now().Add(2 * patience))
	return &client{nc.(*net.TCPConn), bufio.NewReaderSize(nc, 2048)}, nil
}

// answer reads the head of the next final answer; its Body is the rest.
func (c *client) answer(method string) (*http.Response, error) {
	for {
		resp, err := http.ReadResponse(c.br, &http.Request{Method: method})
		if err != nil || resp.StatusCode/100 != 1 || resp.StatusCode == 101 {
			return resp, err
		}
	}
}

// reset closes the connection with a RST.
func (c *client) reset() {
	_ = c.SetLinger(0)
	_ = c.Close()
}

// request makes a head; each line is a field line.
func request(method, target, host string, lines ...string) string {
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\n", method, target, host)
	for _, l := range lines {
		head += l + "\r\n"
	}
	return head + "\r\n"
}

// peaks looks at the edge a few times a second, in a goroutine of its own, until the
// returned function is called, and keeps the highest of each.
func (s *stage) peaks() (stop func() edgetest.Vitals) {
	var most edgetest.Vitals
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			if v, err := s.edge.FromOutside(); err == nil {
				most.Descriptors, most.Threads = max(most.Descriptors, v.Descriptors), max(most.Threads, v.Threads)
				most.Resident = max(most.Resident, v.Resident)
			}
			select {
			case <-done:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	})
	return func() edgetest.Vitals { close(done); wg.Wait(); return most }
}

// settle waits until the edge holds no more than before: descriptors and goroutines, but
// for some connections to apps that are kept for reuse.
func (s *stage) settle(t testing.TB, before edgetest.Vitals, kept int, limit time.Duration) edgetest.Vitals {
	t.Helper()
	for end := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		v := s.vitals()
		if v.Descriptors <= before.Descriptors+kept && v.Goroutines <= before.Goroutines+4 && v.Connections <= before.Connections {
			return v
		}
		if time.Now().After(end) {
			t.Errorf("after %v the edge still holds %v; before it held %v", limit, v, before)
			return v
		}
	}
}
