package differential

import (
	"bufio"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-edge/holdfast/edge/exchange"
	"github.com/holdfast-edge/holdfast/edge/http1"
	"github.com/holdfast-edge/holdfast/integration_test/differential/generate"
	"github.com/holdfast-edge/holdfast/integration_test/differential/rfc"
	"github.com/holdfast-edge/holdfast/integration_test/edgetest"
)

// ourAnswer is what the edge makes of an app's answer.
type ourAnswer struct {
	refused    string
	incomplete bool

	status   int
	body     string
	trailers []rfc.Field
	fields   int
	persist  bool
	rest     int    // bytes that are left behind it
	sent     string // what the client gets
}

// answers is the data plane between an app and a client, for one exchange at a time.
type answers struct {
	server http1.Server
	method string
	stream io.Reader
	next   bool // read the body with Next, or Read
	got    ourAnswer
}

func newAnswers(t testing.TB) *answers {
	t.Helper()
	a := &answers{}
	a.server.Limits = newReader(t).server.Limits
	a.server.Panicked = func(v any) { t.Errorf("a panic: %v", v) }
	t.Cleanup(func() { _ = a.server.Shutdown(context.Background()) })
	a.server.Handler = a.handle
	return a
}

// read gives the stream of an app, in pieces, to the edge that asks with the method for a
// client.
func (a *answers) read(c generate.Case, piece func() int, next bool) ourAnswer {
	a.got = ourAnswer{}
	a.method, a.next = c.Method, next
	a.stream = &wire{data: c.Stream, piece: piece}
	client := &recording{wire: wire{data: c.Method + " / HTTP/1.1\r\nHost: a\r\n\r\n", piece: func() int { return 0 }, closed: make(chan struct{})}}
	a.server.Start(client, 0)
	<-client.closed
	a.got.sent = client.sent.String()
	return a.got
}

// recording is a wire that keeps what is written to it.
type recording struct {
	wire
	sent strings.Builder
}

func (r *recording) Write(p []byte) (int, error) { return r.sent.Write(p) }

// handle relays as package edge does.
func (a *answers) handle(x *exchange.Exchange) {
	var in http1.Buffer
	in.Reset(a.stream)
	defer in.Free()
	var head http1.Response
	if !a.head(&in, &head) {
		x.Answer.Close()
		return
	}
	var body http1.Decoder
	head.Body(&body, &in, x.Method)
	g := &a.got
	g.status, g.fields = head.Status, len(head.Fields)
	if head.Status < 200 { // 1xx and 101 are sent on by other functions, without a body
		rest, _ := io.ReadAll(a.stream)
		g.persist, g.rest = !head.Close, len(in.Unread())+len(rest)
		x.Answer.Close()
		return
	}
	err := x.Answer.Begin(&exchange.AnswerHead{Status: head.Status, Fields: head.Fields, Length: head.Length(), NoBody: !head.HasBody(x.Method)})
	if err == nil {
		err = a.body(x, &in, &body)
	}
	var bad *exchange.Malformed
	switch {
	case errors.As(err, &bad):
		g.refused = bad.Reason
	case err == io.ErrUnexpectedEOF:
		g.incomplete = true
	case err != nil:
		g.refused = "an error that nobody expects: " + err.Error()
	}
	if err != nil {
		_ = x.Answer.Flush()
		x.Answer.Close()
		return
	}
	for _, f := range body.Trailers() {
		g.trailers = append(g.trailers, rfc.Field{Name: string(f.Name), Value: string(f.Value)})
	}
	rest, _ := io.ReadAll(a.stream)
	g.persist, g.rest = !head.Close, len(in.Unread())+len(rest)
	if err := x.Answer.End(body.Trailers()); err != nil {
		g.refused = "End: " + err.Error()
	}
}

// head reads the head as upstream.Conn does. It returns false if there is none.
func (a *answers) head(in *http1.Buffer, head *http1.Response) bool {
	for {
		n, bad := head.Parse(in.Unread())
		switch {
		case bad != nil:
			a.got.refused = bad.Reason
			return false
		case n > 0:
			in.Pin(n)
			return true
		}
		moves := in.Moves
		if in.Fill() != nil {
			a.got.incomplete = true
			return false
		}
		if in.Moves != moves {
			head.Reset()
		}
	}
}

func (a *answers) body(x *exchange.Exchange, in *http1.Buffer, body *http1.Decoder) error {
	in.Unpin()
	var all []byte
	defer func() { a.got.body = string(all) }()
	buf := make([]byte, 100)
	for {
		var p []byte
		var err error
		if a.next {
			p, err = body.Next()
		} else {
			var n int
			n, err = body.Read(buf)
			p = buf[:n]
		}
		all = append(all, p...)
		if _, err := x.Answer.Write(p); err != nil {
			return err
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// same reports in what two readings differ.
func (g *ourAnswer) same(o *ourAnswer) string {
	switch {
	case g.refused != "" && o.refused != "":
		return ""
	case g.refused != o.refused, g.incomplete != o.incomplete:
		return "refusal"
	case g.incomplete:
		return ""
	case g.status != o.status, g.body != o.body, g.persist != o.persist, g.rest != o.rest, !slices.Equal(g.trailers, o.trailers):
		return "reading"
	}
	return ""
}

// TestAnswers gives the same streams to the edge's reader of answers, the reference and
// net/http, and what the edge tells the client to the last two.
func TestAnswers(t *testing.T) {
	t.Parallel()
	s, tally := seed(t), newTally(answerRefusals(), answerReadings())
	t.Logf("HOLDFAST_SEED=%d", s)
	forAll(edgetest.Size(30_000, 1_000_000), func() *answers { return newAnswers(t) }, func(a *answers, i uint64) {
		c := generate.Response(s, i)
		j := &judge{c: c, number: i, tally: tally}
		j.answer(a)
	})
	tally.report(t, "reference", "net/http")
}

func (j *judge) answer(a *answers) {
	j.tally.did("streams", 1)
	rnd := rand.New(rand.NewPCG(j.number, 2))
	ours := a.read(j.c, func() int { return 0 }, true)
	most := []int{1, 3, 40, 400}[rnd.IntN(4)]
	if len(j.c.Stream) > 3000 {
		most = 5000
	}
	again := a.read(j.c, func() int { return 1 + rnd.IntN(most) }, false)
	if d := ours.same(&again); d != "" {
		j.tally.danger("in pieces the answer is another "+d, j.example(ours, again))
	}
	ref := rfc.ReadResponse(j.c.Stream, j.c.Method)
	res, err := http.ReadResponse(bufio.NewReader(strings.NewReader(j.c.Stream)), &http.Request{Method: j.c.Method})
	body := ""
	if err == nil {
		var p []byte
		p, err = io.ReadAll(res.Body)
		body = string(p)
	}
	switch {
	case ours.refused != "":
		j.tally.did("answers refused", 1)
		if ref.Fate == rfc.Read {
			j.tally.refusedReadable(ours.refused, ref, j.example())
		}
		if err == nil {
			j.tally.refusedAlone("net/http", ours.refused, j.example(body))
		}
	case ours.incomplete:
		j.tally.did("answers incomplete", 1)
		if ref.Fate == rfc.Read {
			j.tally.danger("we wait for more of a complete answer", j.example())
		}
	default:
		j.tally.did("answers read", 1)
		j.answerRead(&ours, ref)
		if err != nil {
			j.tally.readAlone("net/http", netHTTPRefusal(err), j.example(err))
		} else if ours.status != res.StatusCode || ours.body != body {
			j.tally.danger("net/http reads the answer otherwise", j.example(ours, res.StatusCode, body))
		}
	}
	j.answerSent(&ours)
}

// answerRead compares what we read with the reference.
func (j *judge) answerRead(ours *ourAnswer, ref *rfc.Message) {
	if ref.Fate != rfc.Read {
		j.tally.danger("we read an answer that is "+ref.Fate.String()+": "+ref.Why, j.example(ours))
		return
	}
	for _, flaw := range slices.Concat(ref.Flaws, ref.Marks) {
		j.tally.readAlone("reference", flaw, j.example())
	}
	differs := ""
	switch {
	case ours.status != ref.Status:
		differs = "the status"
	case ours.body != string(ref.Body):
		differs = "the body"
	case ours.fields != len(ref.Fields), !slices.Equal(ours.trailers, ref.Trailers):
		differs = "the fields"
	case ours.rest != len(j.c.Stream)-ref.Size:
		differs = "where it ends"
	case ours.persist != ref.Persist:
		differs = "whether the connection goes on"
	}
	if differs != "" {
		j.tally.danger("we and the reference differ in "+differs, j.example("ours:", ours, "reference:", ref))
	}
}

// answerSent gives what the client gets to the reference and net/http: the same answer, or
// one that is seen to be cut short, or none.
func (j *judge) answerSent(ours *ourAnswer) {
	if ours.sent == "" {
		return
	}
	bad := func(what string) {
		j.tally.danger("what the client gets: "+what, j.example(ours))
	}
	ref := rfc.ReadResponse(ours.sent, j.c.Method)
	res, err := http.ReadResponse(bufio.NewReader(strings.NewReader(ours.sent)), &http.Request{Method: j.c.Method})
	if err != nil {
		bad("is refused by net/http: " + err.Error())
		return
	}
	body, err := io.ReadAll(res.Body)
	if ours.refused != "" || ours.incomplete {
		if ref.Fate != rfc.Incomplete || err == nil {
			bad("looks complete")
		}
		return
	}
	// The edge's own limits make trailers no longer than a client may take.
	if err != nil && !strings.Contains(err.Error(), "suspiciously long trailer") {
		bad("cannot be read by net/http: " + err.Error())
	}
	switch {
	case ref.Fate != rfc.Read:
		bad("is " + ref.Fate.String() + ": " + ref.Why)
	case ref.Status != ours.status || res.StatusCode != ours.status:
		bad("has another status")
	case string(ref.Body) != ours.body || err == nil && string(body) != ours.body:
		bad("has another body")
	case ref.Size != len(ours.sent):
		bad("is more than one answer")
	}
}
