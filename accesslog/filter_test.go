package accesslog

import (
	"errors"
	"testing"
	"time"
)

func entryFor(t testing.TB, set func(*Record)) *Entry {
	t.Helper()
	r := newRecord(goldenID(), testTime, nil)
	if set != nil {
		set(r)
	}
	var v view
	if err := v.decode(lineOf(r, true)); err != nil {
		t.Fatal(err)
	}
	return v.entry()
}

func TestFilter(t *testing.T) {
	host := func(h string) func(*Record) { return func(r *Record) { r.Host = []byte(h) } }
	uri := func(u string) func(*Record) { return func(r *Record) { r.URI = []byte(u) } }
	status := func(s string) Filter {
		set, err := ParseStatus(s)
		if err != nil {
			t.Fatal(err)
		}
		return Filter{Status: set}
	}
	for name, c := range map[string]struct {
		f    Filter
		set  func(*Record)
		want bool
	}{
		"zero filter":               {Filter{}, nil, true},
		"since, equal":              {Filter{Since: testTime}, nil, true},
		"since, later":              {Filter{Since: testTime.Add(1)}, nil, false},
		"until, equal":              {Filter{Until: testTime}, nil, false},
		"until, later":              {Filter{Until: testTime.Add(1)}, nil, true},
		"host":                      {Filter{Hosts: []string{"Queue.Example.COM"}}, host("queue.example.com"), true},
		"host with port and dot":    {Filter{Hosts: []string{"queue.example.com"}}, host("QUEUE.example.com.:8080"), true},
		"another host":              {Filter{Hosts: []string{"example.com"}}, nil, false},
		"one of hosts":              {Filter{Hosts: []string{"a.b", "queue.example.com"}}, nil, true},
		"hosts below":               {Filter{Hosts: []string{"*.example.com"}}, host("a.b.example.com"), true},
		"hosts below, itself":       {Filter{Hosts: []string{"*.example.com"}}, host("example.com"), false},
		"hosts below, other":        {Filter{Hosts: []string{"*.example.com"}}, host("badexample.com"), false},
		"IPv6 host":                 {Filter{Hosts: []string{"[2001:db8::1]"}}, host("[2001:DB8::1]:80"), true},
		"site":                      {Filter{Sites: []string{"queue"}}, nil, true},
		"other site":                {Filter{Sites: []string{"que"}}, nil, false},
		"app":                       {Filter{Apps: []string{"main", "collector"}}, nil, true},
		"other app":                 {Filter{Apps: []string{"main"}}, nil, false},
		"path":                      {Filter{Paths: []string{"/vis"}}, nil, true},
		"path, not query":           {Filter{Paths: []string{"/visit?n"}}, nil, false},
		"other path":                {Filter{Paths: []string{"/visits"}}, nil, false},
		"path of an absolute form":  {Filter{Paths: []string{"/a"}}, uri("http://h/a/b?c"), true},
		"path of a bare authority":  {Filter{Paths: []string{"/"}}, uri("http://h"), true},
		"method":                    {Filter{Methods: []string{"get", "post"}}, nil, true},
		"other method":              {Filter{Methods: []string{"GET"}}, nil, false},
		"status":                    {status("404, 5xx"), nil, true},
		"other status":              {status("404,4xx,500-501"), nil, false},
		"range":                     {status("500-502"), nil, true},
		"outcome":                   {Filter{Outcomes: []Outcome{UpstreamDown}}, nil, true},
		"other outcome":             {Filter{Outcomes: []Outcome{OK}}, nil, false},
		"upstream":                  {Filter{Upstreams: []string{"127.0.0.1:3000"}}, nil, true},
		"other upstream":            {Filter{Upstreams: []string{"127.0.0.1"}}, nil, false},
		"client, whole address":     {Filter{Clients: []string{"203.0.113.200"}}, nil, true},
		"client, other address":     {Filter{Clients: []string{"203.0.114.77"}}, nil, false},
		"client, wide network":      {Filter{Clients: []string{"203.0.0.0/16"}}, nil, true},
		"client, narrow network":    {Filter{Clients: []string{"203.0.113.128/25"}}, nil, true},
		"client, unclean network":   {Filter{Clients: []string{"203.0.113.9/24"}}, nil, true},
		"client, beginning":         {Filter{Clients: []string{"203.0."}}, nil, true},
		"client, other beginning":   {Filter{Clients: []string{"203.1."}}, nil, false},
		"client, IPv6":              {Filter{Clients: []string{"2001:db8::/32"}}, nil, false},
		"match":                     {Filter{Match: []string{"exact"}}, nil, true},
		"other match":               {Filter{Match: []string{"wildcard"}}, nil, false},
		"generation":                {Filter{Generations: []string{"9c07"}}, nil, true},
		"other generation":          {Filter{Generations: []string{"9c08"}}, nil, false},
		"id":                        {Filter{IDs: []string{goldenID().String()}}, nil, true},
		"beginning of an id, typed": {Filter{IDs: []string{"o1kaq"}}, nil, true},
		"other id":                  {Filter{IDs: []string{"01KAR"}}, nil, false},
		"failed":                    {Filter{Failed: true}, nil, true},
		"failed, ok":                {Filter{Failed: true}, func(r *Record) { r.Outcome, r.Status = OK, 399 }, false},
		"failed, queued":            {Filter{Failed: true}, func(r *Record) { r.Outcome, r.Status = Queued, 202 }, false},
		"failed, by status":         {Filter{Failed: true}, func(r *Record) { r.Outcome, r.Status = OK, 400 }, true},
		"all must hold":             {Filter{Sites: []string{"queue"}, Apps: []string{"main"}}, nil, false},
	} {
		e := entryFor(t, c.set)
		if got := c.f.Matches(e); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
		if err := c.f.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBadFilters(t *testing.T) {
	for _, f := range []Filter{
		{IDs: []string{""}}, {IDs: []string{"01KAQ6Y3DV0001000A1"}}, {IDs: []string{"UUU"}},
		{Clients: []string{"example.com"}}, {Clients: []string{""}}, {Clients: []string{"1.2.3.0/x"}},
	} {
		if err := f.Check(); !errors.Is(err, ErrBadFilter) {
			t.Errorf("%+v: %v", f, err)
		}
		if f.Matches(entryFor(t, nil)) {
			t.Errorf("%+v matches", f)
		}
	}
}

func TestParseStatus(t *testing.T) {
	for in, c := range map[string]struct{ has, hasNot []int }{
		"":             {[]int{0, 200, 999}, nil},
		"5xx,404":      {[]int{500, 599, 404}, []int{499, 600, 405, 0}},
		" 5XX , 100 ":  {[]int{500, 100}, []int{101}},
		"0":            {[]int{0}, []int{1}},
		"401-403,0xx":  {[]int{401, 402, 403, 99}, []int{400, 404}},
		"499-499,4xx,": {nil, nil},
	} {
		set, err := ParseStatus(in)
		if c.has == nil {
			if !errors.Is(err, ErrBadFilter) {
				t.Errorf("%q: %v", in, err)
			}
			continue
		}
		if err != nil || set.Any() != (in == "") {
			t.Errorf("%q: %v", in, err)
		}
		for _, s := range c.has {
			if !set.Has(s) {
				t.Errorf("%q lacks %d", in, s)
			}
		}
		for _, s := range c.hasNot {
			if set.Has(s) {
				t.Errorf("%q has %d", in, s)
			}
		}
	}
	for _, bad := range []string{"x", "5x", "xxx", "1000", "-1", "404;500", "500-400", "4-", "٤٠٤", "axx"} {
		if _, err := ParseStatus(bad); !errors.Is(err, ErrBadFilter) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func BenchmarkFilter(b *testing.B) {
	f := Filter{Hosts: []string{"queue.example.com"}, Failed: true, Since: testTime.Add(-time.Hour)}
	m, err := f.compile()
	if err != nil {
		b.Fatal(err)
	}
	var v view
	if err := v.decode([]byte(recordLine(idN(1), nil))); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		m.lasting(&v)
	}
}
