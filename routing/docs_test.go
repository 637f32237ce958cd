package routing

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestDocs runs the tables of docs/routing.md: the sites of its first one
// against the requests of all others.
func TestDocs(t *testing.T) {
	page, err := os.ReadFile("../docs/routing.md")
	if err != nil {
		t.Fatal(err)
	}
	sites := docsTables(string(page), "site", "hosts", "route", "methods", "goes to")
	if len(sites) == 0 {
		t.Fatal("no table of sites")
	}
	tab := table(t, docsSites(t, sites)...)
	answers := map[string]int{}
	for _, row := range docsTables(string(page), "request", "host", "answer") {
		method, target, _ := strings.Cut(row[0], " ")
		host := strings.Trim(row[1], "`")
		if host == "(empty)" {
			host = ""
		}
		d := checkDecision(t, tab, []byte(host), []byte(method), []byte(target))
		got := docsAnswer(d)
		if got != row[2] {
			t.Errorf("%s at %q: the page says %q, the table %q (%s)", row[0], host, row[2], got, d.Reason)
		}
		answers[got]++
	}
	for _, a := range []string{"app web", "local answer", "no route", "ambiguous", "malformed host", "malformed target"} {
		if answers[a] == 0 {
			t.Errorf("no example is answered %q", a)
		}
	}
}

// docsAnswer is a decision in the words of the page.
func docsAnswer(d Decision) string {
	switch d.Verdict {
	case Served:
		if d.App == "" {
			return "local answer"
		}
		return "app " + d.App
	case NoHost:
		return "refused: " + d.Reason
	case BadHost:
		return "malformed host"
	case NoPath:
		return "no route"
	case Ambiguous:
		return "ambiguous"
	case BadTarget:
		return "malformed target"
	}
	return d.Verdict.String()
}

// docsTables returns the rows of all tables of a page that have these columns.
func docsTables(page string, columns ...string) [][]string {
	head := "| " + strings.Join(columns, " | ") + " |"
	var rows [][]string
	in := false
	for l := range strings.Lines(page) {
		l = strings.TrimSpace(l)
		switch {
		case l == head:
			in = true
		case !strings.HasPrefix(l, "|"):
			in = false
		case in && !strings.HasPrefix(l, "|---"):
			cells := strings.Split(strings.Trim(l, "|"), "|")
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			rows = append(rows, cells)
		}
	}
	return rows
}

var docsRoute = regexp.MustCompile("^`(path|exact): (.*)`$")

// docsSites makes sites of the rows of the first table.
func docsSites(t *testing.T, rows [][]string) []Site {
	var sites []Site
	for i, row := range rows {
		name, hostList, route, methods, answer := row[0], row[1], row[2], row[3], row[4]
		if name != "" {
			s := Site{Name: name, Origin: line(i + 1)}
			for _, h := range strings.Split(hostList, ", ") {
				s.Hosts = append(s.Hosts, hosts(t, i+1, strings.Trim(h, "`"))...)
			}
			sites = append(sites, s)
		}
		s := &sites[len(sites)-1]
		app, isApp := strings.CutPrefix(answer, "app ")
		if !isApp {
			app = ""
		}
		if m := docsRoute.FindStringSubmatch(route); m != nil {
			r := Route{Path: m[2], Exact: m[1] == "exact", App: app, Origin: line(i + 1)}
			if methods != "" {
				r.Methods = strings.Split(methods, " ")
			}
			s.Routes = append(s.Routes, r)
		} else {
			s.App, s.AppOrigin = app, line(i+1)
		}
	}
	return sites
}
