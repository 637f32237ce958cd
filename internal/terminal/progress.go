package terminal

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// When a bar first shows, and how often it is drawn.
const (
	progressAfter  = 2 * time.Second
	progressRedraw = 200 * time.Millisecond // in place, on a terminal
	progressLine   = 10 * time.Second       // a line, elsewhere
	barWidth       = 20
)

// Progress shows how far something has come, on standard error. It may be
// updated from any goroutine. Its own goroutine ends in Done, which every
// Progress must be given.
type Progress struct {
	w        io.Writer
	label    string
	terminal bool
	width    int
	start    time.Time
	stop     chan struct{}
	ended    chan struct{}

	mu    sync.Mutex // guards what follows, and writes to w
	done  int64
	total int64
	note  string
	drawn bool // a bar is on the screen's last line
	over  bool
}

// Progress starts a bar. A total of 0 or less means that the end is not known.
func (u *UI) Progress(label string, total int64) *Progress {
	p := &Progress{
		w: u.Err, label: label, total: total, terminal: u.ErrTerminal, width: u.width,
		start: time.Now(), stop: make(chan struct{}), ended: make(chan struct{}),
	}
	go p.run()
	return p
}

// Add moves the bar on by n.
func (p *Progress) Add(n int64) {
	p.mu.Lock()
	p.done += n
	p.mu.Unlock()
}

// Set puts the bar at done and shows note behind it.
func (p *Progress) Set(done int64, note string) {
	p.mu.Lock()
	p.done, p.note = done, note
	p.mu.Unlock()
}

// Total changes what the bar counts up to.
func (p *Progress) Total(total int64) {
	p.mu.Lock()
	p.total = total
	p.mu.Unlock()
}

// Aside takes the bar off the screen while f writes something else, to
// whichever stream; the bar comes back below it.
func (p *Progress) Aside(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	f()
}

// Done ends the bar and takes it off the screen. Calling it again does nothing.
func (p *Progress) Done() {
	p.mu.Lock()
	if !p.over {
		p.over = true
		close(p.stop)
	}
	p.mu.Unlock()
	<-p.ended
}

func (p *Progress) run() {
	defer close(p.ended)
	first, every := progressAfter, progressRedraw
	if !p.terminal {
		first, every = progressLine, progressLine
	}
	timer := time.NewTimer(first)
	defer timer.Stop()
	for {
		select {
		case <-p.stop:
			p.mu.Lock()
			p.erase()
			p.mu.Unlock()
			return
		case <-timer.C:
			p.mu.Lock()
			p.draw()
			p.mu.Unlock()
			timer.Reset(every)
		}
	}
}

// erase and draw are called with mu held.
func (p *Progress) erase() {
	if p.drawn {
		io.WriteString(p.w, "\r\x1b[K")
		p.drawn = false
	}
}

func (p *Progress) draw() {
	line := p.line(time.Since(p.start))
	if !p.terminal {
		io.WriteString(p.w, line+"\n")
		return
	}
	if r := []rune(line); p.width > 1 && len(r) >= p.width {
		line = string(r[:p.width-1]) // a wrapped line could not be redrawn in place
	}
	io.WriteString(p.w, "\r\x1b[K"+line)
	p.drawn = true
}

// line is the bar as text after it has run for so long:
//
//	sending  2,140/3,465  62%  [############--------]  20/s  1m 6s left  ok 2,139
func (p *Progress) line(ran time.Duration) string {
	var parts []string
	if p.label != "" {
		parts = append(parts, p.label)
	}
	if p.total <= 0 && p.done == 0 { // nothing to count: how long it takes is all there is to say
		return strings.TrimSpace(strings.Join(append(parts, Duration(ran), Clean(p.note)), "  "))
	}
	rate := float64(p.done) / max(ran.Seconds(), 0.001)
	if p.total > 0 {
		share := min(1, max(0, float64(p.done)/float64(p.total)))
		parts = append(parts, Number(p.done)+"/"+Number(p.total), fmt.Sprintf("%d%%", int(share*100)))
		if p.terminal {
			full := int(share * barWidth)
			parts = append(parts, "["+strings.Repeat("#", full)+strings.Repeat("-", barWidth-full)+"]")
		}
	} else {
		parts = append(parts, Number(p.done))
	}
	parts = append(parts, rateText(rate))
	if left := p.total - p.done; p.total > 0 && left > 0 && rate > 0 {
		parts = append(parts, Duration(max(time.Second, time.Duration(float64(left)/rate*float64(time.Second)).Round(time.Second)))+" left")
	}
	if p.note != "" {
		parts = append(parts, Clean(p.note))
	}
	return strings.Join(parts, "  ")
}

func rateText(perSecond float64) string {
	if perSecond < 10 {
		return fmt.Sprintf("%.1f/s", perSecond)
	}
	return Number(int64(perSecond+0.5)) + "/s"
}
