package terminal

import (
	"bytes"
	"testing"
	"time"
	"unicode"

	"pgregory.net/rapid"
)

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                   "plain",
		"Zoë 東京":                  "Zoë 東京",
		"\x1b]0;owned\x07":        `\x1b]0;owned\x07`,
		"a\tb\r\n":                `a\tb\r\n`,
		"\xff\xfe":                `\xff\xfe`,
		"\u202etxt.exe":           `\u202etxt.exe`,
		"\u009b31m":               `\u009b31m`, // C1 control sequence introducer
		"\U000e0041":              `\U000e0041`,
		"replacement \ufffd kept": "replacement \ufffd kept",
	} {
		if got := Clean(in); got != want {
			t.Errorf("Clean(%q) = %q, want %q", in, got, want)
		}
	}
	if got := CleanLines("a\nb\x1b"); got != "a\nb\\x1b" {
		t.Errorf("CleanLines: %q", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.SliceOf(rapid.Byte()).Draw(t, "in")
		for _, r := range Clean(string(in)) {
			if !unicode.IsPrint(r) {
				t.Fatalf("%q became %q: %q is not printable", in, Clean(string(in)), r)
			}
		}
	})
}

func TestNumbers(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1204311: "1,204,311", -1234567: "-1,234,567", -12: "-12"} {
		if got := Number(n); got != want {
			t.Errorf("Number(%d) = %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 412: "412 B", 1023: "1023 B", 1024: "1.0 KiB", 4299162: "4.1 MiB", 1<<20 - 1: "1.0 MiB", 3 << 40: "3.0 TiB"} {
		if got := Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %q, want %q", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "0s", time.Microsecond: "<1 ms", 14 * time.Millisecond: "14 ms", 1200 * time.Millisecond: "1.2s", 9 * time.Second: "9.0s", 12 * time.Second: "12s",
		66 * time.Second: "1m 6s", 11 * time.Minute: "11m", 200 * time.Minute: "3h 20m", 146 * time.Hour: "6d 2h", -time.Minute: "-1m",
		59*time.Second + 700*time.Millisecond: "1m",
	} {
		if got := Duration(d); got != want {
			t.Errorf("Duration(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestTable(t *testing.T) {
	var b bytes.Buffer
	table := NewTable(&b, true, "HOST", "COUNT", "WHY").Right(1)
	table.Row("zoë.example", "7", "app down")
	table.Row("a\x1b[31m", "1,204", "")
	table.Cells(Cell{Text: "b"}, Cell{Text: "12", Color: Red}, Cell{Text: "x", Color: Faint})
	if table.Len() != 3 {
		t.Errorf("%d rows wait", table.Len())
	}
	if err := table.Flush(); err != nil {
		t.Fatal(err)
	}
	table.Row("a.much.longer.host.example", "1", "late")
	if err := table.Flush(); err != nil {
		t.Fatal(err)
	}
	want := "\x1b[1mHOST\x1b[0m         \x1b[1mCOUNT\x1b[0m  \x1b[1mWHY\x1b[0m\n" +
		"zoë.example      7  app down\n" +
		"a\\x1b[31m    1,204\n" +
		"b               \x1b[31m12\x1b[0m  \x1b[2mx\x1b[0m\n" +
		"a.much.longer.host.example      1  late\n"
	if b.String() != want {
		t.Errorf("got\n%q\nwant\n%q", b.String(), want)
	}
}

func TestTableWithoutHeadersOrRows(t *testing.T) {
	var b bytes.Buffer
	table := NewTable(&b, false).Widths(8)
	table.Row("site", "queue")
	table.Row("app")
	if err := table.Flush(); err != nil {
		t.Fatal(err)
	}
	if want := "site      queue\napp\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
	b.Reset()
	if err := NewTable(&b, false, "HOST").Flush(); err != nil || b.String() != "HOST\n" {
		t.Errorf("an empty table is %q, %v; want its header", b.String(), err)
	}
}
