package edgecmd

import (
	"context"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/accesslog"
	"github.com/holdfast-edge/holdfast/internal/terminal"
)

type countingWriter struct{ n int }

func (c *countingWriter) write(*accesslog.Entry) error { c.n++; return nil }
func (c *countingWriter) flush() error                 { return nil }

// -n 0 is no record at all, not all of them.
func TestLogsLastZero(t *testing.T) {
	dir := t.TempDir()
	store, err := accesslog.OpenStore(dir, accesslog.StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		store.Append(&accesslog.Record{ID: store.NewIDs().Next(time.Now()), Time: time.Now(), Outcome: accesslog.OK, Status: 200})
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	reader, err := accesslog.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	for last, want := range []int{0, 1, 2} {
		cmd := logsCmd{Last: &last}
		filter, err := cmd.filter(time.Now())
		if err != nil {
			t.Fatal(err)
		}
		var lines countingWriter
		if err := cmd.search(context.Background(), &terminal.UI{}, reader, filter, &lines); err != nil {
			t.Fatal(err)
		}
		if lines.n != want {
			t.Errorf("-n %d shows %d records", last, lines.n)
		}
	}
}
