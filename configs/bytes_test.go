package configs

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestBadBytes has the bad files that only a program can write. The expected
// messages are in testdata/bytes.
func TestBadBytes(t *testing.T) {
	const good = "listen: {http: \":8080\"}\nsites: []\n"
	for name, text := range map[string]string{
		"bom":             "\xef\xbb\xbf" + good,
		"utf-16":          "\xff\xfel\x00i\x00s\x00",
		"utf-32":          "l\x00\x00\x00i\x00\x00\x00",
		"not-utf-8":       "# caf\xe9\n" + good + "data: \"\xff\xfe\"\n",
		"surrogate":       good + "data: \"\xed\xa0\x80\"\n",
		"nul":             good + "data: a\x00b\n",
		"control":         good + "data: \"\x1b[31mred\"\n# \x07\nadmin: \u2028\nlog: \u0085\n",
		"bom-inside":      good + "data: \ufeffx\n",
		"carriage-return": "listen: {http: \":8080\"}\rsites: []\r",
		"crlf":            "listen: {http: \":8080\"}\r\nsites: [{hosts: [\"*\"], app: x}]\r\ndaat: 1\r\n",
		"crlf-tab":        "listen:\r\n\thttp: \":8080\"\r\n",
		"empty":           "",
		"only-comments":   "# nothing\n\n# here\n",
		"only-space":      " \n\n",
		"only-marker":     "---\n",
		"nested-flow":     strings.Repeat("[", 4<<20),
		"nested-map":      strings.Repeat("{a: ", 1<<20),
		"nested-block":    strings.Repeat("- ", 2<<20),
		"nested-lines":    deepLines(500),
		"10MB-of-nesting": strings.Repeat("[", 10_000_000),
		"too-large":       good + strings.Repeat("# comment, all the way down\n", 200_000),
		"too-many-items":  "sites: [" + strings.Repeat("a,", 300_000) + "]\n",
		"too-many-lines":  good + strings.Repeat("\n", 300_000),
		"long-line":       "listen: {http: \"" + strings.Repeat("x", 1<<20) + "\"}\nsites: []\n",
		"long-key":        strings.Repeat("k", 900) + ": 1\n",
		"long-digits":     good + "limits: {idle_timeout: " + strings.Repeat("9", 1<<20) + "s, max_body: " + strings.Repeat("9", 1<<20) + "MiB, max_connections: " + strings.Repeat("9", 1000) + "}\n",
		"many-errors":     good + strings.Repeat("x: 1\n", 3000),
		"many-aliases":    "a: &a [x]\n" + strings.Repeat("b: [*a, *a]\n", 2),
		"many-on-a-line":  "listen: {http: \":8080\"}\nsites: [" + strings.Repeat("{hosts: [ü, \"${NO}\"], app: x}, ", 30_000) + "]\n",
		"emoji":           good + "data: 🎉\nlog: {max_body: \"🎉\", x🎉: 1}\n",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "edge.yaml")
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			_, err := Load(path, Options{Getenv: environment()})
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if err == nil {
				t.Fatal("loaded")
			}
			checkProblems(t, err)
			if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 512 {
				t.Errorf("%d MiB were allocated", used)
			}
			if took > 20*time.Second { // a busy machine and the race detector; a second is usual
				t.Errorf("it took %v", took)
			}
			got := strings.ReplaceAll(err.Error(), filepath.Dir(path)+"/", "") + "\n"
			if len(got) > 8000 {
				got = got[:300] + fmt.Sprintf("\n… %d bytes …\n", len(got)-600) + got[len(got)-300:]
			}
			golden(t, filepath.Join("testdata/bytes", name+".txt"), got)
		})
	}
}

// deepLines nests block mappings, one level a line.
func deepLines(n int) string {
	var b bytes.Buffer
	for i := range n {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}
