package upstream

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"
)

// Many failures at once are one; a mark that has ended is tried by one request at a
// time; who is told hears of the change once.
func TestMarks(t *testing.T) {
	var told []bool
	e := &Endpoint{Address: "127.0.0.1:1", Name: "x"}
	a := NewApp("a", []*Endpoint{e})
	a.Connect, a.Response = time.Second, time.Second
	a.Marked = func(_ string, cause error) { told = append(told, cause != nil) }
	for range 20 {
		a.refused(e, errors.New("refused"))
	}
	if back := time.Duration(e.backoff.Load()); back != deadFirst {
		t.Errorf("twenty failures at once make a pause of %v", back)
	}
	both := NewApp("b", []*Endpoint{e, {Name: "y"}})
	both.endpoints[1].active.Store(5) // busy, so that the other one is preferred
	e.deadUntil.Store(time.Now().UnixNano() - 1)
	if k := both.pick(0, time.Now().UnixNano()); k != 0 || !e.claim(time.Now(), time.Minute) {
		t.Errorf("picked %d: the mark has ended", k)
	}
	if k := both.pick(0, time.Now().UnixNano()); k != 1 {
		t.Errorf("picked %d while another request finds out whether 0 is back", k)
	}
	a.well(e)
	a.well(e)
	if len(told) != 2 || !told[0] || told[1] || e.deadUntil.Load() != 0 {
		t.Errorf("told %v", told)
	}
}

// A dial counts before it stands: an upstream that does not answer is not idle.
func TestDialCounts(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &Endpoint{Address: ln.Addr().String(), Name: "x"}
	a := NewApp("a", []*Endpoint{e})
	a.Connect, a.Response = time.Second, time.Second
	var tried Tried
	c, err := a.Acquire(context.Background(), nil, time.Now(), &tried, false)
	if err != nil || e.active.Load() != 1 {
		t.Fatalf("%v, %d active", err, e.active.Load())
	}
	c.Discard(false)
	_ = ln.Close()
	tried = 0
	if _, err := a.Acquire(context.Background(), nil, time.Now(), &tried, true); !errors.Is(err, ErrUnreachable) || e.active.Load() != 0 {
		t.Errorf("%v, %d active", err, e.active.Load())
	}
}
