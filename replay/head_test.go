package replay

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-edge/holdfast/accesslog"
)

// plainHead reads heads as the tests write them.
func plainHead(head []byte) (method, target, host string, err error) {
	line, rest, _ := strings.Cut(string(head), "\r\n")
	words := strings.Fields(line)
	_, host, _ = strings.Cut(rest, "Host: ")
	host, _, ok := strings.Cut(host, "\r\n")
	if len(words) != 3 || !ok {
		return "", "", "", fmt.Errorf("head %q", line)
	}
	return words[0], words[1], host, nil
}

// TestCutTextDecidesNothing: what was too long for a clear line is routed by the
// payload, and by nothing if that cannot be opened.
func TestCutTextDecidesNothing(t *testing.T) {
	dir := t.TempDir()
	s := newShelf(t, dir)
	long := strings.Repeat("x", 9<<10)
	end := s.add(fact{host: "long.test", uri: "/api/" + long + "/end", site: "long.test", app: "old"})
	s.add(fact{host: "long.test", uri: "/api/" + long + "/no", site: "long.test", app: "old"})
	s.add(fact{host: "long.test", uri: "/api/" + long + "/end", method: "GET", site: "long.test", app: "old"})
	s.add(fact{host: "long.test", uri: "/" + long, outcome: accesslog.Rejected, status: 414})
	s.close()
	cfg := loadConfig(t, `
listen: {http: ":80"}
apps: {main: "http://127.0.0.1:1"}
sites:
  - {hosts: [long.test], routes: [{path: "/api/`+long+`/end", app: main}]}
`)
	l, err := ReadLedger(dir)
	if err != nil {
		t.Fatal(err)
	}
	head := func(s *Selection) { s.Head = plainHead }
	p := selectAll(t, dir, l, Rules{Config: cfg}, head)
	want := map[string]int{"matched": 4, "to send": 1, "refused_today": 1, "safe_method": 1, "malformed": 1}
	if diff := cmp.Diff(want, counts(p)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(p.Items) != 1 || p.Items[0].ID != end || p.Destinations[0].App != "main" || !p.Samples[0].Cut || !p.Examples[RefusedToday].Cut {
		t.Errorf("%+v, %+v", p.Items, p.Samples)
	}
	reader, keys := openReader(t, dir)
	bad := Selection{Records: reader, Keys: keys, Ledger: l, Rules: Rules{Config: cfg}}
	if _, err := bad.Plan(t.Context()); err == nil {
		t.Error("a selection that reads no heads decided about a cut record")
	}
	unreadable := func(s *Selection) {
		s.Head = func([]byte) (string, string, string, error) { return "", "", "", errors.New("no head") }
	}
	if p = selectAll(t, dir, l, Rules{Config: cfg}, unreadable); p.Reasons[Damaged] != 2 {
		t.Errorf("unreadable heads: %v", counts(p))
	}
	moveKeys(t, dir)
	p = selectAll(t, dir, l, Rules{Config: cfg}, head)
	want = map[string]int{"matched": 4, "to send": 0, "no_key": 2, "safe_method": 1, "malformed": 1}
	if diff := cmp.Diff(want, counts(p)); diff != "" {
		t.Errorf("without the key (-want +got):\n%s", diff)
	}
	delivered := Standing{State: Delivered}
	cut := &accesslog.Entry{Outcome: accesslog.UpstreamDown, Status: 502, Request: accesslog.Request{Cut: true}}
	if j := (&Rules{Config: cfg}).judgeUnread(cut, delivered, NoKey); j.Class != AlreadyDelivered {
		t.Errorf("delivered: %+v", j)
	}
	if d := Today(cfg, cut); d.Site != nil || d.App != "" || d.Reason == "" {
		t.Errorf("today: %+v", d)
	}
}

// unwell is a record store that has trouble with some payloads.
type unwell struct {
	Records
	err map[accesslog.ID]error
}

func (u unwell) Open(e *accesslog.Entry, keys accesslog.Keys) (*accesslog.Opened, error) {
	if err := u.err[e.ID]; err != nil {
		return nil, err
	}
	return u.Records.Open(e, keys)
}

// TestTroubleWithOnePayload: it concerns its own record, not the plan.
func TestTroubleWithOnePayload(t *testing.T) {
	dir := t.TempDir()
	s := newShelf(t, dir)
	ids := []accesslog.ID{s.add(fact{}), s.add(fact{}), s.add(fact{}), s.add(fact{})}
	s.close()
	l, err := ReadLedger(dir)
	if err != nil {
		t.Fatal(err)
	}
	p := selectAll(t, dir, l, Rules{Config: loadConfig(t, todayText)}, func(s *Selection) {
		s.Records = unwell{s.Records, map[accesslog.ID]error{
			ids[0]: &fs.PathError{Op: "open", Err: fs.ErrNotExist}, ids[1]: &fs.PathError{Op: "read", Err: os.ErrPermission},
			ids[2]: fmt.Errorf("x: %w", accesslog.ErrPayload),
		}}
	})
	if diff := cmp.Diff(map[string]int{"matched": 4, "to send": 1, "gone": 1, "damaged": 2}, counts(p)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// listed is a record store of entries in memory that keeps to Since and Until, IDs
// and Failed.
type listed []*accesslog.Entry

func (l listed) Scan(_ context.Context, f accesslog.Filter, fn func(*accesslog.Entry) error) (accesslog.ScanStats, error) {
	for _, e := range l {
		if f.Failed && !e.Failed() || !f.Since.IsZero() && e.Time.Before(f.Since) || !f.Until.IsZero() && !e.Time.Before(f.Until) {
			continue
		}
		if err := fn(e); err != nil {
			return accesslog.ScanStats{}, err
		}
	}
	return accesslog.ScanStats{Records: int64(len(l))}, nil
}

func (listed) Open(*accesslog.Entry, accesslog.Keys) (*accesslog.Opened, error) {
	return &accesslog.Opened{}, nil
}

// TestArchiveHoldsNoText: what clients sent does not fill the memory.
func TestArchiveHoldsNoText(t *testing.T) {
	p := &Plan{AllFailed: true}
	var records listed
	for _, id := range makeIDs(chunkIDs + 1) {
		p.Items = append(p.Items, Item{ID: id})
		records = append(records, &accesslog.Entry{ID: id, Time: id.Time(), Outcome: accesslog.UpstreamDown, Status: 502, Reason: "r", Request: accesslog.Request{
			URI: "/long", Headers: map[string][]string{"Referer": {"long"}}}})
	}
	a := NewArchive(records, accesslog.Keys{}, p)
	defer a.Close()
	open := func(i int) {
		t.Helper()
		if rec, err := a.Open(t.Context(), p.Items[i].ID); err != nil || !rec.Time.Equal(records[i].Time) {
			t.Fatal(err)
		}
	}
	for i := range p.Items {
		open(i)
	}
	a.entries.Purge()
	open(0) // by a search of its own
	if a.entries.Len() < chunkIDs {
		t.Errorf("%d entries are held", a.entries.Len())
	}
	for _, e := range a.entries.Values() {
		if e.Reason != "" || e.Request.URI != "" || e.Request.Headers != nil || e.ID == (accesslog.ID{}) {
			t.Fatalf("it holds %+v", e)
		}
	}
	if records[0].Request.URI == "" {
		t.Error("the entry of the store was changed")
	}
}

// counting counts searches.
type counting struct {
	Records
	scans *atomic.Int64
}

func (c counting) Scan(ctx context.Context, f accesslog.Filter, fn func(*accesslog.Entry) error) (accesslog.ScanStats, error) {
	c.scans.Add(1)
	return c.Records.Scan(ctx, f, fn)
}

// TestArchiveRemembersWhatIsGone: a chunk of records that were removed is searched
// for once, not once for each of them.
func TestArchiveRemembersWhatIsGone(t *testing.T) {
	p := &Plan{AllFailed: true}
	for _, id := range makeIDs(100) {
		p.Items = append(p.Items, Item{ID: id})
	}
	var scans atomic.Int64
	a := NewArchive(counting{listed{}, &scans}, accesslog.Keys{}, p)
	defer a.Close()
	for _, item := range p.Items {
		if _, err := a.Open(t.Context(), item.ID); !errors.Is(err, errGone) {
			t.Fatal(err)
		}
	}
	if n := scans.Load(); n > 4 {
		t.Errorf("%d searches", n)
	}
}

// TestGroupsAreBounded: clients name hosts, as many as they like.
func TestGroupsAreBounded(t *testing.T) {
	ids := makeIDs(3 * maxGroups)
	b := newBuilder(&Selection{})
	for i, id := range ids {
		e := &accesslog.Entry{ID: id, Outcome: accesslog.NoRoute, Status: 421, Request: accesslog.Request{Host: fmt.Sprintf("h%d.test", i)}}
		b.add(e, Standing{}, Judgement{Class: ToSend, Why: "w", Now: "main", Destination: Destination{App: "main"}})
	}
	last := b.plan.Groups[len(b.plan.Groups)-1]
	if len(b.plan.Groups) != maxGroups+1 || last.Host != otherHosts || last.Count != 2*maxGroups || len(b.groups) != maxGroups+1 {
		t.Errorf("%d groups, the last %+v", len(b.plan.Groups), last)
	}
}

// TestManyMissing: more than can be named are still found when they did not fail and
// lie far from the time in their ids.
func TestManyMissing(t *testing.T) {
	ids := makeIDs(chunkIDs + 10)
	var records listed
	for _, id := range ids {
		records = append(records, &accesslog.Entry{ID: id, Time: testStart.AddDate(0, 0, -9), Outcome: accesslog.OK, Status: 200})
	}
	l, err := ReadLedger(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := Selection{Records: records, Ledger: l, Only: ids, Rules: Rules{Config: loadConfig(t, todayText), Continue: true}}
	p, err := s.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if p.Reasons[Gone] != 0 || p.Matched != len(ids) {
		t.Errorf("%v", counts(p))
	}
}
