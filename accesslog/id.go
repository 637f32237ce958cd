package accesslog

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// IDLength is the length of an ID in characters.
const IDLength = 18

const (
	idTimeChars  = 10 // 50 bits, of which 44 are used: milliseconds since 1970
	idTagChars   = 4  // 20 bits
	idCountChars = 4  // 20 bits
	idCountBits  = 5 * idCountChars
	idBlockMilli = 1000 // a block of ids lasts at most this long
)

// crockford is the alphabet of Crockford's base 32: no I, L, O, U. Its
// characters are in ASCII order, so encoded numbers sort as the numbers do.
const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// ErrBadID is returned by ParseID for a text that is not an ID.
var ErrBadID = errors.New("not a record id")

// ID names one record: 18 characters of Crockford's base 32 in upper case,
// compared as bytes. The first ten are the milliseconds since 1970 at which a
// block of ids began, the next four tell processes apart, the last four count
// inside the block. All ids of one process within a second share their first 14
// characters, which is why they cost next to nothing after compression. Ids of
// one process sort in the order they were handed out.
//
// The zero ID is not a valid id.
type ID [IDLength]byte

// String returns the 18 characters.
func (id ID) String() string { return string(id[:]) }

// IsZero reports whether id is the zero ID.
func (id ID) IsZero() bool { return id == ID{} }

// Time returns the start of the block the id belongs to: normally at most one
// second before the request arrived. For the zero ID it is the start of 1970.
func (id ID) Time() time.Time {
	var ms int64
	for _, c := range id[:idTimeChars] {
		ms = ms<<5 | int64(crockfordValue(c)&31)
	}
	return time.UnixMilli(ms).UTC()
}

// MarshalText returns the 18 characters, for encoding/json and others.
func (id ID) MarshalText() ([]byte, error) { return id[:], nil }

// UnmarshalText is ParseID.
func (id *ID) UnmarshalText(text []byte) error {
	parsed, err := parseID(text)
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}

// ParseID reads an ID as String writes it. Lower case is accepted, and the
// letters that Crockford's alphabet leaves out because they are easily mistaken
// (I and L for 1, O for 0), since ids are also typed by people.
func ParseID(s string) (ID, error) { return parseID(s) }

func parseID[T string | []byte](s T) (ID, error) {
	var id ID
	if len(s) != IDLength {
		return ID{}, fmt.Errorf("%w: %q is not %d characters long", ErrBadID, clip(string(s), 64), IDLength)
	}
	for i := range len(s) {
		v := crockfordValue(s[i])
		if v > 31 {
			return ID{}, fmt.Errorf("%w: %q has %q in it", ErrBadID, clip(string(s), 64), s[i])
		}
		id[i] = crockford[v]
	}
	return id, nil
}

// crockfordValue returns the value of one character, or 255.
func crockfordValue(c byte) byte {
	if c >= 'a' && c <= 'z' {
		c -= 'a' - 'A'
	}
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'A' && c <= 'H':
		return c - 'A' + 10
	case c == 'J' || c == 'K':
		return c - 'J' + 18
	case c == 'M' || c == 'N':
		return c - 'M' + 20
	case c >= 'P' && c <= 'T':
		return c - 'P' + 22
	case c >= 'V' && c <= 'Z':
		return c - 'V' + 27
	case c == 'I' || c == 'L':
		return 1
	case c == 'O':
		return 0
	}
	return 255
}

// IDs hands out ids. It is safe for concurrent use, takes no lock and allocates
// nothing.
type IDs struct {
	// state is the next id: the block's milliseconds in the upper 44 bits and
	// the count in the lower 20. It only ever grows, so ids never repeat and
	// never go back, whatever the clock does. A block that runs out of counts
	// carries into the next millisecond by plain addition.
	state atomic.Uint64
	tag   [idTagChars]byte
}

// NewIDs returns a generator that starts at start, with a random tag. Prefer
// Store.NewIDs where there is a store: its tag does not repeat.
func NewIDs(start time.Time) *IDs { return newIDs(start, newTag(nil)) }

func newIDs(start time.Time, tag string) *IDs {
	g := new(IDs)
	g.state.Store(idMilli(start) << idCountBits)
	copy(g.tag[:], tag)
	return g
}

// Next returns a new id for a request that arrived at now. A clock that goes
// back does not make ids go back.
func (g *IDs) Next(now time.Time) ID {
	ms := idMilli(now)
	var n uint64
	for {
		old := g.state.Load()
		if ms < old>>idCountBits+idBlockMilli {
			n = g.state.Add(1) - 1
			break
		}
		if fresh := ms << idCountBits; g.state.CompareAndSwap(old, fresh+1) {
			n = fresh
			break
		}
	}
	var id ID
	putCrockford(id[:idTimeChars], n>>idCountBits)
	copy(id[idTimeChars:], g.tag[:])
	putCrockford(id[idTimeChars+idTagChars:], n)
	return id
}

// idMilli is t in milliseconds, kept inside the 44 bits an id has for it (1970
// to 2527).
func idMilli(t time.Time) uint64 {
	return uint64(min(max(t.UnixMilli(), 0), 1<<44-2*idBlockMilli))
}

// putCrockford writes the lowest 5*len(dst) bits of v.
func putCrockford(dst []byte, v uint64) {
	for i := len(dst) - 1; i >= 0; i-- {
		dst[i] = crockford[v&31]
		v >>= 5
	}
}

// clip shortens text that goes into an error message.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "..."
}
