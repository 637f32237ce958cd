package accesslog

import (
	"sync"
	"time"

	"github.com/rs/zerolog"
)

const (
	complainEvery    = 10 * time.Second
	complainPatience = 200 * time.Millisecond // with a log that nobody reads, at the end
)

// complaints puts trouble into the operational log, each kind at most every ten
// seconds with the number of times it was left out. What happens in the
// background has no caller to return an error to.
//
// Saying it never blocks the caller: whoever reads the log may have stopped, and
// commits must not wait for that. A message is written by a goroutine of its own,
// at most one at a time.
type complaints struct {
	log     zerolog.Logger
	message string
	writing chan struct{} // holds a token while a message is written

	mu     sync.Mutex
	last   time.Time
	silent int
}

func newComplaints(log zerolog.Logger, message string) *complaints {
	return &complaints{log: log, message: message, writing: make(chan struct{}, 1)}
}

// due reports whether add would say something now, for callers to whom making
// the error costs too much.
func (c *complaints) due() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Since(c.last) >= complainEvery
}

func (c *complaints) add(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if now.Sub(c.last) < complainEvery {
		c.silent++
		return
	}
	select {
	case c.writing <- struct{}{}:
	default: // the last message has not been taken yet
		c.silent++
		return
	}
	event := c.log.Error().Err(err)
	if c.silent > 0 {
		event = event.Int("not_shown", c.silent)
	}
	c.last, c.silent = now, 0
	go func() {
		event.Msg(c.message)
		<-c.writing
	}()
}

// flush waits until the last message was written, but not longer than patience.
func (c *complaints) flush(patience time.Duration) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case c.writing <- struct{}{}:
		<-c.writing
	case <-timer.C:
	}
}
