package accesslog

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// entryOf is what is read back of r.
func entryOf(t testing.TB, r *Record) *Entry {
	t.Helper()
	line := lineOf(r, true)
	var v view
	if err := v.decode(line); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	e := v.entry()
	var std Entry
	if err := json.Unmarshal(line, &std); err != nil || std.Request.Cut != e.Request.Cut {
		t.Fatalf("encoding/json: %v: %s", err, line)
	}
	return e
}

func TestNamesAndPasswordsAreNotInClear(t *testing.T) {
	long := strings.Repeat("p", maxClearURI+10)
	for _, c := range []struct{ in, want string }{
		{"/visit?mail=a@b.test", "/visit?mail=a@b.test"},
		{"/@user/pics", "/@user/pics"},
		{"http://q.test/a@b", "http://q.test/a@b"},
		{"http://q.test?mail=a@b", "http://q.test?mail=a@b"},
		{"http://alice:pw@q.test/x?y", "http://-@q.test/x?y"},
		{"http://alice:p@w@q.test", "http://-@q.test"},
		{"HTTP://alice@q.test#x@y", "HTTP://-@q.test#x@y"},
		{"http://" + long + "@q.test/", "http://-@q.test/"},
		{"alice:pw@q.test:443", "-@q.test:443"},
		{`http:\\alice:pw@q.test`, "-@q.test"},
		{"/go?to=https://bob:secret@shop/a@b", "/go?to=https://-@shop/a@b"},
		{"/go?to=https://shop.test&mail=a@b", "/go?to=https://shop.test&mail=a@b"},
		{"http://a:b@c/http://d:e@f/", "http://-@c/http://-@f/"},
		{"/\"@\n://a:b@c", "/\"@\n://-@c"},
	} {
		r := newRecord(goldenID(), testTime, nil)
		r.URI = []byte(c.in)
		e := entryOf(t, r)
		if e.Request.URI != c.want || e.Request.Cut != (c.in != c.want) {
			t.Errorf("%.80q in clear is %.80q, cut %v; want %q", c.in, e.Request.URI, e.Request.Cut, c.want)
		}
	}
	for in, want := range map[string]string{
		"q.test": "q.test", "alice:pw@q.test": "-@q.test", "a@b@q.test:80": "-@q.test:80", "@": "-@",
		"alice:p/w?@q.test": "-@q.test",
	} {
		r := newRecord(goldenID(), testTime, nil)
		r.Host = []byte(in)
		if e := entryOf(t, r); e.Request.Host != want || e.Request.Cut != (in != want) {
			t.Errorf("host %q in clear is %q, cut %v", in, e.Request.Host, e.Request.Cut)
		}
	}
	r := newRecord(goldenID(), testTime, nil)
	r.Headers = []Header{
		{"referer", []byte("https://bob:secret@shop/a?b")}, {"REFERER", []byte("https://eve:secret@shop/")},
		{"Origin", []byte("https://bob:secret@shop")}, {"User-Agent", []byte("bot (+http://b.test; mail me@b.test)")},
	}
	e := entryOf(t, r)
	for name, want := range map[string]string{
		"Referer": "https://-@shop/a?b https://-@shop/", "Origin": "https://-@shop", "User-Agent": "bot (+http://b.test; mail me@b.test)",
	} {
		if got := strings.Join(e.Request.Headers[name], " "); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if e.Request.Cut {
		t.Error("the target is whole")
	}
}

// What must not stand in clear stands nowhere on the disk, and the payload has it.
func TestPasswordsAreInThePayloadOnly(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, StoreOptions{})
	rec := newRecord(goldenID(), time.Now(), []byte("body"))
	rec.URI, rec.Host = []byte("http://alice:hunter2@q.test/x"), []byte("alice:hunter2@q.test")
	rec.Headers = []Header{{"Referer", []byte("https://bob:hunter2@shop/")}}
	rec.Payload.Head = []byte("GET http://alice:hunter2@q.test/x HTTP/1.1\r\nHost: alice:hunter2@q.test\r\n\r\n")
	if err := s.Commit(rec); err != nil {
		t.Fatal(err)
	}
	s.Append(rec)
	s.Close()
	grepTree(t, dir, "hunter2")
	r := openReader(t, dir)
	e := byID(t, r)[rec.ID]
	head, _, err := readPayload(r, e, loadKeys(t, dir))
	if err != nil || !bytes.Equal(head, rec.Payload.Head) || !e.Request.Cut {
		t.Errorf("head %q, cut %v, %v", head, e.Request.Cut, err)
	}
}

func TestRecordsSayThatTheyWereCut(t *testing.T) {
	text := func(n int) []byte { return repeatTo("/x", n) }
	for _, c := range []struct {
		name              string
		method, host, uri int
		want              bool
	}{
		{"short", 4, 10, 10, false},
		{"as long as may be", maxClearMethod, maxClearHost, maxClearURI, false},
		{"method", maxClearMethod + 1, 10, 10, true},
		{"host", 4, maxClearHost + 1, 10, true},
		{"uri", 4, 10, maxClearURI + 1, true},
	} {
		r := newRecord(goldenID(), testTime, nil)
		r.Method, r.Host, r.URI = text(c.method), text(c.host), text(c.uri)
		e := entryOf(t, r)
		if e.Request.Cut != c.want {
			t.Errorf("%s: cut is %v", c.name, e.Request.Cut)
		}
		var out bytes.Buffer
		if err := WriteJSON(&out, e); err != nil || bytes.Contains(out.Bytes(), []byte(`"cut":true`)) != c.want {
			t.Errorf("%s: %v, %.200s", c.name, err, out.Bytes())
		}
	}
	// A text that only looks as if it had been cut.
	r := newRecord(goldenID(), testTime, nil)
	r.URI = []byte("/x...[8 more bytes]")
	if e := entryOf(t, r); e.Request.Cut {
		t.Error("a mark in the request itself counts")
	}
}

// However a text with URLs is cut, what is shown is bounded and no part of a
// password.
func TestCutTextsHoldNoPassword(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const secret = "hunter2"
		before := rapid.StringMatching(`[a-zé/]{0,30}`).Draw(t, "before")
		after := rapid.StringMatching(`[a-zé/@]{0,40}`).Draw(t, "after")
		text := before + "://u:" + strings.Repeat(secret, rapid.IntRange(1, 5).Draw(t, "n")) + "@" + after
		limit := rapid.IntRange(1, 60).Draw(t, "limit")
		got, whole := appendURL(nil, text, limit)
		if whole || bytes.Contains(got, []byte(secret[:4])) || !json.Valid(got) || len(got) > limit+len(`"...[100 more bytes]"`) {
			t.Fatalf("%q became %s", text, got)
		}
	})
}

func TestMisleadingCharactersAreEscaped(t *testing.T) {
	in := "a\u2028b\u2029c\u202ed\u2066e\u2069f\u200fg\u061ch\u2030i\u00e9"
	got := string(appendString(nil, in, 0))
	want := `"a\u2028b\u2029c\u202ed\u2066e\u2069f\u200fg\u061ch` + "\u2030i\u00e9" + `"`
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	s := jsonScanner{b: []byte(got)}
	if back := s.str(); back != in || s.err != nil {
		t.Errorf("read back as %q, %v", back, s.err)
	}
}

func TestURLsDoNotAllocate(t *testing.T) {
	r := newRecord(goldenID(), testTime, nil)
	r.URI, r.Host = []byte("http://alice:pw@q.test/x?y=http://a:b@c/"), []byte("a@q.test")
	r.Headers = []Header{{"Referer", []byte("https://bob:secret@shop/")}}
	buf := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(1000, func() { buf = appendClear(buf[:0], r, true) }); n != 0 {
		t.Errorf("%v allocations a line", n)
	}
}
