//go:build linux && !portable

package socket

import (
	"sync/atomic"
	"testing"
	"time"
)

func TestLot(t *testing.T) {
	l, err := NewLot()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	park := func(c *Conn) (uint64, chan struct{}) {
		woken := make(chan struct{}, 2)
		ticket, ok := l.Park(c, func() { woken <- struct{}{} })
		if !ok {
			t.Fatal("not parked")
		}
		return ticket, woken
	}
	wait := func(woken chan struct{}) {
		t.Helper()
		select {
		case <-woken:
		case <-time.After(5 * time.Second):
			t.Error("not woken")
		}
	}
	t.Run("data, again and again", func(t *testing.T) {
		c, peer := pair(t)
		buf := make([]byte, 8)
		for range 100 {
			ticket, woken := park(c)
			_, _ = peer.Write([]byte("x"))
			wait(woken)
			if l.Take(ticket) {
				t.Error("taken after it was woken")
			}
			if n, err := c.Read(buf); n != 1 || err != nil {
				t.Errorf("read %d, %v", n, err)
			}
		}
	})
	t.Run("data before it is parked", func(t *testing.T) {
		c, peer := pair(t)
		_, _ = peer.Write([]byte("x"))
		time.Sleep(20 * time.Millisecond)
		_, woken := park(c)
		wait(woken)
	})
	t.Run("FIN", func(t *testing.T) {
		c, peer := pair(t)
		_, woken := park(c)
		_ = peer.Close()
		wait(woken)
	})
	t.Run("RST", func(t *testing.T) {
		c, peer := pair(t)
		_, woken := park(c)
		_ = peer.SetLinger(0)
		_ = peer.Close()
		wait(woken)
	})
	t.Run("taken", func(t *testing.T) {
		c, peer := pair(t)
		ticket, woken := park(c)
		if l.Len() != 1 || !l.Take(ticket) || l.Len() != 0 || l.Take(ticket) {
			t.Error("take")
		}
		_, _ = peer.Write([]byte("x"))
		select {
		case <-woken:
			t.Error("woken after it was taken")
		case <-time.After(50 * time.Millisecond):
		}
		_, woken = park(c)
		wait(woken)
	})
	t.Run("each by one only", func(t *testing.T) {
		for range 200 {
			c, peer := pair(t)
			var owners atomic.Int32
			done := make(chan struct{})
			ticket, ok := l.Park(c, func() { owners.Add(1); close(done) })
			if !ok {
				t.Fatal("not parked")
			}
			go func() { _, _ = peer.Write([]byte("x")) }()
			if l.Take(ticket) {
				owners.Add(1)
			} else {
				<-done
			}
			if owners.Load() != 1 {
				t.Fatalf("%d owners", owners.Load())
			}
		}
	})
}

func TestLotClosed(t *testing.T) {
	l, err := NewLot()
	if err != nil {
		t.Fatal(err)
	}
	c, _ := pair(t)
	if _, ok := l.Park(c, func() {}); !ok {
		t.Error("not parked")
	}
	l.Close()
	if _, ok := l.Park(c, func() {}); ok {
		t.Error("parked in a closed lot")
	}
}
