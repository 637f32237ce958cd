package terminal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/holdfast-edge/holdfast/internal/terminal/ptytest"
)

func TestColourOnlyOnATerminalThatWantsIt(t *testing.T) {
	for _, c := range []struct {
		name string
		tty  bool
		env  map[string]string
		want bool
	}{
		{"terminal", true, nil, true},
		{"terminal, NO_COLOR empty", true, map[string]string{"NO_COLOR": ""}, true},
		{"terminal, NO_COLOR set", true, map[string]string{"NO_COLOR": "1"}, false},
		{"terminal, dumb", true, map[string]string{"TERM": "dumb"}, false},
		{"file", false, nil, false},
		{"file, TERM set", false, map[string]string{"TERM": "xterm"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, in := file(t, ""), file(t, "")
			if c.tty {
				_, out = ptytest.Open(t, 80)
			}
			u := New(out, out, in, environment(c.env))
			if u.ColorOut() != c.want || u.ColorErr() != c.want {
				t.Errorf("colour is %v on stdout and %v on stderr, want %v", u.ColorOut(), u.ColorErr(), c.want)
			}
			if u.OutTerminal != c.tty || u.ErrTerminal != c.tty {
				t.Errorf("terminal: %v, %v, want %v", u.OutTerminal, u.ErrTerminal, c.tty)
			}
			if u.Ask {
				t.Error("asks although its input is a file")
			}
		})
	}
	if IsTerminal(nil) {
		t.Error("no file is a terminal")
	}
}

func TestConfirm(t *testing.T) {
	for typed, want := range map[string]bool{"y\n": true, "YES\n": true, " y \n": true, "n\n": false, "\n": false, "yep\n": false, "\x04": false} {
		controller, tty := ptytest.Open(t, 80)
		u := New(tty, tty, tty, environment(nil))
		if _, err := controller.WriteString(typed); err != nil {
			t.Fatal(err)
		}
		got, err := u.Confirm("Send 3 requests?")
		if err != nil || got != want {
			t.Errorf("typed %q: %v, %v, want %v", typed, got, err, want)
		}
		buf := make([]byte, 256)
		n, _ := controller.Read(buf)
		for !bytes.Contains(buf[:n], []byte("[y/N]")) {
			m, err := controller.Read(buf[n:])
			if err != nil {
				t.Fatalf("typed %q: question not seen in %q", typed, buf[:n])
			}
			n += m
		}
	}
}

func TestConfirmAsksNobodyWithoutATerminal(t *testing.T) {
	var stderr bytes.Buffer
	_, tty := ptytest.Open(t, 80)
	for _, u := range []*UI{
		New(tty, tty, file(t, "y\n"), environment(nil)),
		New(tty, file(t, ""), tty, environment(nil)),
		{Err: &stderr},
	} {
		if yes, err := u.Confirm("?"); yes || !errors.Is(err, ErrNobody) {
			t.Errorf("got %v, %v, want ErrNobody", yes, err)
		}
	}
	if stderr.Len() != 0 {
		t.Errorf("asked %q", stderr.String())
	}
}

type coded struct{ error }

func (coded) ExitCode() int { return 4 }

type problems struct{}

func (problems) Error() string { return "two problems" }
func (problems) Format(w io.Writer, color bool) error {
	_, err := fmt.Fprintf(w, "f:1: a\nf:2: b (%v)\n", color)
	return err
}

func TestExit(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
		want string
	}{
		{nil, 0, ""},
		{ExitCode(3), 3, ""},
		{fmt.Errorf("wrapped: %w", ExitCode(2)), 2, ""},
		{errors.New("port 80 is taken"), 1, "error: port 80 is taken\n"},
		{errors.New("one\ntwo"), 1, "error: one\n       two\n"},
		{errors.New("host \x1b[2J\x00"), 1, "error: host \\x1b[2J\\x00\n"},
		{WithHint(errors.New("port 80 is taken"), "stop %s first", "nginx"), 1, "error: port 80 is taken\nhint:  stop nginx first\n"},
		{fmt.Errorf("listening: %w", WithHint(os.ErrPermission, "use a port above 1023")), 1,
			"error: listening: permission denied\nhint:  use a port above 1023\n"},
		{coded{errors.New("some are unknown")}, 4, "error: some are unknown\n"},
		{fmt.Errorf("loading: %w", problems{}), 1, "f:1: a\nf:2: b (false)\n"},
	} {
		var out, stderr bytes.Buffer
		u := &UI{Out: &out, Err: &stderr}
		if code := u.Exit(c.err); code != c.code || stderr.String() != c.want || out.Len() != 0 {
			t.Errorf("Exit(%v) = %d and printed %q, want %d and %q; stdout %q", c.err, code, stderr.String(), c.code, c.want, out.String())
		}
	}
	if WithHint(nil, "x") != nil {
		t.Error("a nil error got a hint")
	}
}

func TestLinesToPeople(t *testing.T) {
	var out, stderr bytes.Buffer
	u := &UI{Out: &out, Err: &stderr, colorErr: true}
	u.Printf("%d\n", 7)
	u.Notef("config   %s", "edge.yaml")
	u.Warnf("app %q is not used", "x")
	if out.String() != "7\n" {
		t.Errorf("stdout %q", out.String())
	}
	if want := "config   edge.yaml\n\x1b[33mwarning: \x1b[0mapp \"x\" is not used\n"; stderr.String() != want {
		t.Errorf("stderr %q, want %q", stderr.String(), want)
	}
	if strings.Contains(u.Paint(Red, "x"), "\x1b") {
		t.Error("coloured an output that takes no colour")
	}
}
