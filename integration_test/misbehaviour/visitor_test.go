package misbehaviour

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

// visitorConns is how many connections the visitor has. It keeps them all.
const visitorConns = 16

// A visitor is the normal client: it asks at a fixed rate, whether or not it has had its
// answers, and a request's time begins when it was due. So what stops the edge for a
// second is seen by all requests of that second, not by one.
type visitor struct {
	addr string
	host string
	rate int
	idle chan *visit

	mu   sync.Mutex
	now  *figures
	stop chan struct{}
	wg   sync.WaitGroup
}

// figures are what the visitor saw within a stretch of time.
type figures struct {
	took   []time.Duration
	failed []string
}

// visit is one of the visitor's connections; nc is nil when it has none yet.
type visit struct {
	nc    net.Conn
	br    *bufio.Reader
	count int
}

// newVisitor starts asking, rate times a second, until the test ends. Requests that
// failed outside of all windows fail the test as well.
func newVisitor(t testing.TB, addr, host string, rate int) *visitor {
	v := &visitor{addr: addr, host: host, rate: rate, idle: make(chan *visit, visitorConns), now: &figures{}, stop: make(chan struct{})}
	for range visitorConns {
		c := &visit{}
		if err := v.ask(c); err != nil {
			t.Fatalf("the visitor, before it began: %v", err)
		}
		v.idle <- c
	}
	v.wg.Go(v.run)
	t.Cleanup(func() { v.end(t) })
	return v
}

// end stops asking; more than once does nothing.
func (v *visitor) end(t testing.TB) {
	select {
	case <-v.stop:
		return
	default:
	}
	close(v.stop)
	v.wg.Wait()
	v.cut().sound(t, "outside of the windows")
	for range visitorConns {
		if c := <-v.idle; c.nc != nil {
			_ = c.nc.Close()
		}
	}
}

func (v *visitor) run() {
	every := time.Second / time.Duration(v.rate)
	for due := time.Now().Add(every); ; due = due.Add(every) {
		select {
		case <-v.stop:
			return
		case <-time.After(time.Until(due)):
		}
		v.wg.Go(func() {
			c := <-v.idle
			err := v.ask(c)
			if err != nil && c.nc != nil {
				_ = c.nc.Close()
				c.nc = nil
			}
			took := time.Since(due)
			v.idle <- c
			v.mu.Lock()
			defer v.mu.Unlock()
			v.now.took = append(v.now.took, took)
			if err != nil {
				v.now.failed = append(v.now.failed, fmt.Sprintf("after %v: %v", took.Round(time.Millisecond), err))
			}
		})
	}
}

// ask sends a GET or a POST and checks the answer whole.
func (v *visitor) ask(c *visit) error {
	if c.nc == nil {
		nc, err := net.DialTimeout("tcp", v.addr, patience)
		if err != nil {
			return err
		}
		c.nc, c.br = nc, bufio.NewReader(nc)
	}
	_ = c.nc.SetDeadline(time.Now().Add(patience))
	c.count++
	want, method := page, "GET"
	request := fmt.Appendf(nil, "GET /visit HTTP/1.1\r\nHost: %s\r\n\r\n", v.host)
	if c.count%2 == 0 {
		want, method = page[:512], "POST"
		request = fmt.Appendf(nil, "POST /visit HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s", v.host, len(want), want)
	}
	if _, err := c.nc.Write(request); err != nil {
		return err
	}
	resp, err := http.ReadResponse(c.br, nil)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 || !bytes.Equal(body, want) {
		return fmt.Errorf("%s was answered %d with %d bytes, %v", method, resp.StatusCode, len(body), err)
	}
	return nil
}

// cut begins a new window and returns the old one.
func (v *visitor) cut() *figures {
	v.mu.Lock()
	defer v.mu.Unlock()
	old := v.now
	v.now = &figures{}
	return old
}

// window is what the visitor sees from now on, for d.
func (v *visitor) window(t testing.TB, d time.Duration) *figures {
	t.Helper()
	v.cut().sound(t, "between windows")
	time.Sleep(d)
	return v.cut()
}

// sound fails the test if a request failed.
func (f *figures) sound(t testing.TB, when string) {
	t.Helper()
	if n := len(f.failed); n > 0 {
		t.Errorf("%d of the visitor's %d requests failed %s, the first %s", n, len(f.took), when, f.failed[0])
	}
}

// quantile is the time that a share q of the requests did not exceed.
func (f *figures) quantile(q float64) time.Duration {
	if len(f.took) == 0 {
		return 0
	}
	slices.Sort(f.took)
	return f.took[int(q*float64(len(f.took)-1)+0.5)]
}
