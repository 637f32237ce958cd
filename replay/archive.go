package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/holdfast-edge/holdfast/accesslog"
)

// Archive opens payloads of the record store for an Engine. The records of a plan
// are many and their entries are big, so it holds some, without their text: one search runs
// along with the sending and gives the entries in order of id, as they are asked
// for. What is asked for out of that order (a lane that waited, a second try) is
// searched for by itself, a chunk at a time.
//
// It is safe for concurrent use. Close ends the search.
type Archive struct {
	records Records
	keys    accesslog.Keys
	ids     []accesslog.ID // sorted
	starts  []int          // where in ids the chunks begin
	failed  bool           // all of them are failed records
	total   int64          // records in the stretch of the plan, about

	stop  context.CancelFunc
	feed  chan *accesslog.Entry // closed at the end of the search
	ended chan struct{}

	mu      sync.Mutex // guards what follows, also while the store is searched
	entries *lru.Cache[accesslog.ID, *accesslog.Entry]
	reached accesslog.ID          // the last one that came out of feed
	gone    map[accesslog.ID]bool // searched for everywhere, and not found
}

const (
	chunkIDs    = 1024
	chunkSpan   = time.Minute // where failed records are not all that is found in between
	heldEntries = 8 * chunkIDs
	feedAhead   = 256
)

// NewArchive returns an Archive for the items of a plan, which it reads only now.
func NewArchive(records Records, keys accesslog.Keys, p *Plan) *Archive {
	ctx, stop := context.WithCancel(context.Background())
	a := &Archive{
		records: records, keys: keys, failed: p.AllFailed, total: p.Stats.Records, ids: make([]accesslog.ID, len(p.Items)),
		gone: map[accesslog.ID]bool{}, stop: stop, feed: make(chan *accesslog.Entry, feedAhead), ended: make(chan struct{}),
	}
	a.entries, _ = lru.New[accesslog.ID, *accesslog.Entry](heldEntries) // fails only for sizes below 1
	for i, item := range p.Items {
		a.ids[i] = item.ID
	}
	slices.SortFunc(a.ids, compareIDs)
	for i, id := range a.ids {
		if i == 0 {
			a.starts = append(a.starts, 0)
			continue
		}
		first := a.starts[len(a.starts)-1]
		if i-first >= chunkIDs || !a.failed && id.Time().Sub(a.ids[first].Time()) > chunkSpan {
			a.starts = append(a.starts, i)
		}
	}
	go a.search(ctx)
	return a
}

// Close ends the search and waits for it.
func (a *Archive) Close() {
	a.stop()
	<-a.ended
}

// search sends the entries of the items to feed. Its errors do not matter: what it
// does not find is searched for again by load, whose errors do.
func (a *Archive) search(ctx context.Context) {
	defer close(a.ended)
	defer close(a.feed)
	f := between(a.ids, slack)
	f.Failed = a.failed
	give := func(e *accesslog.Entry) error {
		if _, ok := slices.BinarySearchFunc(a.ids, e.ID, compareIDs); !ok {
			return nil
		}
		select {
		case a.feed <- slim(e):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if a.failed {
		_, _ = a.records.Scan(ctx, f, give)
		return
	}
	_ = scanWindows(ctx, a.records, f, a.total, give)
}

// errGone is the reason for a record that was there when the plan was made.
var errGone = errors.New("the record is no longer in the log")

// Open implements Payloads.
func (a *Archive) Open(ctx context.Context, id accesslog.ID) (*Recorded, error) {
	e, err := a.find(ctx, id)
	if err != nil {
		return nil, err
	}
	opened, err := a.records.Open(e, a.keys)
	if err != nil {
		return nil, err
	}
	return &Recorded{Time: e.Time, Payload: opened}, nil
}

func (a *Archive) find(ctx context.Context, id accesslog.ID) (*accesslog.Entry, error) {
	at, ok := slices.BinarySearchFunc(a.ids, id, compareIDs)
	if !ok {
		return nil, errGone
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if e, ok := a.entries.Get(id); ok {
		return e, nil
	}
	if a.gone[id] {
		return nil, errGone
	}
	for compareIDs(a.reached, id) < 0 {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case e, more := <-a.feed:
			if !more {
				return a.load(ctx, at)
			}
			a.reached = e.ID
			a.entries.Add(e.ID, e)
			if e.ID == id {
				return e, nil
			}
		}
	}
	return a.load(ctx, at)
}

// load searches for the chunk around the id at place at, and gives the entry of
// that id. It is called with mu held.
func (a *Archive) load(ctx context.Context, at int) (*accesslog.Entry, error) {
	number, begins := slices.BinarySearch(a.starts, at)
	if !begins {
		number--
	}
	ids := a.ids[a.starts[number]:]
	if number+1 < len(a.starts) {
		ids = ids[:a.starts[number+1]-a.starts[number]]
	}
	found := make(map[accesslog.ID]*accesslog.Entry, len(ids))
	// Nearly all arrived within a moment of the time in their ids. What did not
	// (the clock was set back) is looked for further away, then everywhere.
	for _, f := range []accesslog.Filter{between(ids, 2*time.Second), between(ids, slack), {}} {
		f.Failed = a.failed
		if f.Since.IsZero() {
			f.IDs = lacking(ids, found)
		}
		_, err := a.records.Scan(ctx, f, func(e *accesslog.Entry) error {
			if _, ok := slices.BinarySearchFunc(ids, e.ID, compareIDs); ok {
				found[e.ID] = slim(e)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("reading the record: %w", err)
		}
		if len(found) == len(ids) {
			break
		}
	}
	for id, e := range found {
		a.entries.Add(id, e)
	}
	for _, id := range ids {
		if found[id] == nil {
			a.gone[id] = true
		}
	}
	if e := found[a.ids[at]]; e != nil {
		return e, nil
	}
	return nil, errGone
}

// slim is e without its clear text, which can be many KiB of what a client likes:
// only what it takes to open the payload.
func slim(e *accesslog.Entry) *accesslog.Entry {
	s := *e // with the place of its payload
	s.Generation, s.Site, s.Route, s.App, s.Upstream, s.Match, s.Stage, s.Reason = "", "", "", "", "", "", "", ""
	s.Request, s.UserAgent = accesslog.Request{}, accesslog.UserAgent{}
	return &s
}

// lacking lists the ids that found does not have.
func lacking(ids []accesslog.ID, found map[accesslog.ID]*accesslog.Entry) []string {
	var out []string
	for _, id := range ids {
		if found[id] == nil {
			out = append(out, id.String())
		}
	}
	return out
}
