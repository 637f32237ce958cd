package replaycmd

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-edge/holdfast/internal/terminal"
	"github.com/holdfast-edge/holdfast/replay"
)

// maxGroups is how many lines of the table are shown.
const maxGroups = 20

// summary writes what was found.
func (j *job) summary() error {
	var b bytes.Buffer
	j.heading(&b)
	j.sums(&b)
	j.groups(&b)
	if j.plan.AlsoOK > 0 {
		fmt.Fprintf(&b, "\nalso     %s answered 2xx or 3xx by another app than today's; %s a payload. Add --misrouted.\n",
			were(j.plan.AlsoOK, "request"), have(j.plan.AlsoPayload))
	}
	if j.plan.AlsoNotLooked {
		b.WriteString("\nalso     too many records to look for those answered 2xx or 3xx by another app than today's: --misrouted does\n")
	}
	_, err := j.out.Write(b.Bytes())
	return err
}

func were(n int, thing string) string {
	if n == 1 {
		return "1 " + thing + " was"
	}
	return count(n, thing) + " were"
}

func have(n int) string {
	if n == 1 {
		return "1 has"
	}
	return number(n) + " have"
}

// heading says by which configuration and in which records.
func (j *job) heading(b *bytes.Buffer) {
	fmt.Fprintf(b, "config   %s\n", terminal.Clean(j.origin.Describe(time.Now())))
	at := func(t time.Time, zero string) string {
		if t.IsZero() {
			return zero
		}
		return t.In(j.location()).Format("2006-01-02 15:04:05")
	}
	fmt.Fprintf(b, "store    %s, %s to %s %s\n", terminal.Clean(j.cfg.Data), at(j.plan.From, "the beginning"), at(j.plan.Until, "now"),
		time.Now().In(j.location()).Format("-07:00"))
	if j.Resume != "" {
		fmt.Fprintf(b, "run      %s, %s to send at its start\n", j.resume.Run, count(j.resume.Count, "request"))
	}
	s := j.plan.Stats
	fmt.Fprintf(b, "searched %s in %s, %s\n\n", count(int(s.Records), "line"), count(int(s.Files), "file"), terminal.Duration(j.plan.Took))
}

// sums accounts for every record that matched.
func (j *job) sums(b *bytes.Buffer) {
	p := j.plan
	line := func(indent int, text string, n int, remark string) {
		fmt.Fprintf(b, "%*s%-*s%8s", indent, "", 34-indent, text, number(n))
		if remark != "" {
			fmt.Fprintf(b, "   %s", terminal.Clean(remark))
		}
		b.WriteByte('\n')
	}
	matched := "failed requests"
	switch {
	case j.Resume != "":
		matched = "requests of the run"
	case j.Misrouted, len(j.ID) > 0:
		matched = "requests"
	}
	line(0, "MATCHED", p.Matched, matched)
	if p.Delivered > 0 {
		runs := "run " + p.DeliveredRuns[len(p.DeliveredRuns)-1]
		if n := len(p.DeliveredRuns); n > 1 {
			runs += fmt.Sprintf(" and %d more", n-1)
		}
		line(2, "already delivered", p.Delivered, runs)
	}
	for _, class := range []struct {
		of    replay.Class
		title string
	}{{replay.LeftOut, "left out by default"}, {replay.CannotBeResent, "cannot be resent"}} {
		if p.Of(class.of) == 0 {
			continue
		}
		fmt.Fprintf(b, "  %s\n", class.title)
		for r, n := range p.Reasons {
			if r := replay.Reason(r); n > 0 && r.Class() == class.of {
				line(4, label(r), n, j.hint(r))
			}
		}
	}
	size := ""
	if len(p.Items) > 0 {
		size = terminal.Bytes(p.Bytes)
	}
	line(0, "TO SEND", len(p.Items), size)
}

// groups shows what is to be sent.
func (j *job) groups(b *bytes.Buffer) {
	p := j.plan
	if len(p.Items) == 0 {
		return
	}
	b.WriteByte('\n')
	groups := slices.Clone(p.Groups)
	slices.SortStableFunc(groups, func(a, b replay.Group) int { return cmp.Compare(b.Count, a.Count) })
	t := terminal.NewTable(b, j.color, "HOST", "WHY", "THEN", "NOW", "COUNT").Right(4)
	rest := 0
	for i, g := range groups {
		if i >= maxGroups {
			rest += g.Count
			continue
		}
		t.Row(g.Host, g.Why, g.Then, g.Now, number(g.Count))
	}
	if rest > 0 {
		t.Row(fmt.Sprintf("%d more lines", len(groups)-maxGroups), "", "", "", number(rest))
	}
	_ = t.Flush() // into memory
	b.WriteString("\nBY DAY  ")
	layout := "02"
	if n := len(p.Days); p.Days[n-1].Date.Sub(p.Days[0].Date) > 27*24*time.Hour {
		layout = "01-02"
	}
	for _, d := range p.Days {
		fmt.Fprintf(b, " %s: %s  ", d.Date.Format(layout), number(d.Count))
	}
	b.Truncate(len(bytes.TrimRight(b.Bytes(), " ")))
	if j.rate > 0 {
		fmt.Fprintf(b, "\nTIME     about %s at %s (--rate)\n", terminal.Duration(j.estimate()), rateText(j.rate))
	} else {
		b.WriteString("\nTIME     as fast as it goes (--rate none)\n")
	}
}

// estimate is how long sending takes at the rate that is set.
func (j *job) estimate() time.Duration {
	if j.rate <= 0 {
		return 0
	}
	return max(time.Second, time.Duration(float64(len(j.plan.Items))/j.rate*float64(time.Second)).Round(time.Second))
}

// dryRun ends a dry run.
func (j *job) dryRun() error {
	if j.JSON {
		return j.jsonSummary("", nil, terminal.ExitOK)
	}
	var b bytes.Buffer
	if len(j.plan.Samples) > 0 {
		b.WriteByte('\n')
	}
	for i := range j.plan.Samples {
		fmt.Fprintf(&b, "  %s\n", j.sample(&j.plan.Samples[i]))
	}
	j.nothing(&b)
	b.WriteString("\nDry run: nothing was sent, the ledger was not touched.\n")
	_, err := j.out.Write(b.Bytes())
	return err
}

// nothing says what to try when nothing matched.
func (j *job) nothing(b *bytes.Buffer) {
	if j.plan.Matched > 0 || j.Resume != "" {
		return
	}
	if len(j.ID) > 0 {
		b.WriteString("\nNo record has such an id. " + j.config.edge("logs") + " shows those that are there.\n")
		return
	}
	since := []string{"logs"}
	if j.Since != "" {
		since = append(since, "--since", j.Since)
	}
	b.WriteString("\nNo failed request matches. Look further back, take filters away, or see what is there: " + j.config.edge(since...) + "\n")
}

// list writes what cannot be resent.
func (j *job) list() error {
	if j.JSON {
		return j.jsonList()
	}
	t := terminal.NewTable(j.out, j.color, "ID", "TIME", "REQUEST", "STATUS", "WHY")
	for i := range j.plan.Unreplayable {
		x := &j.plan.Unreplayable[i]
		t.Row(x.ID.String(), x.Time.In(j.location()).Format("2006-01-02 15:04:05"), x.Method+" "+urlOf(&x.Example),
			fmt.Sprint(x.Status), label(x.Why))
	}
	if t.Len() == 0 {
		j.ui.Notef("Everything that is to be sent can be sent.")
		return nil
	}
	return t.Flush()
}
