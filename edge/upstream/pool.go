package upstream

import "time"

// Idle connections: how long one is kept, and how many per upstream. The time is
// below the keep-alive of common servers; one that announces a shorter one
// (Keep-Alive: timeout=5) is believed, less a second.
const (
	idleTime = 50 * time.Second
	maxIdle  = 512
)

// reuse returns the idle connection that was used last. Whether it is still open is
// seen when the request is about to leave.
func (e *Endpoint) reuse(now time.Time) *Conn {
	for {
		e.mu.Lock()
		n := len(e.idle)
		if n == 0 {
			e.mu.Unlock()
			return nil
		}
		c := e.idle[n-1]
		e.idle[n-1] = nil
		e.idle = e.idle[:n-1]
		e.mu.Unlock()
		if now.Before(c.expires) {
			c.reused, c.now = true, now
			e.active.Add(1)
			return c
		}
		_ = c.sock.Close()
	}
}

// put keeps a connection for reuse.
func (e *Endpoint) put(c *Conn) {
	e.mu.Lock()
	if len(e.idle) < maxIdle && !e.closed && !c.from.left() {
		e.idle = append(e.idle, c)
		c = nil
	}
	e.mu.Unlock()
	if c != nil {
		_ = c.sock.Close()
	}
}

// sweep closes the idle connections whose time is up; all of them for the zero time.
func (e *Endpoint) sweep(now time.Time) {
	var old []*Conn
	e.mu.Lock()
	keep := e.idle[:0]
	for _, c := range e.idle {
		if now.IsZero() || now.After(c.expires) {
			old = append(old, c)
		} else {
			keep = append(keep, c)
		}
	}
	clear(e.idle[len(keep):])
	e.idle = keep
	e.mu.Unlock()
	for _, c := range old {
		_ = c.sock.Close()
	}
}
