package replaycmd

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/holdfast-edge/holdfast/internal/terminal"
	"github.com/holdfast-edge/holdfast/replay"
)

// finish reports how the run ended. p and run are zero if there was nothing to send.
func (j *job) finish(p *progress, run string, report replay.Report) error {
	code := j.exitCode(report)
	if j.JSON {
		if err := j.jsonSummary(run, &report, code); err != nil {
			return err
		}
		return result(code)
	}
	var b bytes.Buffer
	if run == "" {
		j.nothing(&b)
		if j.plan.Matched > 0 {
			b.WriteString("\nNothing to send.\n")
		}
	} else {
		b.WriteByte('\n')
		j.endings(&b, p, report)
		j.next(&b, run, report)
		for i := range report.Stops {
			j.stopped(&b, &report.Stops[i], run)
		}
	}
	if _, err := j.out.Write(b.Bytes()); err != nil {
		return err
	}
	return result(code)
}

func result(code terminal.ExitCode) error {
	if code == terminal.ExitOK {
		return nil
	}
	return code
}

// exitCode is the contract's: unknown wins over what remains.
func (j *job) exitCode(r replay.Report) terminal.ExitCode {
	unknown := r.Of(replay.Unknown) + j.plan.Reasons[replay.MaybeSent]
	remain := r.Of(replay.Failed) + r.Of(replay.Rejected) + r.Of(replay.Pending) + r.Of(replay.Skipped) + j.plan.Remaining()
	switch {
	case unknown > 0:
		return exitUnknown
	case remain > 0:
		return exitRemain
	}
	return terminal.ExitOK
}

// endings writes the sums.
func (j *job) endings(b *bytes.Buffer, p *progress, r replay.Report) {
	sum := 0
	for _, s := range []replay.State{replay.Delivered, replay.Rejected, replay.Unknown, replay.Failed, replay.Skipped, replay.Pending} {
		n := r.Of(s)
		sum += n
		if n == 0 && (s == replay.Skipped || s == replay.Pending) {
			continue
		}
		fmt.Fprintf(b, "%-9s %7s", s, number(n))
		if d, ok := p.examples[s]; ok && n > 0 {
			b.WriteString(terminal.Clean(j.remark(s, n, d)))
		}
		b.WriteByte('\n')
		if s == replay.Delivered && r.Redirected > 0 {
			fmt.Fprintf(b, "  of them redirected (3xx) %s   if that is a login page, the app did not take them\n", number(r.Redirected))
		}
	}
	same := "to send; ledger synced"
	if sum != len(j.plan.Items) {
		same = fmt.Sprintf("but %s were to send; this is a defect, please report it", number(len(j.plan.Items)))
	}
	fmt.Fprintf(b, "%17s\n%-9s %7s   = %s\n", "-----", "sum", number(sum), same)
}

// remark explains an ending by one of its records.
func (j *job) remark(s replay.State, n int, d replay.Delivery) string {
	id := d.ID.String()
	first := ""
	if n > 1 {
		first = "for example "
	}
	switch s {
	case replay.Rejected:
		return fmt.Sprintf("   %s%d from %s: %s   %s", first, d.Status, d.App, id, j.config.edge("logs", "--id", id, "--payload"))
	case replay.Failed:
		return fmt.Sprintf("   %s%d from %s: %s   sent again by the next run", first, d.Status, d.App, id)
	case replay.Unknown:
		return fmt.Sprintf("   %s%s: %s   the app may have it", first, d.Reason, id)
	case replay.Skipped:
		return fmt.Sprintf("   %s%s: %s", first, d.Reason, id)
	case replay.Pending:
		return "   not sent, or not counted: for the next run"
	}
	return ""
}

// next says how to go on.
func (j *job) next(b *bytes.Buffer, run string, r replay.Report) {
	resume := j.config.replay("--resume", run)
	if r.Of(replay.Pending)+r.Of(replay.Failed) > 0 && len(r.Stops) == 0 { // else said there
		fmt.Fprintf(b, "next     %s    sends what was not sent, and nothing twice\n", resume)
	}
	if r.Of(replay.Unknown) > 0 {
		fmt.Fprintf(b, "next     %s    when the app can tell duplicates apart\n", j.config.replay("--resume", run, "--resend-unknown"))
	}
}

// stopped explains why sending to one destination was given up.
func (j *job) stopped(b *bytes.Buffer, s *replay.Stop, run string) {
	name := terminal.Clean(s.Destination.String())
	total := 0
	for i, d := range j.plan.Destinations {
		if d == s.Destination {
			total = j.plan.PerDest[i]
		}
	}
	resume := j.config.replay("--resume", run)
	if s.Answered == 0 {
		fmt.Fprintf(b, "\nstopped sending to %s: %s.\n%s to go, of %s.\n  then    %s\n", name, terminal.Clean(s.Reason), stay(s.Left), number(total), resume)
		return
	}
	from := name
	if s.Upstream != "" {
		from += " (" + terminal.Clean(strings.TrimPrefix(s.Upstream, "http://")) + ")"
	}
	fmt.Fprintf(b, "\nstopped after %d of %s: all answered %d by %s.\n", s.Answered, number(total), s.Status, from)
	if replay.Redirect(s.Status) {
		fmt.Fprintf(b, "They count as delivered: many apps answer so when they took a form. A login page looks the same.\n")
		fmt.Fprintf(b, "%s pending.\n  check   %s\n  then    %s\n", staying(s.Left), j.config.edge("logs", "--id", s.Example.String(), "--payload"),
			j.config.replay("--resume", run, "--redirects-ok"))
		return
	}
	fmt.Fprintf(b, "The configuration is probably still wrong. These %d stay pending, no attempt is counted.\n", s.Answered)
	for i := range j.plan.Samples {
		if x := &j.plan.Samples[i]; x.Destination == s.Destination.String() {
			fmt.Fprintf(b, "  check   %s\n", j.explain(x))
			break
		}
	}
	fmt.Fprintf(b, "  then    %s\n", resume)
}

func staying(n int) string {
	if n == 1 {
		return "1 request stays"
	}
	return number(n) + " requests stay"
}

func stay(n int) string {
	if n == 1 {
		return "1 request stays pending: the rest"
	}
	return number(n) + " requests stay pending: the rest"
}
