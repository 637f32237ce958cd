package differential

import (
	"testing"

	"github.com/holdfast-edge/holdfast/integration_test/differential/generate"
	"github.com/holdfast-edge/holdfast/integration_test/differential/rfc"
)

// The guard can fail: readings that are wrong in one thing, and requests sent on that hold
// something else, are each found.

const guarded = "POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi"

func TestGuardFindsWrongReadings(t *testing.T) {
	right := newReader(t).read(guarded, func() int { return 0 }, origin(1))[0]
	for name, change := range map[string]func(*ourMessage){
		"method":   func(m *ourMessage) { m.method = "GET" },
		"target":   func(m *ourMessage) { m.target = "/b" },
		"host":     func(m *ourMessage) { m.host = "b.test" },
		"body":     func(m *ourMessage) { m.body = "hj" },
		"framing":  func(m *ourMessage) { m.length = -1 },
		"trailers": func(m *ourMessage) { m.trailers = []rfc.Field{{Name: "X", Value: "y"}} },
		"fields":   func(m *ourMessage) { m.fields++ },
		"end":      func(m *ourMessage) { m.persist = false },
		"expect":   func(m *ourMessage) { m.expect = true },
		"upgrade":  func(m *ourMessage) { m.upgrade = "websocket" },
	} {
		tally := newTally(requestRefusals(), requestReadings())
		j := &judge{c: generate.Case{Stream: guarded}, tally: tally}
		wrong := right
		change(&wrong)
		if j.accepted(&wrong, rfc.ReadRequest(guarded)); len(tally.bad) != 1 {
			t.Errorf("%s: %d findings", name, len(tally.bad))
		}
		if j.accepted(&right, rfc.ReadRequest(guarded)); len(tally.bad) != 1 {
			t.Errorf("the right reading is a finding: %v", tally.bad)
		}
	}
	tally := newTally(requestRefusals(), requestReadings())
	j := &judge{c: generate.Case{Stream: guarded}, tally: tally}
	j.refused("a line ends with LF alone", rfc.ReadRequest(guarded), guarded)
	if len(tally.bad) != 1 {
		t.Errorf("a valid request is refused: %v", tally.bad)
	}
}

// sentWrong are requests that are not the one they should be.
func sentWrong() map[string]string {
	return map[string]string{
		"two messages":   "POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhiGET /b HTTP/1.1\r\nHost: a.test\r\n\r\n",
		"short length":   "POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\n\r\nhi",
		"another body":   "POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nho",
		"another target": "POST /b HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi",
		"another host":   "POST /a HTTP/1.1\r\nHost: b.test\r\nContent-Length: 2\r\n\r\nhi",
	}
}

func TestGuardFindsWrongRequests(t *testing.T) {
	right := newReader(t).read(guarded, func() int { return 0 }, origin(1))[0]
	lanes := map[string]*lane{"nginx": startNginx(t)[0], "haproxy": startHaproxy(t)[0]}
	for name, sent := range sentWrong() {
		wrong := right
		wrong.forward = sent
		tally := newTally(requestRefusals(), requestReadings())
		j := judge{r: newReader(t), c: generate.Case{Stream: guarded}, number: 1, tally: tally}
		if j.forwarded(&wrong, rfc.ReadRequest(guarded)); len(tally.bad) == 0 {
			t.Errorf("%s: not found", name)
		}
		for who, l := range lanes {
			tally := newTally(requestRefusals(), requestReadings())
			p := &passage{who: who, lane: l, r: j.r, tally: tally, queue: []parcel{{j, wrong}}}
			if p.flush(); len(tally.bad) == 0 {
				t.Errorf("%s: not found by %s", name, who)
			}
		}
	}
}
