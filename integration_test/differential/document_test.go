package differential

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-edge/holdfast/integration_test/edgetest"
)

var update = flag.Bool("update", false, "write docs/http1-strictness.md anew")

const intro = `# How strict the HTTP/1.1 reader is

Every message that comes in is read by one parser (edge/http1), and what is sent on is
written anew (edge/upstream). Two readers of one message that disagree about where it ends, or
whom it is for, are how requests get smuggled; so four other readers look at the same bytes
in a test, ` + "`integration_test/differential`" + `:

- a **reference** that follows the grammar of RFC 9110, 9112 and 3986 rule by rule, and shares no
  code with the parser (` + "`integration_test/differential/rfc`" + `),
- **net/http** of the Go standard library,
- **nginx** and **haproxy** from Debian, over sockets, with a backend that keeps what arrives.

A generator makes well-formed messages and breaks them in every way that a server was once
known to read differently from another. Of what we accept, method, target, host, framing, body,
trailers and the end of the connection must be what the reference reads; and what is sent on
must be one message, the same one, to everybody. These two have no exceptions.

What is left are differences in what is refused. Each is listed here, and one that is not
listed fails the test, with the request that showed it. Section numbers are those of RFC 9112
unless another document is named. **This page is written by the test**
(` + "`go test ./integration_test/differential -run TestDocument -update`" + `).

` + "`make test`" + ` sends 100,000 streams of requests and 30,000 of answers through the parsers, whole and in
random pieces, and 10,000 through nginx and haproxy; ` + "`make torture`" + ` 1,000,000 and 100,000.
` + "`HOLDFAST_SEED=n`" + ` makes other ones.
`

// document is docs/http1-strictness.md.
func document() string {
	var b strings.Builder
	b.WriteString(intro)
	section := func(title, first string, table []class) {
		fmt.Fprintf(&b, "\n## %s\n\n| %s | who | why |\n|---|---|---|\n", title, first)
		for _, c := range table {
			what := c.what
			if len(c.because) > 0 && !slices.Equal(c.because, []string{c.what}) {
				what += ". *The reference reads it with:* " + strings.Join(c.because, "; ")
			}
			fmt.Fprintf(&b, "| %s | %s | %s |\n", strings.ReplaceAll(what, "|", "\\|"), c.who, strings.ReplaceAll(c.why, "|", "\\|"))
		}
	}
	section("Requests that we refuse and another one reads", "we say", requestRefusals())
	section("Requests that we read and another one refuses", "what it is", requestReadings())
	section("Answers of apps that we refuse and another one reads", "we say", answerRefusals())
	section("Answers of apps that we read and another one refuses", "what it is", answerReadings())
	return b.String()
}

// TestDocument keeps the page and the tables in step.
func TestDocument(t *testing.T) {
	path := filepath.Join(edgetest.Root(), "docs", "http1-strictness.md")
	if *update {
		if err := os.WriteFile(path, []byte(document()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(document(), string(text)); diff != "" {
		t.Errorf("docs/http1-strictness.md is not what the tables say (-tables +page); -update writes it:\n%s", diff)
	}
	for _, table := range [][]class{requestRefusals(), requestReadings(), answerRefusals(), answerReadings()} {
		for _, c := range table {
			if c.why == "" {
				t.Errorf("%q has no explanation", c.what)
			}
		}
	}
}
