package edge

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/edge/upstream"
)

// An upstream that flips is told of at once, and from then on every ten seconds.
func TestFlips(t *testing.T) {
	var f flips
	down := fmt.Errorf("down: %w", upstream.ErrClosed)
	at := time.Unix(1_000_000, 0)
	if !f.note(upstreamOf{"x", "a"}, down, true, at) || !f.note(upstreamOf{"x", "a"}, nil, true, at.Add(time.Second)) {
		t.Error("down and back, once, is told")
	}
	for i := range 100 {
		cause := down
		if i%2 == 1 {
			cause = nil
		}
		if f.note(upstreamOf{"x", "a"}, cause, true, at.Add(2*time.Second)) {
			t.Fatal("told each time")
		}
	}
	if !f.note(upstreamOf{"x", "c"}, nil, true, at) || !f.note(upstreamOf{"x", "c"}, errors.New("the certificate is expired"), false, at) {
		t.Error("another cause is not told at once")
	}
	if !f.note(upstreamOf{"x", "b"}, down, true, at.Add(3*time.Second)) {
		t.Error("another upstream is not told of")
	}
	if due := f.due(at.Add(5 * time.Second)); len(due) != 0 {
		t.Error("told too early:", due)
	}
	due := f.due(at.Add(13 * time.Second))
	if len(due) != 1 || due[upstreamOf{"x", "a"}].more != 100 || due[upstreamOf{"x", "a"}].cause != nil {
		t.Errorf("%+v", due)
	}
	if due := f.due(at.Add(40 * time.Second)); len(due) != 0 || len(f.last) != 0 {
		t.Errorf("%+v, %d kept", due, len(f.last))
	}
	if !f.note(upstreamOf{"x", "a"}, down, true, at.Add(41*time.Second)) {
		t.Error("not told after a quiet time")
	}
}
