package replay

import (
	"math"

	"github.com/holdfast-edge/holdfast/accesslog"
)

// Standing is all that the ledger's runs together say about one record.
type Standing struct {
	State      State
	Status     int // of the last answer, 0 if there was none
	Attempts   int // counted ones
	Run        string
	App        string // where the last attempt went
	Generation string // of the configuration the last attempt was made under
}

// standing is Standing in 24 bytes: a ledger of millions of records has one each.
type standing struct {
	state    State
	maybe    bool // an attempt may have arrived; only Delivered settles that
	status   uint16
	attempts uint16
	run      uint32 // indexes of index.names
	app      uint32
	gen      uint32
}

// index is what is known about every record that any run touched. It is not safe
// for concurrent use.
type index struct {
	byID  map[accesslog.ID]standing
	names []string          // interned run names, apps, generations; 0 is ""
	known map[string]uint32 // the place of a name in names
}

func newIndex() *index {
	return &index{byID: map[accesslog.ID]standing{}, names: []string{""}, known: map[string]uint32{"": 0}}
}

func (x *index) intern(name string) uint32 {
	n, ok := x.known[name]
	if !ok {
		n = uint32(len(x.names))
		x.names = append(x.names, name)
		x.known[name] = n
	}
	return n
}

// apply takes one line of run, made under the configuration generation gen, into
// account. Lines must come in the order they were written.
func (x *index) apply(run, gen string, e *Delivery) {
	before := x.byID[e.ID]
	if before.state == Delivered {
		return // final, whatever comes after
	}
	s := before.next(e)
	s.run, s.app, s.gen = x.intern(run), x.intern(e.App), x.intern(gen)
	x.byID[e.ID] = s
}

// next is what s becomes by the line e; s is not Delivered.
func (s standing) next(e *Delivery) standing {
	counted := uint16(min(max(e.Attempt, 0), math.MaxUint16))
	if s.state == Attempting && (e.State == Attempting || counted != s.attempts) {
		s.maybe = true // the end of the open attempt was never written
	}
	switch e.State {
	case Attempting:
		s.state, s.attempts = Attempting, counted
	case Pending:
		// Not sent after all, or answered and not counted against the record.
		if counted > 0 {
			s.attempts = counted - 1
		}
		if e.Status != 0 {
			s.status = clampStatus(e.Status)
		}
		s.state = Pending
		if s.maybe {
			s.state = Unknown
		}
	case Skipped:
		s.state = Skipped
		if s.maybe {
			s.state = Unknown
		}
	case Unknown:
		s.state, s.maybe, s.attempts, s.status = Unknown, true, counted, 0
	case Delivered:
		s.state, s.maybe, s.attempts, s.status = Delivered, false, counted, clampStatus(e.Status)
	case Failed, Rejected:
		// It speaks of this attempt only: another that got no answer may have
		// arrived all the same.
		s.state, s.attempts, s.status = e.State, counted, clampStatus(e.Status)
		if s.maybe {
			s.state = Unknown
		}
	}
	return s
}

func clampStatus(status int) uint16 { return uint16(min(max(status, 0), math.MaxUint16)) }

// of is the standing of id as it is to be read by others: an attempt whose end
// was never written is Unknown.
func (x *index) of(id accesslog.ID) Standing {
	s, ok := x.byID[id]
	if !ok {
		return Standing{}
	}
	out := Standing{
		State: s.state, Status: int(s.status), Attempts: int(s.attempts),
		Run: x.names[s.run], App: x.names[s.app], Generation: x.names[s.gen],
	}
	if out.State == Attempting {
		out.State = Unknown
	}
	return out
}
