package replay

import (
	"testing"
)

// TestRedirects: an app that redirects all of the first ones may be a login page:
// the lane stops. What was answered stays delivered.
func TestRedirects(t *testing.T) {
	const n = 40
	for _, test := range []struct {
		name      string
		reply     func(int, Destination, *Request) int
		redirects bool
		live      bool // redirected as well
		delivered int
		redirect  int
	}{
		{"all", always(303), false, false, 20, 20},
		{"all, told to go on", always(303), true, false, n, n},
		{"all, as the live ones", always(303), false, true, n, n},
		{"not changed is no redirect", always(304), false, false, n, 0},
		{"one was taken", func(k int, _ Destination, _ *Request) int {
			if k == 7 {
				return 200
			}
			return 302
		}, false, false, n, n - 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			tr := trialRun{sender: &scripted{reply: test.reply}}
			tr.items = func(items []Item) {
				for i := range items {
					items[i].Redirected = test.live
				}
			}
			tr.run(t, n, nil, nil, Options{Redirects: test.redirects})
			if tr.report.Of(Delivered) != test.delivered || tr.report.Of(Pending) != n-test.delivered || tr.report.Redirected != test.redirect {
				t.Errorf("%+v", tr.report)
			}
			for _, d := range tr.watch.settled {
				if got := tr.book.Of(d.ID).State; got != d.State {
					t.Errorf("%s: settled as %v, the ledger has %v", d.ID, d.State, got)
				}
			}
			stops := tr.report.Stops
			if stopped := test.delivered < n; stopped != (len(stops) == 1) || stopped && (stops[0].Status != 303 || stops[0].Left != n-20) {
				t.Errorf("stops %+v", stops)
			}
		})
	}
}
