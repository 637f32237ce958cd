package upstream

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// Times of passive marking. An upstream that refuses connections, or breaks off
// several answers in a row, is passed over for a while that doubles each time.
const (
	deadFirst     = time.Second
	deadMost      = 10 * time.Second
	breaksForDead = 3
)

// fault is why an endpoint was marked.
type fault uint8

const (
	faultNone fault = iota
	faultUnreachable
	faultBroken // it broke off answers
	faultUnresolved
	faultTLS
)

func faultOf(cause error) fault {
	var t *TLSError
	switch {
	case errors.As(cause, &t):
		return faultTLS
	case isUnresolved(cause):
		return faultUnresolved
	case errors.Is(cause, ErrClosed):
		return faultBroken
	}
	return faultUnreachable
}

// DialError says which upstream did not take a connection, and why.
type DialError struct {
	Upstream string // as the configuration writes it
	Err      error
}

func (d *DialError) Error() string { return d.Upstream + ": " + d.Err.Error() }

func (d *DialError) Unwrap() error { return d.Err }

// Reason says for the record why Acquire gave no connection.
func Reason(err error) string {
	if errors.Is(err, ErrBusy) {
		return "all connections that the app may have (max_connections) were in use"
	}
	switch faultOf(err) {
	case faultTLS:
		return "no upstream took the connection: TLS failed, see the operational log"
	case faultUnresolved:
		return "no upstream took the connection: its name has no address"
	}
	switch {
	case errors.Is(err, ErrLoop):
		return "no upstream took the connection: it leads back to this edge"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "no upstream took the connection: refused"
	case errors.Is(err, fs.ErrNotExist):
		return "no upstream took the connection: no such socket"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "no upstream took the connection: not in time"
	}
	return "no upstream took the connection"
}

// refused marks an endpoint dead for a while.
func (a *App) refused(e *Endpoint, cause error) {
	if e.mark(faultOf(cause)) && a.Marked != nil {
		a.Marked(e.Name, cause)
	}
}

// mark returns whether that is worth telling: the endpoint was well before, or its
// trouble is now one that somebody has to mend. Failures that come while it is marked, of
// requests that were under way, do not make the pause longer.
func (e *Endpoint) mark(f fault) (tell bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	tell = e.told == faultNone || f != e.told && (f == faultTLS || f == faultUnresolved)
	if tell {
		e.told = f
	}
	now, back := time.Now(), e.backoff.Load()
	switch {
	case back == 0:
		back = int64(deadFirst)
	case now.Sub(e.marked) >= time.Duration(back):
		back = min(2*back, int64(deadMost))
	default:
		return tell
	}
	e.marked, e.fault = now, f
	e.deadUntil.Store(now.UnixNano() + back)
	e.backoff.Store(back)
	return tell
}

// broke counts an answer that was broken off.
func (a *App) broke(e *Endpoint) {
	if e.breaks.Add(1) >= breaksForDead {
		a.refused(e, ErrClosed)
	}
}

// well forgets all marks.
func (a *App) well(e *Endpoint) {
	if e.backoff.Load() == 0 && e.breaks.Load() == 0 {
		return
	}
	e.mu.Lock()
	told := e.told != faultNone
	e.told, e.fault = faultNone, faultNone
	e.deadUntil.Store(0)
	e.breaks.Store(0)
	e.backoff.Store(0)
	e.mu.Unlock()
	if told && a.Marked != nil {
		a.Marked(e.Name, nil)
	}
}

// reached ends the mark of an endpoint that took a connection and answered a check
// that began at a certain time. A mark set since then stays, and so does one for
// answers that were broken off: of those the requests themselves have to say that they
// are over.
func (a *App) reached(e *Endpoint, began time.Time) {
	if e.backoff.Load() == 0 {
		return
	}
	e.mu.Lock()
	over := e.marked.Before(began) && e.fault != faultBroken
	e.mu.Unlock()
	if over {
		a.well(e)
	}
}
