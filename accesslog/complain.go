package accesslog

import (
	"sync"
	"time"

	"github.com/rs/zerolog"
)

const complainEvery = 10 * time.Second

// complaints puts trouble into the operational log, each kind at most every ten
// seconds with the number of times it was left out. What happens in the
// background has no caller to return an error to.
type complaints struct {
	log     zerolog.Logger
	message string

	mu     sync.Mutex
	last   time.Time
	silent int
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
	now := time.Now()
	if now.Sub(c.last) < complainEvery {
		c.silent++
		c.mu.Unlock()
		return
	}
	silent := c.silent
	c.last, c.silent = now, 0
	c.mu.Unlock()
	event := c.log.Error().Err(err)
	if silent > 0 {
		event = event.Int("not_shown", silent)
	}
	event.Msg(c.message)
}
