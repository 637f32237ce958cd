// Package demo plays the accident that Holdfast exists for, and its repair, on
// loopback: real HTTP, the shipped edge and replay as processes of their own, on
// a configuration file and a data directory that stay to be looked at. Only the
// visitors and the two apps live in this process.
package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/holdfast-edge/holdfast/commands/live"
	"github.com/holdfast-edge/holdfast/internal/terminal"
)

// The hosts of the story. Names under .test never exist (RFC 2606 section 2).
const (
	queueHost    = "queue.demo.test"
	monitorHost  = "monitor.demo.test"
	customerHost = "stats.customer.test"
)

// How many visits each act has, a pause apart: together with the replay at its
// usual rate about fifteen seconds.
const (
	quietVisits    = 50
	downVisits     = 60
	customerVisits = 40
)

// longestSocket is how long the path of a unix socket may be (unix(7): 108
// bytes with the zero at the end).
const longestSocket = 107

// configuration is the file of the first four acts. %[1]s is the edge's address,
// %[2]s the collector's, %[3]s the monitor's.
const configuration = `# The configuration of the Holdfast demo.
listen: {http: %[1]q}

apps:
  collector: http://%[2]s      # keeps every visit it is sent
  monitor: http://%[3]s        # a new page that asks for a password

sites:
  - {hosts: [` + queueHost + `], app: collector}
  - {hosts: [` + monitorHost + `], app: monitor}
`

// repair is the line that the customer's host was missing.
const repair = `  - {hosts: [` + customerHost + `], app: collector}   # added: the customer's own host
`

// Run plays the demo and tells about it on ui. arg0 is how the command was
// called. It returns nil only if every visit came back exactly once and
// identical. It ends early, and cleans up, on an interrupt.
func Run(ui *terminal.UI, arg0 string) error {
	// With SIGPIPE among them a closed pipe behind standard output ends the story
	// and not just this process, which would leave the edge behind.
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	defer cancel()
	programs, err := findPrograms(arg0)
	if err != nil {
		return err
	}
	dir, err := directory()
	if err != nil {
		return err
	}
	s := &story{ui: ui, programs: programs, dir: dir, config: filepath.Join(dir, "edge.yaml"),
		collector: &collector{got: map[int][]arrival{}}, monitor: &monitor{hosts: map[string]int{}}}
	err = s.play(ctx)
	if stopped := s.end(); err == nil {
		err = stopped
	}
	if errors.Is(err, context.Canceled) {
		return terminal.WithHint(errors.New("interrupted"), "what there is so far stays in %s", dir)
	}
	return err
}

// directory makes the demo's own directory: here, or among the temporary files
// if this one cannot be written to or its path is too long for a socket.
func directory() (string, error) {
	const pattern = "holdfast-demo-"
	if here, err := filepath.Abs("."); err == nil && len(here)+len("/holdfast-demo-1234567890/data/edge.sock") <= longestSocket {
		if dir, err := os.MkdirTemp(here, pattern); err == nil {
			return "." + string(filepath.Separator) + filepath.Base(dir), nil
		}
	}
	return os.MkdirTemp("", pattern)
}

type story struct {
	ui        *terminal.UI
	programs  programs
	dir       string
	config    string
	collector *collector
	monitor   *monitor

	apps    [2]*app // collector, monitor
	edge    *server
	browser *browser
	acts    int
}

// end stops what is still running.
func (s *story) end() error {
	var errs []error
	if s.edge != nil {
		errs = append(errs, s.edge.stop())
	}
	for _, a := range s.apps {
		if a != nil {
			errs = append(errs, a.down())
		}
	}
	return errors.Join(errs...)
}

// play is the whole story, in order.
func (s *story) play(ctx context.Context) error {
	s.ui.Printf("%s  on 127.0.0.1 only, about fifteen seconds\n", s.ui.Paint(terminal.Bold, "Holdfast: an accident and its repair"))
	for _, act := range []func(context.Context) error{
		s.allIsWell, s.appGoesDown, s.strangeHost, s.repairs, s.replays, s.compares,
	} {
		if err := act(ctx); err != nil {
			return err
		}
	}
	return nil
}

// act writes a heading.
func (s *story) act(title string) {
	s.acts++
	s.ui.Printf("\n%s\n", s.ui.Paint(terminal.Bold, fmt.Sprintf("%d  %s", s.acts, title)))
}

// say writes lines below the heading.
func (s *story) say(format string, args ...any) {
	for line := range strings.Lines(fmt.Sprintf(format, args...)) {
		s.ui.Printf("   %s\n", strings.TrimRight(line, "\n"))
	}
}

// command writes a command as it could be typed.
func (s *story) command(words ...string) {
	s.say("%s", s.ui.Paint(terminal.Cyan, "$ "+strings.Join(words, " ")))
}

// output writes a line that a command wrote.
func (s *story) output(line string) {
	bar := s.ui.Paint(terminal.Faint, "|")
	if line == "" {
		s.ui.Printf("   %s\n", bar)
		return
	}
	s.ui.Printf("   %s %s\n", bar, terminal.Clean(line))
}

func (s *story) allIsWell(ctx context.Context) error {
	s.act("Two apps behind one edge")
	ports, err := freePorts(3)
	if err != nil {
		return err
	}
	s.apps[0] = &app{address: ports[1], handler: s.collector}
	s.apps[1] = &app{address: ports[2], handler: s.monitor}
	for _, a := range s.apps {
		if err := a.up(); err != nil {
			return err
		}
	}
	if err := os.WriteFile(s.config, fmt.Appendf(nil, configuration, ports[0], ports[1], ports[2]), 0o644); err != nil {
		return err
	}
	s.say("%-20s -> collector  %s  keeps the visits it is sent", queueHost, ports[1])
	s.say("%-20s -> monitor    %s  new, asks for a password", monitorHost, ports[2])
	s.command(s.programs.edgeTyped, "run", "-c", s.config)
	if s.edge, err = startEdge(ctx, s.programs.edge, s.config, filepath.Join(s.dir, "edge.log")); err != nil {
		return err
	}
	s.browser = newBrowser(ports[0])
	if status, err := s.browser.get(ctx, "http://"+monitorHost+"/"); err != nil {
		return err
	} else if status != 401 {
		return s.edge.failed(fmt.Sprintf("the monitor was to ask for a password (401); the answer was %d", status))
	}
	return s.visits(ctx, quietVisits, queueHost, 200)
}

// visits sends visits and says how they were answered: all with the same status,
// or the story is over.
func (s *story) visits(ctx context.Context, count int, host string, status int) error {
	answers, err := s.browser.send(ctx, count, host)
	if err != nil {
		return err
	}
	if answers[status] != count {
		return s.edge.failed(fmt.Sprintf("%d visits to %s were to be answered %d; the answers were %v", count, host, status, answers))
	}
	color := terminal.Red
	if status < 400 {
		color = terminal.Green
	}
	s.say("%d visits to %s, each with a body: all answered %s", count, host, s.ui.Paint(color, strconv.Itoa(status)))
	return nil
}

func (s *story) appGoesDown(ctx context.Context) error {
	s.act("The collector goes down")
	if err := s.apps[0].down(); err != nil {
		return err
	}
	if err := s.visits(ctx, downVisits, queueHost, 502); err != nil {
		return err
	}
	s.say("NGINX would have kept a line with time, URL and browser; what the visitors sent is gone.")
	s.say("Holdfast had every one of them on disk, body included, before it answered 502:")
	args := []string{"logs", "-c", s.config, "--outcome", "upstream_down", "-n", "3", "--format", "table"}
	s.command(append([]string{s.programs.edgeTyped}, args...)...)
	return show(ctx, s.output, s.programs.edge, args...)
}

func (s *story) strangeHost(ctx context.Context) error {
	s.act("A customer points a host of their own at us, and no site names it")
	if err := s.visits(ctx, customerVisits, customerHost, 421); err != nil {
		return err
	}
	strangers := s.monitor.strangers(monitorHost)
	if strangers != 0 {
		return fmt.Errorf("the monitor was sent %d requests that were not for it", strangers)
	}
	s.say("NGINX, without a default_server, gives such a host to the first server block there is:")
	s.say("the monitor may get the visits and ask for a password, while nginx -t says all is fine.")
	s.say("Holdfast has no default app. It refused them and recorded them (for a host that nobody")
	s.say("configured, bodies up to 64 KiB). The monitor saw %s.", s.ui.Paint(terminal.Green, "none"))
	return nil
}

func (s *story) repairs(ctx context.Context) error {
	s.act("The repair: the collector is back, and the customer's host is in the file")
	if err := s.apps[0].up(); err != nil {
		return err
	}
	before, err := s.edge.waitFor(ctx, s.config, func(live.Origin) bool { return true })
	if err != nil {
		return err
	}
	f, err := os.OpenFile(s.config, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(repair)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	s.say("+ %s", strings.TrimSpace(repair))
	s.command("kill", "-HUP", strconv.Itoa(s.edge.cmd.Process.Pid))
	if err := s.edge.signal(syscall.SIGHUP); err != nil {
		return err
	}
	after, err := s.edge.waitFor(ctx, s.config, func(o live.Origin) bool { return o.Generation != before.Generation })
	if err != nil {
		return err
	}
	s.say("reloaded: generation %s -> %s", before.Generation, after.Generation)
	return nil
}

func (s *story) replays(ctx context.Context) error {
	s.act("One command brings back what failed, to where it belongs today")
	args := []string{"-c", s.config, "--since", "10m", "--yes"}
	typed := append([]string{s.programs.replayTyped}, args...)
	s.command(typed...)
	if err := show(ctx, s.output, s.programs.replay, args...); err != nil {
		return err
	}
	arrived := len(s.collector.arrivals())
	s.say("And once more, to see that nothing is sent twice:")
	s.command(typed...)
	var last string
	if err := show(ctx, func(line string) {
		if line = strings.TrimSpace(line); line != "" {
			last = line
		}
	}, s.programs.replay, args...); err != nil {
		return err
	}
	s.output(last)
	if again := len(s.collector.arrivals()); again != arrived {
		return fmt.Errorf("the second replay sent %d visits", again-arrived)
	}
	return nil
}

func (s *story) compares(context.Context) error {
	s.act("What the visitors sent, against what the collector got")
	b := compare(s.browser.visits, s.collector.arrivals())
	line := func(n int, good bool, format string, args ...any) {
		color := terminal.Green
		if !good {
			color = terminal.Red
		}
		s.say("%s   %s", s.ui.Paint(color, fmt.Sprintf("%5s", terminal.Number(int64(n)))), fmt.Sprintf(format, args...))
	}
	line(b.sent, true, "visits")
	line(b.answered, true, "answered at once")
	line(b.failed, true, "failed in front of the visitor: %d app down, %d host unknown", downVisits, customerVisits)
	line(b.recovered, b.recovered == b.failed, "recovered by replay")
	line(len(b.lost), len(b.lost) == 0, "lost%s", numbers(b.lost))
	line(len(b.twice), len(b.twice) == 0, "arrived more than once%s", numbers(b.twice))
	line(len(b.differ), len(b.differ) == 0, "differ in method, target, type or body%s", numbers(b.differ))
	s.say("")
	s.say("sent      %s bytes  SHA-256 %x", terminal.Number(b.sentBytes), b.sentSum)
	s.say("received  %s bytes  SHA-256 %x", terminal.Number(b.receivedBytes), b.receivedSum)
	if !b.whole() {
		return terminal.WithHint(errors.New("not every visit came back exactly once and identical"), "the files are in %s", s.dir)
	}
	s.say("%s", s.ui.Paint(terminal.Green, "Every visit arrived exactly once, byte for byte."))
	s.closing()
	return nil
}

// numbers lists the first few visits, for an error.
func numbers(visits []int) string {
	if len(visits) == 0 {
		return ""
	}
	slices.Sort(visits)
	more := ""
	if len(visits) > 10 {
		visits, more = visits[:10], " …"
	}
	return fmt.Sprintf(": visits %v%s", visits, more)
}

// closing says what is left, and what to do next.
func (s *story) closing() {
	edge, replay := s.programs.edgeTyped, s.programs.replayTyped
	s.ui.Printf("\n%s\n", s.ui.Paint(terminal.Bold, "All of it is still there"))
	t := s.ui.Table()
	t.Row("   "+s.config, "the configuration")
	t.Row("   "+filepath.Join(s.dir, "data"), "the records; payloads are sealed to the key in data/keys")
	t.Row("   "+filepath.Join(s.dir, "edge.log"), "what edge run said")
	_ = t.Flush() // standard output is gone if this fails, and nothing is left to do
	s.ui.Printf("\n%s\n", s.ui.Paint(terminal.Bold, "Try"))
	for _, words := range [][]string{
		{edge, "logs", "-c", s.config, "--host", customerHost},
		{edge, "explain", "-c", s.config, "http://" + customerHost + "/event"},
		{replay, "-c", s.config, "--since", "1h", "--dry-run"},
	} {
		s.command(words...)
	}
	s.ui.Printf("\n%s\n", s.ui.Paint(terminal.Bold, "Before your own app: five lines in edge.yaml, then edge run"))
	s.say("%s", `listen: {http: ":8080"}
apps: {app: "http://127.0.0.1:3000"}
sites:
  - hosts: [localhost, www.example.com]
    app: app`)
}
