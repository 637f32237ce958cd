package terminal

import (
	"bytes"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// screen collects what is written to it, from any goroutine.
type screen struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestProgressStaysOutOfTheWayOfQuickThings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s screen
		u := &UI{Err: &s, ErrTerminal: true}
		p := u.Progress("sending", 10)
		p.Add(5)
		time.Sleep(progressAfter - time.Millisecond)
		p.Done()
		p.Done() // twice is fine
		if s.String() != "" {
			t.Errorf("showed %q", s.String())
		}
	})
}

func TestProgressInPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s screen
		u := &UI{Err: &s, ErrTerminal: true, width: 120}
		p := u.Progress("sending", 3465)
		p.Set(2140, "ok 2,139  rejected 1\x1b")
		time.Sleep(progressAfter + time.Millisecond)
		want := "\r\x1b[Ksending  2,140/3,465  61%  [############--------]  1,070/s  1.0s left  ok 2,139  rejected 1\\x1b"
		if s.String() != want {
			t.Errorf("showed %q, want %q", s.String(), want)
		}
		before := len(s.String())
		p.Aside(func() { io.WriteString(&s, "news\n") })
		p.Total(4280)
		time.Sleep(progressRedraw)
		if got := s.String()[before:]; !strings.HasPrefix(got, "\r\x1b[Knews\n\r\x1b[Ksending  2,140/4,280  50%") {
			t.Errorf("after something was written aside: %q", got)
		}
		p.Done()
		if !strings.HasSuffix(s.String(), "\r\x1b[K") {
			t.Errorf("the bar was not taken away: %q", s.String())
		}
	})
}

func TestProgressFitsTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s screen
		u := &UI{Err: &s, ErrTerminal: true, width: 20}
		p := u.Progress("sending", 3465)
		time.Sleep(progressAfter + time.Millisecond)
		p.Done()
		for line := range strings.SplitSeq(s.String(), "\r\x1b[K") {
			if len(line) > 19 {
				t.Errorf("%q is too long for 20 columns", line)
			}
		}
	})
}

func TestProgressPiped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s screen
		u := &UI{Err: &s}
		p := u.Progress("searched", 0)
		p.Set(1000, "")
		time.Sleep(25 * time.Second)
		p.Done()
		if want := "searched  1,000  100/s\nsearched  1,000  50/s\n"; s.String() != want {
			t.Errorf("showed %q, want %q", s.String(), want)
		}
	})
}

func TestProgressWithNothingToCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s screen
		u := &UI{Err: &s}
		p := u.Progress("searching", 0)
		time.Sleep(15 * time.Second)
		p.Done()
		if want := "searching  10s\n"; s.String() != want {
			t.Errorf("showed %q, want %q", s.String(), want)
		}
	})
}
