package http1

import (
	"runtime/debug"
	"time"

	"github.com/holdfast-edge/holdfast/edge/socket"
)

const (
	// parkAfter is how long a connection is idle before its goroutine ends: longer
	// than a browser takes for the next thing on a page.
	parkAfter = 2 * time.Second
	// tendEvery is how often the parked ones are looked at.
	tendEvery = time.Second
	// trimAt is how many connections are parked before the memory their
	// goroutines had is given back to the system, and trimPause how often at most:
	// it takes a garbage collection.
	trimAt    = 1000
	trimPause = time.Minute
)

// openLot makes the place for idle connections. The lock is held.
func (s *Server) openLot() {
	lot, err := socket.NewLot()
	if err != nil {
		return // they wait in their goroutines
	}
	s.lot = lot
	if s.parkAfter == 0 {
		s.parkAfter = parkAfter
	}
	s.quit, s.tended = make(chan struct{}), make(chan struct{})
	go s.tend(s.quit)
}

// closeLot ends what openLot began; nothing is parked any more.
func (s *Server) closeLot() {
	s.mu.Lock()
	quit := s.quit
	s.quit = nil
	s.mu.Unlock()
	if quit == nil {
		return
	}
	close(quit)
	<-s.tended
	s.lot.Close()
}

// tend ends parked connections whose time is up, and gives memory back after many
// were parked.
func (s *Server) tend(quit <-chan struct{}) {
	defer close(s.tended)
	tick := time.NewTicker(tendEvery)
	defer tick.Stop()
	var trimmed time.Time
	var before, atTrim int64
	for {
		select {
		case <-quit:
			return
		case now := <-tick.C:
			if s.lot.Len() > 0 {
				s.expire(now.Add(-s.Limits().IdleTimeout))
			}
			parks := s.parks.Load()
			if parks == before && parks-atTrim >= trimAt && now.Sub(trimmed) >= trimPause {
				debug.FreeOSMemory()
				trimmed, atTrim = now, parks
			}
			before = parks
		}
	}
}

// expire ends the connections that have been idle since before a time.
func (s *Server) expire(before time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.wakeIdle(before)
	}
}
