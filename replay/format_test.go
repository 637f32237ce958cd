package replay

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/holdfast-edge/holdfast/accesslog"
)

// TestFormatPage reads the example of docs/format/ledger.md as a ledger, and
// writes each of its lines again.
func TestFormatPage(t *testing.T) {
	page, err := os.ReadFile("../docs/format/ledger.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```jsonl\n(.*?)```").FindSubmatch(page)
	if m == nil {
		t.Fatal("the page has no example")
	}
	data := t.TempDir()
	if err := os.Mkdir(filepath.Join(data, "ledger"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, "ledger", "r-20261123-0226.jsonl"), m[1], 0o600); err != nil {
		t.Fatal(err)
	}
	l := openLedger(t, data)
	defer l.Close()
	if len(l.Damage()) > 0 {
		t.Fatalf("damage: %v", l.Damage())
	}
	ids, err := l.Planned("r-20261123-0226")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []State{Delivered, Rejected, Unknown, Pending} {
		if got := l.Of(ids[i]).State; got != want {
			t.Errorf("%s is %v, want %v", ids[i], got, want)
		}
	}
	if r, _ := l.Run(""); r.Resumed != 1 || r.Reason != "interrupted" || r.Count != 4 || r.Rate != 20 {
		t.Errorf("%+v", r)
	}
	for line := range strings.Lines(string(m[1])) {
		v, err := decodeLine([]byte(strings.TrimSuffix(line, "\n")))
		if err != nil {
			t.Fatal(err)
		}
		var again []byte
		if d, ok := v.(*Delivery); ok {
			again, err = d.encode()
		} else {
			again, err = encodeLine(v)
		}
		if err != nil || string(again) != line {
			t.Errorf("the page has\n%sit is written as\n%s%v", line, again, err)
		}
	}
	if _, err := accesslog.ParseID(ids[0].String()); err != nil {
		t.Error(err)
	}
}
