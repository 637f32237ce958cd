package query

import (
	"strings"
	"testing"
	"time"
)

func TestWhen(t *testing.T) {
	zone := time.FixedZone("", 3600)
	now := time.Date(2026, 11, 23, 2, 25, 10, 0, zone)
	for text, want := range map[string]string{
		"7d":                        "2026-11-16T02:25:10+01:00",
		"90m":                       "2026-11-23T00:55:10+01:00",
		"1h30m":                     "2026-11-23T00:55:10+01:00",
		"2026-11-16":                "2026-11-16T00:00:00+01:00",
		"2026-11-16 02:25":          "2026-11-16T02:25:00+01:00",
		"2026-11-16T02:25:01":       "2026-11-16T02:25:01+01:00",
		"2026-11-16T02:25:01Z":      "2026-11-16T02:25:01Z",
		"2026-11-16T02:25:01-03:00": "2026-11-16T02:25:01-03:00",
		"02:00":                     "2026-11-23T02:00:00+01:00",
		"02:25:10":                  "2026-11-23T02:25:10+01:00",
		"23:59":                     "2026-11-22T23:59:00+01:00",
	} {
		got, err := When(text, now)
		if err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("When(%q) = %s, %v, want %s", text, got.Format(time.RFC3339), err, want)
		}
	}
	for _, text := range []string{"", "yesterday", "-7d", "2026-13-01", "25:00", "7"} {
		if got, err := When(text, now); err == nil {
			t.Errorf("When(%q) = %s, want an error", text, got)
		}
	}
}

func TestFilterSaysWhichFlagIsWrong(t *testing.T) {
	now := time.Date(2026, 11, 23, 2, 25, 10, 0, time.UTC)
	for _, c := range []struct {
		flags Flags
		want  string
	}{
		{Flags{Since: "soon"}, "--since"},
		{Flags{Until: "soon"}, "--until"},
		{Flags{Since: "1h", Until: "2h"}, "--since 2026-11-23T01:25:10Z is not before --until 2026-11-23T00:25:10Z"},
		{Flags{Status: []string{"many"}}, "--status"},
		{Flags{Outcome: []string{"lost"}}, "--outcome"},
	} {
		if _, err := c.flags.Filter(now); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want one that says %q", c.flags, err, c.want)
		}
	}
	f, err := (&Flags{Since: "7d", Status: []string{"5xx", "404"}, Outcome: []string{"timeout"}, Host: []string{"a.example"}}).Filter(now)
	if err != nil {
		t.Fatal(err)
	}
	if !f.Since.Equal(now.Add(-7*24*time.Hour)) || len(f.Outcomes) != 1 || len(f.Hosts) != 1 {
		t.Errorf("got %+v", f)
	}
}
