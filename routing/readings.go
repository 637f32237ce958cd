package routing

import "bytes"

// This file decides for paths that apps read in different ways.
//
// What an app makes of "%2F", "//", "..", ";x=1" or "\" is not known here, and
// guessing is how a request reaches an app that was not chosen for it. So the
// edge does not choose a reading, it follows all of them at once: each odd
// thing in the path may take effect or not, independently of every other.
//
//	escapes     "%61" is "a", or stays as it is; also escaped twice ("%2561").
//	            Not those of what can only be written escaped (space, "é"):
//	            there is no other way to say it, so all readers agree
//	separators  "%2F", "\" and "%5C" end a segment, or are characters in it
//	parameters  ";" cuts its segment off there, or is a character in it
//	queries     "%3F" and "%23" end the path, or are characters in it
//	empty       "//" is one slash, or has an empty segment in it; and what
//	            follows it at the beginning is a segment, or an authority
//	dots        "." and ".." are resolved, also where they come out of an
//	            escape or are left by a parameter, or are names
//	ends        blanks around a segment and dots at its end are dropped, or not
//
// A route that matches in every reading is chosen, one that matches in none is
// passed over, and one that matches in some of them makes the path Ambiguous.
// That is exact: two readings that choose differently exist if and only if such
// a route comes before the choice. The contract's two, the raw segments and the
// decoded, dot-resolved path, are among the readings: nothing takes effect, and
// everything does.
//
// There may be thousands of readings, but to a route of k segments only this
// matters of one: how many segments m of the route's its path so far begins
// with, and how many more segments e lie above those. A segment makes e, or
// where e is 0 and it is the route's next, m greater by one; ".." makes e, or
// where e is 0, m smaller by one. So a set of readings is k+1 sets of small
// numbers, and a step is a few shifts.

// answer is what a route says to a path.
type answer uint8

const (
	never  answer = iota // matches in no reading
	always               // matches in every reading
	maybe                // matches in some
)

const (
	// maxPops is how often ".." may occur in a path that is to be decided. It is
	// less than a set of numbers can count.
	maxPops = 60
	// effort is how many steps a lookup may take, besides a few for each route:
	// about a millisecond of work at most.
	effort = 1 << 14
)

// states is a set of readings: bit e of states[m] stands for those whose path
// so far begins with exactly m segments of the route and has e more above them.
// Bit 63 stands for 63 and more.
type states [maxDepth + 1]uint64

const manyMore = 1 << 63

// ask tells how the rule answers the path. ok is false where that is too much
// work; the path must be refused then.
func (o *oddPath) ask(r *rule) (a answer, ok bool) {
	if o.plain {
		if r.matches(o.text) {
			return always, true
		}
		return never, true
	}
	a, seen, ok := o.follow(r, len(o.parts))
	for i := 0; ok && a != maybe && i < len(o.parts); i++ {
		whole := o.parts[i]
		if i >= seen && whole.run >= seen {
			break // the answer is given before this part
		}
		if whole.query < 0 {
			continue
		}
		// The same for those who end the path at the escaped "?".
		o.parts[i].end = whole.query
		var cut answer
		cut, _, ok = o.follow(r, i+1)
		o.parts[i] = whole
		if cut != a {
			a = maybe
		}
	}
	return a, ok
}

// follow runs the rule over all readings of the first n parts. The answer
// depends on no more than the first seen of them and the runs they are in.
func (o *oddPath) follow(r *rule, n int) (a answer, seen int, ok bool) {
	k, last := len(r.segments), n-1
	if o.parts[last].pops > maxPops {
		return maybe, 0, false
	}
	// The readings that are at the start of a segment; that are inside of one,
	// because a separator was a character to them; and that are at the end.
	var start, inside, end states
	start[0] = 1
	leading := true // only empty parts so far
	for i := range n {
		if o.steps--; o.steps < 0 {
			return maybe, 0, false
		}
		p := &o.parts[i]
		s := segment{
			text:      o.text[p.begin:p.end],
			escaped:   p.escaped,
			authority: leading && i > 0 && p.end > p.begin,
		}
		leading = leading && p.end == p.begin
		if i == last {
			s.last = true
			end.whole(&start, r, s)
			break
		}
		next := inside // what is inside ends at a separator that is one
		next.whole(&start, r, s)
		if p.soft {
			inside.partial(&start, r, s)
		} else {
			inside = states{}
		}
		if i >= o.parts[last].run { // no separator needs to be one any more
			s.last = true
			end.partial(&start, r, s)
		}
		start = next
		pops := o.parts[last].pops - p.pops
		if settled(&start, k, pops, r.route.Exact) && settled(&inside, k, pops, r.route.Exact) {
			end.add(&start, k)
			end.add(&inside, k)
			return answerOf(&end, k, r.route.Exact), i + 1, true
		}
	}
	return answerOf(&end, k, r.route.Exact), n, true
}

// segment is a part on its way through the readings.
type segment struct {
	text      []byte
	escaped   bool // see part
	last      bool // nothing of the path comes after it
	authority bool // it may belong to an authority instead of the path
}

// whole adds what becomes of the readings in src if the part is a segment.
func (dst *states) whole(src *states, r *rule, s segment) {
	if s.authority {
		dst.add(src, len(r.segments))
	}
	if s.escaped {
		push(dst, src, r, foreign)
	}
	if len(s.text) == 0 && s.last {
		push(dst, src, r, "") // the slash at the end of the path: all agree
		return
	}
	dst.say(src, r, s.text, s.last)
	dst.sayCut(src, r, s)
}

// partial adds what becomes of the readings in src if the part is the
// beginning of a segment, the separator after it being a character.
func (dst *states) partial(src *states, r *rule, s segment) {
	if s.authority {
		dst.add(src, len(r.segments))
	}
	push(dst, src, r, foreign)
	dst.sayCut(src, r, s)
}

// sayCut is say for those who cut the segment off at a parameter, if it has one.
func (dst *states) sayCut(src *states, r *rule, s segment) {
	if i := bytes.IndexByte(s.text, ';'); i >= 0 {
		dst.say(src, r, s.text[:i], s.last)
	}
}

// say adds the readings in src after a segment s with whatever its ends mean.
func (dst *states) say(src *states, r *rule, s []byte, last bool) {
	dst.read(src, r, s, last)
	inner := dropBlanks(s)
	if len(inner) != len(s) {
		dst.read(src, r, inner, last)
	}
	if dots := string(inner) == "." || string(inner) == ".."; dots {
		return
	}
	if bare := dropEnds(inner); len(bare) != len(inner) {
		dst.read(src, r, bare, last)
	}
}

// read adds the readings in src after a segment s. As the last one of a path
// "." and ".." leave a slash at its end, or do not (RFC 3986 section 5.2.4;
// path.Clean).
func (dst *states) read(src *states, r *rule, s []byte, last bool) {
	k := len(r.segments)
	switch string(s) {
	case "":
		dst.add(src, k)
		push(dst, src, r, "")
	case ".":
		dst.add(src, k)
		push(dst, src, r, foreign)
		if last {
			push(dst, src, r, "")
		}
	case "..":
		var popped states
		popped.pop(src, k)
		dst.add(&popped, k)
		push(dst, src, r, foreign)
		if last {
			push(dst, &popped, r, "")
		}
	default:
		push(dst, src, r, s)
	}
}

// foreign stands for any segment that is not one of a route's: those have no
// slash in them.
const foreign = "/"

// push adds the readings in src after one more segment.
func push[T ~string | ~[]byte](dst, src *states, r *rule, s T) {
	k := len(r.segments)
	for m := range k + 1 {
		set := src[m]
		if m < k && set&1 != 0 && r.segments[m] == string(s) {
			dst[m+1] |= 1
			set &^= 1
		}
		dst[m] |= set<<1 | set&manyMore
	}
}

// pop adds the readings in src with one segment less; the root stays.
func (dst *states) pop(src *states, k int) {
	for m := range k + 1 {
		set := src[m]
		if set&1 != 0 {
			dst[max(m-1, 0)] |= 1
		}
		dst[m] |= set&^1>>1 | set&manyMore
	}
}

func (dst *states) add(src *states, k int) {
	for m := range k + 1 {
		dst[m] |= src[m]
	}
}

// settled tells whether nothing that can follow changes what the rule answers
// to any of the readings, when at most pops times ".." follows.
func settled(s *states, k, pops int, exact bool) bool {
	within := uint64(1)<<pops - 1 // what pops ".." can take away entirely
	for m := range k {
		if s[m]&(within<<1|1) != 0 {
			return false
		}
	}
	if exact {
		within = within<<1 | 1
	}
	return s[k]&within == 0
}

// answerOf is what the rule says to all the readings when the path is over.
func answerOf(s *states, k int, exact bool) answer {
	yes, no := s[k], uint64(0)
	if exact {
		yes, no = s[k]&1, s[k]&^1
	}
	for m := range k {
		no |= s[m]
	}
	switch {
	case yes == 0:
		return never
	case no == 0:
		return always
	}
	return maybe
}
