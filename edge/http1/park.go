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

// sleep prepares the wait for the next request: it gives the memory back and sets
// the deadline. It returns false, with the state, if the connection is to end instead.
func (c *conn) sleep() bool {
	c.reading = readIdle
	var now time.Time
	if c.work != nil {
		now = c.x.Now
		c.detach()
	}
	if now.IsZero() {
		now = time.Now()
	}
	c.idleMu.Lock()
	defer c.idleMu.Unlock()
	if c.server.draining.Load() {
		c.state = stateEnd
		return false
	}
	if c.idleSince.IsZero() {
		c.idleSince = now
	}
	// Bytes that are no request yet (a part of a TLS record) gain no time.
	limit := c.server.Limits().IdleTimeout - now.Sub(c.idleSince)
	if limit <= 0 {
		c.state = stateEnd
		return false
	}
	if c.server.lot != nil {
		limit = min(limit, c.server.parkAfter)
	}
	if c.idleUntil.Sub(now) < limit { // set anew at most once a second
		c.idleUntil = now.Add(limit + min(time.Second, limit/4))
		_ = c.sock.SetReadDeadline(c.idleUntil)
	}
	c.idle = true
	return true
}

// enter waits for park to have let go of the connection.
func (c *conn) enter() {
	c.idleMu.Lock()
	c.idle, c.ticket = false, 0
	c.idleMu.Unlock()
}

// wake ends the wait. From here on no deadline but those of the request itself is set.
func (c *conn) wake() {
	if !c.idle { // only this goroutine writes it
		return
	}
	c.idleMu.Lock()
	c.idle = false
	c.idleMu.Unlock()
}

// park leaves the connection, which has been idle for a while, to the server's lot. It
// returns false if it is to end instead. After true it belongs to whoever takes it out.
func (c *conn) park() bool {
	c.idleMu.Lock()
	defer c.idleMu.Unlock()
	s := c.server
	if s.lot == nil || !c.idle || c.unread() > 0 || s.draining.Load() || time.Since(c.idleSince) >= s.Limits().IdleTimeout {
		return false
	}
	c.detach()
	c.idleUntil = time.Time{}
	_ = c.sock.SetReadDeadline(time.Time{})
	ticket, ok := s.lot.Park(c.sock, c.resume)
	c.ticket = ticket
	if ok {
		s.parks.Add(1)
	}
	return ok
}

// resume serves the connection again. serve waits for park to have let go.
func (c *conn) resume() {
	go c.server.run(c)
}

// wakeIdle ends the wait of an idle connection from outside, if it has been idle since
// before a time.
func (c *conn) wakeIdle(before time.Time) {
	c.idleMu.Lock()
	defer c.idleMu.Unlock()
	switch {
	case !c.idle || c.idleSince.After(before):
	case c.ticket == 0:
		_ = c.sock.SetReadDeadline(time.Unix(1, 0))
	case c.server.lot.Take(c.ticket):
		c.ticket = 0
		c.state = stateEnd
		c.resume()
	}
}
