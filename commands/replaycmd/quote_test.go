package replaycmd

import (
	"os/exec"
	"testing"

	"pgregory.net/rapid"
)

// What a visitor sent is one word of the command that is printed for pasting, the
// same bytes, whatever it is.
func TestQuote(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash")
	}
	check := func(t interface{ Fatalf(string, ...any) }, s string) {
		word := quote(s)
		out, err := exec.Command(bash, "-c", "printf %s "+word).Output()
		if err != nil || string(out) != s {
			t.Fatalf("%q is quoted as %s, which is %q, %v", s, word, out, err)
		}
	}
	for _, s := range []string{"", "a", "it's", "a\u0085\\'; touch /tmp/x; #", "\x85\\'; id #", "a\nb", "$(id)`id`", "é\\", "\x1b[31m1"} {
		check(t, s)
	}
	rapid.Check(t, func(rt *rapid.T) {
		var s string
		for _, part := range rapid.SliceOfN(rapid.SampledFrom([]string{"\\", "'", "\"", "$", "`", "\n", "\x85", "\u0085", "0", "7", "a", ";", " ", "#", "é", "\x7f", "!", "(", "x"}), 0, 12).Draw(rt, "parts") {
			s += part
		}
		check(rt, s)
	})
}
