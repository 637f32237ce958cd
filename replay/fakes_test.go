package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-edge/holdfast/accesslog"
)

// memoryBook is a Book without a disk, on a real index, that checks the order of
// intents and results.
type memoryBook struct {
	mu         sync.Mutex
	index      *index
	open       map[accesslog.ID]int
	intents    int
	failIntent int // the intent (from 1) that fails
	failResult int
	results    int
	wrong      []string
}

func newMemoryBook() *memoryBook {
	return &memoryBook{index: newIndex(), open: map[accesslog.ID]int{}}
}

func (b *memoryBook) Of(id accesslog.ID) Standing {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.index.of(id)
}

func (b *memoryBook) Intent(d Delivery) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.index.of(d.ID).State == Delivered {
		return ErrDelivered
	}
	if b.intents++; b.intents == b.failIntent {
		return errDisk
	}
	if b.open[d.ID] != 0 {
		b.wrong = append(b.wrong, "two intents for "+d.ID.String())
	}
	b.open[d.ID] = d.Attempt
	d.State = Attempting
	b.index.apply("r", "g", &d)
	return nil
}

func (b *memoryBook) Result(d Delivery) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.results++; b.results == b.failResult {
		return errDisk
	}
	if n := b.open[d.ID]; d.State != Skipped && n != d.Attempt && d.Reason != "the first answers were all the same" {
		b.wrong = append(b.wrong, fmt.Sprintf("result %d for intent %d of %s", d.Attempt, n, d.ID))
	}
	delete(b.open, d.ID)
	b.index.apply("r", "g", &d)
	return nil
}

// memoryPayloads are payloads without a store.
type memoryPayloads map[accesslog.ID]func() (*Recorded, error)

func (m memoryPayloads) Open(_ context.Context, id accesslog.ID) (*Recorded, error) {
	if f := m[id]; f != nil {
		return f()
	}
	return body("hello")()
}

func body(text string) func() (*Recorded, error) {
	return func() (*Recorded, error) {
		return &Recorded{Time: testStart, Payload: &accesslog.Opened{
			Client: netip.MustParseAddrPort("203.0.113.9:1"), Scheme: "http", Head: []byte("POST / HTTP/1.1\r\n\r\n"),
			Body: io.NopCloser(strings.NewReader(text)), Bytes: int64(len(text)),
		}}, nil
	}
}

// scripted is a Sender that does what it is told. A reply below 0 is an error.
type scripted struct {
	mu       sync.Mutex
	took     time.Duration
	reply    func(n int, dest Destination, r *Request) int // n counts from 1
	sent     func(r *Request, reply int)                   // after the intent
	calls    []call
	inflight int
	most     int
}

type call struct {
	ID      accesslog.ID
	Dest    string
	Attempt int
	At      time.Time
}

const (
	notSent      = -1
	notSentAfter = -2 // after the intent
	noAnswer     = -3
	unsendable   = -4
	strange      = -5 // an error that says nothing
)

func (s *scripted) Send(ctx context.Context, dest Destination, r *Request, committed func() error) (Answer, error) {
	s.mu.Lock()
	s.calls = append(s.calls, call{r.ID, dest.String(), r.Attempt, time.Now()})
	n := len(s.calls)
	s.inflight++
	s.most = max(s.most, s.inflight)
	reply := 200
	if s.reply != nil {
		reply = s.reply(n, dest, r)
	}
	s.mu.Unlock()
	defer func() { s.mu.Lock(); s.inflight--; s.mu.Unlock() }()
	switch reply {
	case notSent:
		return Answer{}, fmt.Errorf("%w: connection refused", ErrNotSent)
	case unsendable:
		return Answer{}, fmt.Errorf("%w: no head", ErrUnsendable)
	}
	if err := committed(); err != nil {
		return Answer{}, err
	}
	if s.sent != nil {
		s.sent(r, reply)
	}
	select {
	case <-time.After(s.took):
	case <-ctx.Done():
		return Answer{}, fmt.Errorf("%w: %w", ErrUnknown, ctx.Err())
	}
	switch reply {
	case notSentAfter:
		return Answer{}, fmt.Errorf("%w: reset before the first byte", ErrNotSent)
	case noAnswer:
		return Answer{}, fmt.Errorf("%w: timeout", ErrUnknown)
	case strange:
		return Answer{}, errors.New("strange")
	}
	return Answer{Status: reply, Upstream: "127.0.0.1:1", Duration: s.took}, nil
}
