package routing

import (
	"bufio"
	"os"
	"strings"
	"testing"
)

// The targets of real traffic, odd ones included, are served by a site whose
// routes divide them: strictness costs real visitors next to nothing. The one
// exception is refused by the raw and the resolved path alone.
func TestRealTraffic(t *testing.T) {
	f, err := os.Open("../../shared/data/access-combined-10k.log")
	if err != nil {
		t.Skip("the sample of real traffic is not here:", err)
	}
	defer f.Close()
	specs := []string{"/blog", "/files", "/presentations", "/scripts/python", "/projects/xdotool", "=/", "=/favicon.ico"}
	tab := table(t, Site{Name: "s", Hosts: hosts(t, 1, "s.example"), Routes: routes(specs...), App: "site"})
	lines, odd := 0, 0
	for s := bufio.NewScanner(f); s.Scan(); lines++ {
		request := strings.Split(s.Text(), `"`)[1]
		method, rest, _ := strings.Cut(request, " ")
		target := strings.TrimSuffix(rest[:max(strings.LastIndex(rest, " HTTP/"), 0)], " ")
		d := checkDecision(t, tab, []byte("s.example"), []byte(method), []byte(target))
		checkTwoReadings(t, d, method, target)
		want := Served
		if target == "//favicon.ico" {
			want = Ambiguous
		}
		if d.Verdict != want {
			t.Errorf("%s: %v (%s)", request, d.Verdict, d.Reason)
		}
		if inspect(withoutQuery([]byte(target))) == textureOdd {
			odd++
		}
	}
	if lines < 10_000 || odd == 0 {
		t.Errorf("%d lines, %d of them odd", lines, odd)
	}
}
