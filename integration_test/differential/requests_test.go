package differential

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/holdfast-edge/holdfast/edge/upstream"
	"github.com/holdfast-edge/holdfast/integration_test/differential/generate"
	"github.com/holdfast-edge/holdfast/integration_test/differential/rfc"
	"github.com/holdfast-edge/holdfast/integration_test/edgetest"
)

// seed is what the cases are drawn from: HOLDFAST_SEED, else a fixed one.
func seed(t testing.TB) uint64 {
	t.Helper()
	text := os.Getenv("HOLDFAST_SEED")
	if text == "" {
		return 20260730
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("HOLDFAST_SEED: %v", err)
	}
	return n
}

// cases are how many requests, and answers, the parsers are given.
func cases() int { return edgetest.Size(100_000, 1_000_000) }

// forAll calls do with every number below n, from a goroutine for each processor. Each gets
// a worker of its own.
func forAll[W any](n int, worker func() W, do func(w W, i uint64)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			w := worker()
			for {
				from := next.Add(64) - 64
				if from >= int64(n) {
					return
				}
				for i := from; i < min(from+64, int64(n)); i++ {
					do(w, uint64(i))
				}
			}
		})
	}
	wg.Wait()
}

// TestRequests gives the same streams to the edge's data plane, the reference and net/http.
func TestRequests(t *testing.T) {
	t.Parallel()
	s, tally := seed(t), newTally(requestRefusals(), requestReadings())
	t.Logf("HOLDFAST_SEED=%d", s)
	forAll(cases(), func() *reader { return newReader(t) }, func(r *reader, i uint64) {
		j := &judge{r: r, c: generate.Request(s, i), number: i, tally: tally}
		j.run()
	})
	tally.report(t, "reference", "net/http")
}

// origin varies the ways in which requests are forwarded.
func origin(i uint64) upstream.Origin {
	o := upstream.Origin{ID: "0198a7c2d4e87f3ab1c5d6e7f8091a2b", Peer: peer.AddrPort().Addr(), Scheme: "http"}
	o.Trusted = i%3 == 0
	o.Key = i%4 == 0
	if i%5 == 0 {
		o.Replay = "id=0198a7c2d4e87f3ab1c5d6e7f8091a2b; recorded-at=2026-07-30T12:00:00Z; attempt=1"
	}
	return o
}

// judge compares the readings of one stream.
type judge struct {
	r      *reader
	c      generate.Case
	number uint64
	tally  *tally
}

// example writes the stream down, with more values behind it, if it is asked for.
func (j *judge) example(more ...any) func() string {
	return func() string {
		text := fmt.Sprintf("case %d %q\n%.2000q\n", j.number, j.c.How, j.c.Stream)
		for _, m := range more {
			text += fmt.Sprintf("%.2000s\n", fmt.Sprintf("%+v", m))
		}
		return text
	}
}

func (j *judge) run() {
	o := origin(j.number)
	ours := j.r.read(j.c.Stream, func() int { return 0 }, o)
	j.tally.did("streams", 1)
	if edgetest.Full() || j.number%2 == 0 {
		j.inPieces(ours, o)
	}
	for _, p := range j.r.panics {
		j.tally.danger("a panic", j.example(p))
	}
	at := 0
	for i := range ours {
		m := &ours[i]
		rest := j.c.Stream[at:]
		ref := rfc.ReadRequest(rest)
		switch {
		case m.refused != "":
			j.tally.did("requests refused", 1)
			j.refused(m.refused, ref, rest)
			return
		case m.incomplete:
			j.tally.did("requests incomplete", 1)
			if ref.Fate == rfc.Read {
				j.tally.danger("we wait for more of a complete request", j.example())
			}
			return
		}
		j.tally.did("requests read", 1)
		if !j.accepted(m, ref) {
			return
		}
		j.netHTTP(m, ref, rest)
		j.forwarded(m, ref)
		at += ref.Size
		if !ref.Persist {
			if i+1 < len(ours) {
				j.tally.danger("we read on where the connection ends", j.example())
			}
			return
		}
	}
	if at < len(j.c.Stream) {
		j.tally.danger("we stop where another request is", j.example(j.c.Stream[at:]))
	}
}

// inPieces reads the stream again, byte by byte or in random pieces, and some over a
// socket: nothing may change.
func (j *judge) inPieces(ours []ourMessage, o upstream.Origin) {
	piece := func() int { return 1 }
	socket := j.number%16 == 0
	if rnd := rand.New(rand.NewPCG(j.number, 1)); len(j.c.Stream) > 3000 || socket || rnd.IntN(2) == 0 {
		most := []int{3, 40, 400, 5000}[rnd.IntN(4)]
		if len(j.c.Stream) > 3000 || socket {
			most = max(most, len(j.c.Stream)/4)
		}
		piece = func() int { return 1 + rnd.IntN(most) }
	}
	var again []ourMessage
	if !socket {
		again = j.r.read(j.c.Stream, piece, o)
	} else {
		var err error
		if again, err = j.r.readSocket(j.c.Stream, piece, o); err != nil {
			j.tally.note("a pair of sockets fails", false, j.example(err))
			return
		}
	}
	if len(ours) != len(again) {
		j.tally.danger("in pieces it is another number of requests", j.example(ours, again))
		return
	}
	for i := range ours {
		// What a limit stops may be stopped earlier or later.
		if d := ours[i].same(&again[i]); d != "" && !(ours[i].refused != "" && again[i].refused != "") {
			j.tally.danger("in pieces it is read in another way", j.example(d))
		}
	}
}

// refused judges a refusal of ours.
func (j *judge) refused(reason string, ref *rfc.Message, rest string) {
	if ref.Fate == rfc.Read {
		j.tally.refusedReadable(reason, ref, j.example())
	}
	if r, _, _, err := byNetHTTP(rest); err == nil {
		j.tally.refusedAlone("net/http", reason, j.example(r))
	}
}

// accepted compares what we read with the reference. It returns false if there is no going
// on.
func (j *judge) accepted(m *ourMessage, ref *rfc.Message) bool {
	if ref.Fate != rfc.Read {
		j.tally.danger("we read what is "+ref.Fate.String()+": "+ref.Why, j.example(m))
		return false
	}
	for _, flaw := range slices.Concat(ref.Flaws, ref.Marks) {
		j.tally.readAlone("reference", flaw, j.example())
	}
	want := reading{ref.Method, ref.Target, strings.ToLower(ref.Authority), string(ref.Body)}
	length := int64(len(ref.Body))
	if ref.Framing == rfc.Chunked {
		length = -1
	}
	upgrade := strings.Join(ref.Upgrade, ",")
	differs := m.reading().differs(want)
	switch {
	case differs != "":
	case length != m.length:
		differs = "the framing"
	case !slices.Equal(m.trailers, ref.Trailers):
		differs = "the trailers"
	case m.fields != len(ref.Fields):
		differs = "the number of fields"
	case m.persist != ref.Persist:
		differs = "whether the connection goes on"
	case m.expect != ref.Expect:
		differs = "whether the client waits for 100 Continue"
	case m.upgrade != "" && m.upgrade != upgrade, m.upgrade != "" && ref.Framing == rfc.Chunked, m.upgrade != "" && len(ref.Body) > 0:
		differs = "the upgrade"
	}
	if differs != "" {
		j.tally.danger("we and the reference differ in "+differs, j.example("ours:", m, "reference:", ref))
		return false
	}
	return true
}

// netHTTP compares net/http's reading of what we accept with ours.
func (j *judge) netHTTP(m *ourMessage, ref *rfc.Message, rest string) {
	r, _, size, err := byNetHTTP(rest)
	if err != nil {
		j.tally.readAlone("net/http", netHTTPRefusal(err), j.example(err))
		return
	}
	what := r.differs(m.reading())
	if what == "" && size != ref.Size {
		what = "the size"
	}
	if what != "" {
		j.tally.note("net/http reads otherwise: "+what, find(j.tally.readings, "net/http", what) != nil, j.example(r, m.reading()))
	}
}

// sendToUs gives what we send on to another edge. A part of the cases will do, and those
// that our own fields lift above a limit cannot.
func (j *judge) sendToUs(limits int, sent string) []ourMessage {
	if limits > 0 || j.number%4 > 0 {
		return nil
	}
	return append([]ourMessage{}, j.r.read(sent, func() int { return 0 }, origin(1))...)
}

// forwarded gives what an app is sent to all the readers. It must be one message, the same
// one, to each of them.
func (j *judge) forwarded(m *ourMessage, ref *rfc.Message) {
	sent := m.forward
	bad := func(what string) { j.tally.danger("what we send on: "+what, j.example("sent on:", sent)) }

	again := rfc.ReadRequest(sent)
	if again.Fate != rfc.Read {
		bad("is " + again.Fate.String() + ": " + again.Why)
		return
	}
	got := reading{again.Method, again.Target, strings.ToLower(again.Authority), string(again.Body)}
	if d := got.differs(m.reading()); d != "" {
		bad("differs in " + d)
	}
	if again.Size != len(sent) {
		bad("is more than one message")
	}
	if !again.Persist {
		bad("ends the connection")
	}
	if slices.ContainsFunc(again.Flaws, func(f string) bool { return !slices.Contains(ref.Flaws, f) }) {
		bad("has a flaw that the request had not")
	}
	limits := 0
	for _, mark := range again.Marks {
		switch mark {
		case "more than 256 fields (RFC 9110, 5.4)", "a head of more than 32 KiB (RFC 9110, 5.4)":
			limits++ // with the fields of the edge
		case "an A-label (RFC 5891, 4.4)":
		default:
			bad("is rare: " + mark)
		}
	}
	if (again.Framing == rfc.Chunked) != (m.length < 0) || again.Framing == rfc.Length != (len(m.body) > 0 || ref.Framing == rfc.Length) && m.length >= 0 {
		bad("is framed in another way")
	}
	if own := j.sendToUs(limits, sent); own != nil && (len(own) != 1 || own[0].reading() != m.reading()) {
		bad("is not the same to ourselves")
	}
	r, trailers, size, err := byNetHTTP(sent)
	switch {
	case err != nil:
		what := netHTTPRefusal(err)
		j.tally.note("what we send on, net/http refuses: "+what, find(j.tally.readings, "net/http", what) != nil, j.example(err))
	case r.differs(m.reading()) != "":
		bad("differs to net/http in " + r.differs(m.reading()))
	case size != len(sent):
		bad("is more than one message to net/http")
	case len(trailers) != len(again.Trailers):
		bad("has other trailers to net/http")
	}
}
