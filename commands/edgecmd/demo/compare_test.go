package demo

import (
	"bytes"
	"crypto/sha256"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sent are three visits: one answered, two failed.
func sent() []*visit {
	visits := []*visit{newVisit(1, queueHost), newVisit(2, queueHost), newVisit(3, customerHost)}
	visits[0].status, visits[1].status, visits[2].status = 200, 502, 421
	return visits
}

// received is what the collector has when all went well.
func received(visits []*visit) map[int][]arrival {
	got := map[int][]arrival{}
	for _, v := range visits {
		got[v.number] = []arrival{{
			method: http.MethodPost, target: v.target, contentType: v.contentType,
			body: v.body, sum: sha256.Sum256(v.body), replayed: v.status >= 400,
		}}
	}
	return got
}

// TestCompare: the demo must be able to fail. Each case is one thing that went wrong.
func TestCompare(t *testing.T) {
	change := func(f func(a *arrival)) func(map[int][]arrival) {
		return func(got map[int][]arrival) {
			a := got[2][0]
			f(&a)
			got[2] = []arrival{a}
		}
	}
	for name, c := range map[string]struct {
		spoil             func(got map[int][]arrival)
		whole             bool
		lost, twice, diff []int
	}{
		"all well":      {func(map[int][]arrival) {}, true, nil, nil, nil},
		"lost":          {func(got map[int][]arrival) { delete(got, 3) }, false, []int{3}, nil, nil},
		"twice":         {func(got map[int][]arrival) { got[1] = append(got[1], got[1][0]) }, false, nil, []int{1}, nil},
		"another byte":  {change(func(a *arrival) { a.body = bytes.ToUpper(a.body); a.sum = sha256.Sum256(a.body) }), false, nil, nil, []int{2}},
		"cut short":     {change(func(a *arrival) { a.body = a.body[1:]; a.sum = sha256.Sum256(a.body) }), false, nil, nil, []int{2}},
		"method":        {change(func(a *arrival) { a.method = "PUT" }), false, nil, nil, []int{2}},
		"target":        {change(func(a *arrival) { a.target = "/event?visit=2&page=/pricing" }), false, nil, nil, []int{2}},
		"type":          {change(func(a *arrival) { a.contentType = "" }), false, nil, nil, []int{2}},
		"not by replay": {change(func(a *arrival) { a.replayed = false }), false, nil, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			visits := sent()
			got := received(visits)
			c.spoil(got)
			b := compare(visits, got)
			if b.whole() != c.whole {
				t.Errorf("whole is %v", b.whole())
			}
			if diff := cmp.Diff([][]int{c.lost, c.twice, c.diff}, [][]int{b.lost, b.twice, b.differ}); diff != "" {
				t.Errorf("lost, twice, differ (-want +got):\n%s", diff)
			}
			if b.sent != 3 || b.answered != 1 || b.failed != 2 {
				t.Errorf("sums %+v", b)
			}
		})
	}
}

func TestVisitsCoverWhatIsHardToKeep(t *testing.T) {
	var all [256]bool
	big, text := 0, 0
	for n := 1; n <= 30; n++ {
		v := newVisit(n, queueHost)
		if !bytes.Equal(v.body, newVisit(n, queueHost).body) {
			t.Errorf("visit %d is not the same every time", n)
		}
		switch {
		case len(v.body) > 128<<10:
			big++
		case v.contentType == "application/json":
			text++
		default:
			for _, b := range v.body {
				all[b] = true
			}
		}
	}
	if big == 0 || text == 0 || !every(all) {
		t.Errorf("%d big ones, %d texts, all bytes: %v", big, text, every(all))
	}
}

func every(seen [256]bool) bool {
	for _, s := range seen {
		if !s {
			return false
		}
	}
	return true
}
