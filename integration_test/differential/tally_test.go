package differential

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-edge/holdfast/integration_test/differential/rfc"
	"github.com/holdfast-edge/holdfast/integration_test/edgetest"
)

// tally counts the disagreements by class. Safe for concurrent use.
type tally struct {
	refusals, readings []class // what is allowed

	mu     sync.Mutex
	counts map[string]int
	bad    map[string][]string
	total  map[string]int // cases
}

func newTally(refusals, readings []class) *tally {
	return &tally{refusals: refusals, readings: readings, counts: map[string]int{}, bad: map[string][]string{}, total: map[string]int{}}
}

// did counts work.
func (t *tally) did(what string, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.total[what] += n
}

// note counts one disagreement of a class that the table allows, or keeps it as
// unexplained.
func (t *tally) note(name string, allowed bool, example func() string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[name]++
	if !allowed && len(t.bad[name]) < 3 {
		t.bad[name] = append(t.bad[name], example())
	}
}

// refusedAlone notes that we refuse what another one reads.
func (t *tally) refusedAlone(who, reason string, example func() string) {
	t.note("we refuse, "+who+" reads: "+reason, find(t.refusals, who, reason) != nil, example)
}

// refusedReadable notes that we refuse what the reference reads: that must be for
// something that the reference finds peculiar as well.
func (t *tally) refusedReadable(reason string, ref *rfc.Message, example func() string) {
	peculiar := slices.Concat(ref.Marks, ref.Flaws)
	c := find(t.refusals, "reference", reason)
	ok := c != nil && slices.ContainsFunc(c.because, func(b string) bool { return slices.Contains(peculiar, b) })
	t.note("we refuse, reference reads: "+reason, ok, func() string { return example() + strings.Join(peculiar, "; ") })
}

// readAlone notes that we read what another one refuses, or what breaks the grammar.
func (t *tally) readAlone(who, what string, example func() string) {
	name := "we read, " + who + " refuses: " + what
	if who == "reference" {
		name = "we read: " + what
	}
	t.note(name, find(t.readings, who, what) != nil, example)
}

// danger keeps a disagreement that no table may allow.
func (t *tally) danger(name string, example func() string) { t.note("DANGER: "+name, false, example) }

// report fails the test for every class that is not explained, and prints the counts. With
// many cases it also prints what the table allows the readers and none did: such a row may
// be out of date.
func (t *tally) report(tt *testing.T, readers ...string) {
	tt.Helper()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, name := range sorted(t.total) {
		tt.Logf("%8d  %s", t.total[name], name)
	}
	for _, name := range sorted(t.counts) {
		if t.bad[name] == nil {
			tt.Logf("%8d  %s", t.counts[name], name)
		}
	}
	for _, c := range slices.Concat(t.refusals, t.readings) {
		for _, who := range readers {
			seen := func(name string) bool {
				return strings.HasSuffix(name, c.what) && (strings.Contains(name, who) || who == "reference" && strings.HasPrefix(name, "we read: "))
			}
			if edgetest.Full() && slices.Contains(strings.Split(c.who, ", "), who) && !slices.ContainsFunc(sorted(t.counts), seen) {
				tt.Logf("not seen: %s: %s", who, c.what)
			}
		}
	}
	for _, name := range sorted(t.bad) {
		text := fmt.Sprintf("not explained, %d times: %s", t.counts[name], name)
		for _, example := range t.bad[name] {
			text += "\n\n" + example
		}
		tt.Error(text + "\n")
	}
}

func sorted[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
