package replay

import (
	"context"
	"slices"
	"time"

	"github.com/holdfast-edge/holdfast/accesslog"
)

// Records is the part of *accesslog.Reader that a selection and an Archive need.
// Scan calls fn in order of id; an entry belongs to fn.
type Records interface {
	Scan(ctx context.Context, f accesslog.Filter, fn func(*accesslog.Entry) error) (accesslog.ScanStats, error)
	Open(e *accesslog.Entry, keys accesslog.Keys) (*accesslog.Opened, error)
}

// Selection finds the records to send.
type Selection struct {
	Records Records
	Keys    accesslog.Keys
	Ledger  *Ledger
	Rules   Rules
	// Head reads the heads of records whose clear text was cut.
	Head   HeadParser
	Filter accesslog.Filter
	// Only, if not nil, are the ids of a run that is continued; Filter is not used.
	Only []accesslog.ID
	// Limit, if above 0, is how many are sent at most.
	Limit int
	// List keeps what cannot be resent in Plan.Unreplayable.
	List bool
	// Location is where days begin and end; nil is UTC.
	Location *time.Location
	// Looked, if set, is called now and then with the number of records looked at.
	Looked func(n int64)
}

// slack is how far a record's arrival may lie from the time in its id, if the
// clock was set: ids never go back, whatever the clock does.
const slack = time.Hour

// samples is how many examples a plan keeps.
const samples = 3

// maxGroups is how many groups a plan has before new hosts are counted together,
// as otherHosts.
const (
	maxGroups  = 1000
	otherHosts = "other hosts"
)

// Plan looks at every record that matches and says what becomes of it. It reads
// the store and the ledger and changes neither. Memory is 24 bytes for every
// record to send, besides what the store's Scan needs for the failed records, or
// for windowRecords of all, whichever is more.
func (s *Selection) Plan(ctx context.Context) (*Plan, error) {
	start := time.Now()
	filter := s.Filter
	b := newBuilder(s)
	if s.Only != nil {
		filter = between(s.Only, slack)
		b.missing = make(map[accesslog.ID]bool, len(s.Only))
		for _, id := range s.Only {
			b.missing[id] = true
		}
	}
	b.plan.From, b.plan.Until = filter.Since, filter.Until
	look := func(e *accesslog.Entry) error {
		if b.looked++; s.Looked != nil && b.looked%256 == 0 {
			s.Looked(b.looked)
		}
		return s.judge(b, e)
	}
	all := s.Rules.Misrouted || s.Only != nil // also what was answered well
	var err error
	switch {
	case all:
		// Only to learn how many there are.
		count := filter
		count.Failed, count.Last = true, 1
		b.plan.Stats, err = s.Records.Scan(ctx, count, func(*accesslog.Entry) error { return nil })
		if err == nil {
			err = scanWindows(ctx, s.Records, filter, b.plan.Stats.Records, look)
		}
		if err == nil && len(b.missing) > 0 {
			err = s.scanMissing(ctx, b, look)
		}
	case len(filter.IDs) > 0:
		b.plan.Stats, err = s.Records.Scan(ctx, filter, look)
	default:
		filter.Failed = true
		b.plan.Stats, err = s.Records.Scan(ctx, filter, look)
		if err == nil {
			err = s.also(ctx, b, filter, look)
		}
	}
	if err != nil {
		return nil, err
	}
	for id := range b.missing {
		b.gone(id, s.Ledger.Of(id))
	}
	p := b.plan
	p.Took = time.Since(start)
	slices.SortFunc(p.Items, func(a, b Item) int { return compareIDs(a.ID, b.ID) })
	slices.SortFunc(p.Days, func(a, b Day) int { return a.Date.Compare(b.Date) })
	return p, nil
}

// scanMissing looks for what was not found near the time in its id: the clock was
// set back by more than slack, or the record is gone.
func (s *Selection) scanMissing(ctx context.Context, b *builder, look func(*accesslog.Entry) error) error {
	if len(b.missing) > chunkIDs {
		// Too many to name: all that there is, in stretches.
		stats, err := s.Records.Scan(ctx, accesslog.Filter{Failed: true, Last: 1}, func(*accesslog.Entry) error { return nil })
		if err != nil {
			return err
		}
		return scanWindows(ctx, s.Records, accesslog.Filter{}, stats.Records, look)
	}
	var f accesslog.Filter
	for id := range b.missing {
		f.IDs = append(f.IDs, id.String())
	}
	_, err := s.Records.Scan(ctx, f, look)
	return err
}

// judge decides about one record.
func (s *Selection) judge(b *builder, e *accesslog.Entry) error {
	if b.missing != nil {
		if !b.missing[e.ID] {
			return nil
		}
		delete(b.missing, e.ID)
	}
	standing := s.Ledger.Of(e.ID)
	var j Judgement
	if e.Request.Cut {
		var err error
		if j, err = s.judgeCut(e, standing); err != nil {
			return err
		}
	} else {
		j = s.Rules.Judge(e, standing)
	}
	if j.Class == ToSend {
		s.openable(e, &j)
	}
	b.add(e, standing, j)
	return nil
}

const (
	// windowRecords is about how many records one search of many may find.
	windowRecords = 200_000
	// alsoRecords is how many records are looked through only to say how many
	// were answered well by the wrong app.
	alsoRecords = 2_000_000
)

// also counts what --misrouted would add, unless that takes too long.
func (s *Selection) also(ctx context.Context, b *builder, f accesslog.Filter, look func(*accesslog.Entry) error) error {
	f.Failed = false
	if len(f.Outcomes) > 0 && !slices.Contains(f.Outcomes, accesslog.OK) {
		return nil
	}
	if b.plan.Stats.Records > alsoRecords {
		b.plan.AlsoNotLooked = true
		return nil
	}
	f.Outcomes = []accesslog.Outcome{accesslog.OK}
	return scanWindows(ctx, s.Records, f, b.plan.Stats.Records, func(e *accesslog.Entry) error {
		if e.Failed() {
			return nil // seen already
		}
		return look(e)
	})
}

// scanWindows is Scan in as many stretches of time as keep one of them small, if
// the records are spread evenly. Order of id holds within a stretch.
func scanWindows(ctx context.Context, in Records, f accesslog.Filter, records int64, fn func(*accesslog.Entry) error) error {
	n := records/windowRecords + 1
	from, until := f.Since, f.Until
	if from.IsZero() {
		from = time.Now().AddDate(0, 0, -90)
	}
	if until.IsZero() {
		until = time.Now()
	}
	step := until.Sub(from) / time.Duration(n)
	if n == 1 || step <= 0 {
		_, err := in.Scan(ctx, f, fn)
		return err
	}
	for i := range n {
		window := f
		if i > 0 {
			window.Since = from.Add(time.Duration(i) * step)
		}
		if i < n-1 {
			window.Until = from.Add(time.Duration(i+1) * step)
		}
		if _, err := in.Scan(ctx, window, fn); err != nil {
			return err
		}
	}
	return nil
}

// openable opens the payload of a record that is to be sent, so that a missing
// key is said before anything is sent. What cannot be opened concerns its own
// record and no other.
func (s *Selection) openable(e *accesslog.Entry, j *Judgement) {
	opened, err := s.Records.Open(e, s.Keys)
	if err != nil {
		j.Reason = unopened(err)
		j.Class = j.Reason.Class()
		return
	}
	if opened.Body != nil {
		_ = opened.Body.Close() // nothing was read of it; sending reads it to the end
	}
}

// between is a filter for the time in which ids arrived, give or take slack; ids
// may be in any order.
func between(ids []accesslog.ID, slack time.Duration) accesslog.Filter {
	if len(ids) == 0 {
		return accesslog.Filter{Until: time.Unix(0, 0)}
	}
	first, last := slices.MinFunc(ids, compareIDs), slices.MaxFunc(ids, compareIDs)
	return accesslog.Filter{Since: first.Time().Add(-slack), Until: last.Time().Add(slack)}
}

// builder adds records to a plan.
type builder struct {
	plan     *Plan
	limit    int
	list     bool
	location *time.Location
	dests    map[Destination]int32
	groups   map[Group]int // the group with Count 0 -> its place in plan.Groups
	runs     map[string]bool
	missing  map[accesslog.ID]bool // of Selection.Only, those not seen yet; nil without it
	looked   int64
}

func newBuilder(s *Selection) *builder {
	b := &builder{
		plan: &Plan{AllFailed: true}, limit: s.Limit, list: s.List, location: s.Location,
		dests: map[Destination]int32{}, groups: map[Group]int{}, runs: map[string]bool{},
	}
	if b.location == nil {
		b.location = time.UTC
	}
	return b
}

func (b *builder) add(e *accesslog.Entry, s Standing, j Judgement) {
	p := b.plan
	if j.Class == NotMatched {
		if j.MisroutedOK && s.State != Delivered && !safeMethod(e.Request.Method) {
			p.AlsoOK++
			if payloadReason(e) == NoReason {
				p.AlsoPayload++
			}
		}
		return
	}
	p.Matched++
	if j.Class == AlreadyDelivered {
		b.delivered(s)
		return
	}
	if j.Class == ToSend && b.limit > 0 && len(p.Items) >= b.limit {
		j.Class, j.Reason = LeftOut, OverLimit
	}
	if j.Class != ToSend {
		if p.Reasons[j.Reason]++; p.Reasons[j.Reason] == 1 {
			p.Examples[j.Reason] = example(e, j.Now)
		} else if p.Examples[j.Reason].Cut && !e.Request.Cut {
			p.Examples[j.Reason] = example(e, j.Now) // one that can be typed again
		}
		if at, ok := slices.BinarySearch(p.Genuine, e.Status); j.Reason == Genuine4xx && !ok {
			p.Genuine = slices.Insert(p.Genuine, at, e.Status)
		}
		if b.list && j.Class == CannotBeResent {
			p.Unreplayable = append(p.Unreplayable, Unreplayable{example(e, j.Now), j.Reason})
		}
		return
	}
	b.send(e, j)
}

func (b *builder) delivered(s Standing) {
	b.plan.Delivered++
	if !b.runs[s.Run] {
		b.runs[s.Run] = true
		b.plan.DeliveredRuns = append(b.plan.DeliveredRuns, s.Run)
	}
}

func (b *builder) send(e *accesslog.Entry, j Judgement) {
	p := b.plan
	dest := j.Destination
	if dest.URL != "" {
		dest.App = "" // one place, whatever the routes say
	}
	at, ok := b.dests[dest]
	if !ok {
		at = int32(len(p.Destinations))
		b.dests[dest] = at
		p.Destinations = append(p.Destinations, dest)
		p.PerDest = append(p.PerDest, 0)
	}
	p.PerDest[at]++
	p.Items = append(p.Items, Item{ID: e.ID, Dest: at, Redirected: Redirect(e.Status)})
	p.Bytes += e.Body.Bytes
	p.AllFailed = p.AllFailed && e.Failed()

	g := Group{Host: e.Request.Host, Why: j.Why, Then: j.Then, Now: j.Now}
	n, ok := b.groups[g]
	if !ok && len(p.Groups) >= maxGroups {
		g.Host = otherHosts // it is the clients who name hosts
		n, ok = b.groups[g]
	}
	if !ok {
		n = len(p.Groups)
		b.groups[g] = n
		p.Groups = append(p.Groups, g)
		if len(p.Samples) < samples {
			p.Samples = append(p.Samples, example(e, j.Now))
		}
	}
	p.Groups[n].Count++
	b.day(e.Time.In(b.location))
}

// day counts one item. Records come nearly in order of time, so the day is
// nearly always the last one.
func (b *builder) day(t time.Time) {
	date := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, b.location)
	days := b.plan.Days
	for i := len(days) - 1; i >= 0; i-- {
		if days[i].Date.Equal(date) {
			days[i].Count++
			return
		}
	}
	b.plan.Days = append(days, Day{Date: date, Count: 1})
}

// gone counts an id that a continued run planned and the log does not have any more.
func (b *builder) gone(id accesslog.ID, s Standing) {
	b.plan.Matched++
	if s.State == Delivered {
		b.delivered(s)
		return
	}
	x := Example{ID: id, Time: id.Time()}
	if b.plan.Reasons[Gone]++; b.plan.Reasons[Gone] == 1 {
		b.plan.Examples[Gone] = x
	}
	if b.list {
		b.plan.Unreplayable = append(b.plan.Unreplayable, Unreplayable{x, Gone})
	}
}
