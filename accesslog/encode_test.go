package accesslog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func lineOf(r *Record, hash bool) []byte { return append(appendClear(nil, r, hash), '}') }

const goldenLine = `{"ts":"2026-11-23T02:14:31.123456789Z","id":"01KAQ6Y3DV0001000A","outcome":"upstream_down","status":502,` +
	`"duration":0.0015,"generation":"9c07ab12","site":"queue","route":"/visit","app":"collector",` +
	`"upstream":"127.0.0.1:3000","match":"exact","stage":"stable","reason":"connection refused",` +
	`"request":{"client_ip":"203.0.113.0","proto":"HTTP/1.1","method":"POST","host":"queue.example.com",` +
	`"uri":"/visit?n=1","headers":{"User-Agent":["curl/8.5.0"],"Content-Type":["text/plain"],` +
	`"Referer":["https://example.com/"]},"tls":{"server_name":"queue.example.com","version":"1.3"}},` +
	`"user_agent":{"browser":"curl","version":"8.5.0","os":"","mobile":false,"bot":false},` +
	`"bytes_read":105,"size":15,"body":{"bytes":5,"complete":true,"truncated":false,` +
	`"sha256":"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"}}`

func goldenID() ID {
	id, _ := ParseID("01KAQ6Y3DV0001000A")
	return id
}

func TestLine(t *testing.T) {
	r := newRecord(goldenID(), testTime, []byte("hello"))
	if diff := cmp.Diff(goldenLine, string(lineOf(r, true))); diff != "" {
		t.Errorf("the line changed (-want +got):\n%s", diff)
	}
	if line := lineOf(r, false); bytes.Contains(line, []byte("sha256")) {
		t.Errorf("an access line has a hash: %s", line)
	}
	minimal := lineOf(&Record{ID: goldenID(), Time: testTime}, true)
	for _, want := range []string{`"outcome":"unknown"`, `"client_ip":""`, `"headers":{}`, `"user_agent":{"browser":""`} {
		if !bytes.Contains(minimal, []byte(want)) || !json.Valid(minimal) {
			t.Errorf("minimal line lacks %s: %s", want, minimal)
		}
	}
}

func TestClearAddress(t *testing.T) {
	for in, want := range map[string]string{
		"203.0.113.77":           "203.0.113.0",
		"::ffff:203.0.113.77":    "203.0.113.0",
		"2001:db8:1:2:3:4:5:6":   "2001:db8:1::",
		"fe80::1%eth0":           "fe80::",
		"127.0.0.1":              "127.0.0.0",
		"255.255.255.255":        "255.255.255.0",
		"::1":                    "::",
		"::ffff:203.0.113.77%e0": "203.0.113.0",
	} {
		if got := clearAddress(netip.MustParseAddr(in)).String(); got != want {
			t.Errorf("%s in clear is %s, want %s", in, got, want)
		}
	}
}

func TestHeadersInClear(t *testing.T) {
	for _, c := range []struct {
		name string
		in   []Header
		want string
	}{
		{"canonical", []Header{{"uSER-aGENT", []byte("x")}}, `{"User-Agent":["x"]}`},
		{"credentials", []Header{
			{"cookie", []byte("s")}, {"Set-Cookie", []byte("s")}, {"AUTHORIZATION", []byte("s")},
			{"Proxy-Authorization", []byte("s")}, {"X", []byte("1")},
		}, `{"X":["1"]}`},
		{"repeated", []Header{{"a", []byte("1")}, {"b", []byte("2")}, {"A", []byte("3")}}, `{"A":["1","3"],"B":["2"]}`},
		{"odd bytes", []Header{{"a\"b", []byte("\"\\\n\x00\xff")}}, `{"A\"b":["\"\\\n\u0000\u00ff"]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := string(appendHeaders(nil, c.in))
			if got != `,"headers":`+c.want {
				t.Errorf("got %s", got)
			}
		})
	}
	many := make([]Header, 1000)
	for i := range many {
		many[i] = Header{fmt.Sprint("h", i), []byte("v")}
	}
	if got := appendHeaders(nil, many); len(got) > 2000 {
		t.Errorf("%d bytes for 1,000 headers", len(got))
	}
}

func TestTextsAreBounded(t *testing.T) {
	r := newRecord(goldenID(), testTime, nil)
	r.URI = repeatTo("\xff", 1<<20)
	r.Host = repeatTo("h", 1<<20)
	r.Headers = []Header{{"Referer", repeatTo("\x01", 1<<20)}}
	line := lineOf(r, true)
	if len(line) > 120<<10 {
		t.Errorf("line of %d bytes", len(line))
	}
	var v view
	if err := v.decode(line); err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("...[%d more bytes]", 1<<20-maxClearURI); !strings.HasSuffix(v.uri, want) {
		t.Errorf("uri ends with %q, want %q", v.uri[len(v.uri)-30:], want)
	}
	// A cut does not go through a character.
	if got := appendString(nil, "aé", 2); string(got) != `"a...[2 more bytes]"` {
		t.Errorf("cut: %s", got)
	}
}

// shown is what a text becomes in clear: itself, or Latin-1 for what is not UTF-8.
func shown(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n == 1 {
			r = rune(s[0])
		}
		b.WriteRune(r)
		s = s[n:]
	}
	return b.String()
}

func TestStringRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
		if rapid.Bool().Draw(t, "utf8") {
			in = rapid.String().Draw(t, "text")
		}
		text := appendString(nil, in, 0)
		var std string
		if err := json.Unmarshal(text, &std); err != nil || std != shown(in) {
			t.Fatalf("%q became %s, read as %q: %v", in, text, std, err)
		}
		s := jsonScanner{b: text}
		if got := s.str(); s.err != nil || got != shown(in) {
			t.Fatalf("%q became %s, scanned as %q: %v", in, text, got, s.err)
		}
		for _, c := range text {
			if c < 0x20 || c == 0x7f {
				t.Fatalf("control character in %s", text)
			}
		}
		if bytes.Contains(text, []byte("\u0085")) {
			t.Fatalf("C1 control in %s", text)
		}
	})
}

func TestSecondsRoundTrip(t *testing.T) {
	check := func(d time.Duration) string {
		text := appendSeconds(nil, d)
		if back, ok := parseSeconds(text); !ok || back != d || !json.Valid(text) {
			return fmt.Sprintf("%d became %s and reads back as %d, %v", d, text, back, ok)
		}
		return ""
	}
	for _, d := range []time.Duration{0, 1, -1, time.Second, 1<<63 - 1, 60 * time.Second, 10 * time.Millisecond} {
		if msg := check(d); msg != "" {
			t.Error(msg)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		if msg := check(time.Duration(rapid.Int64Range(-1<<63+1, 1<<63-1).Draw(t, "ns"))); msg != "" {
			t.Fatal(msg)
		}
	})
	for _, bad := range []string{"", "-", ".5", "1.", "01", "1e3", "1.0000000001", "99999999999", "abc", "1.x"} {
		if d, ok := parseSeconds([]byte(bad)); ok {
			t.Errorf("parseSeconds(%q) = %v", bad, d)
		}
	}
}

// drawRecord makes a record of arbitrary bytes.
func drawRecord(t *rapid.T) *Record {
	text := func(name string) []byte { return rapid.SliceOfN(rapid.Byte(), 0, 60).Draw(t, name) }
	r := &Record{
		ID:      newIDs(time.UnixMilli(rapid.Int64Range(1, 1<<42).Draw(t, "ms")), "0007").Next(time.UnixMilli(0)),
		Time:    time.Unix(rapid.Int64Range(1, 4e9).Draw(t, "sec"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC(),
		Outcome: Outcome(rapid.IntRange(0, int(outcomeEnd)-1).Draw(t, "outcome")),
		Status:  rapid.IntRange(0, 999).Draw(t, "status"), Duration: time.Duration(rapid.Int64Range(0, 1e15).Draw(t, "duration")),
		Generation: string(text("generation")), Site: string(text("site")), Route: string(text("route")),
		App: string(text("app")), Upstream: string(text("upstream")), Match: string(text("match")),
		Stage: string(text("stage")), Reason: string(text("reason")),
		Client: netip.MustParseAddrPort("203.0.113.77:1"), Proto: string(text("proto")),
		Method: text("method"), Host: text("host"), URI: text("uri"),
		TLSServerName: string(text("sni")), TLSVersion: string(text("tls")),
		UserAgent: UserAgent{
			Browser: string(text("browser")), Version: string(text("version")), OS: string(text("os")),
			Mobile: rapid.Bool().Draw(t, "mobile"), Bot: rapid.Bool().Draw(t, "bot"),
		},
		BytesRead: rapid.Int64().Draw(t, "read"), Size: rapid.Int64().Draw(t, "size"),
		Body: Body{
			Bytes: rapid.Int64().Draw(t, "bytes"), Complete: rapid.Bool().Draw(t, "complete"),
			Truncated: rapid.Bool().Draw(t, "truncated"), Hashed: rapid.Bool().Draw(t, "hashed"),
		},
	}
	if r.Body.Hashed {
		copy(r.Body.SHA256[:], text("hash"))
	}
	for range rapid.IntRange(0, 4).Draw(t, "headers") {
		r.Headers = append(r.Headers, Header{string(text("name")), text("value")})
	}
	return r
}

// What is written reads back the same through our decoder, through encoding/json
// and through what WriteJSON makes of it.
func TestRecordRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawRecord(t)
		line := lineOf(r, true)
		var v view
		if err := v.decode(line); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		e := v.entry()
		if same := e.Request.URI == shown(string(r.URI)) && e.Request.Host == shown(string(r.Host)); same == e.Request.Cut {
			t.Fatalf("%s: cut is %v", line, e.Request.Cut)
		}
		if e.Reason != shown(r.Reason) ||
			!e.Time.Equal(r.Time) || e.ID != r.ID || e.Outcome != r.Outcome || time.Duration(e.Duration) != r.Duration ||
			e.Body != r.Body {
			t.Fatalf("%s read back as %+v", line, e)
		}
		var std Entry
		if err := json.Unmarshal(line, &std); err != nil {
			t.Fatalf("encoding/json: %v: %s", err, line)
		}
		if diff := cmp.Diff(&std, e, cmpopts.IgnoreUnexported(Entry{}), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("encoding/json reads %s differently:\n%s", line, diff)
		}
		var out bytes.Buffer
		if err := WriteJSON(&out, e); err != nil {
			t.Fatal(err)
		}
		var again view
		if err := again.decode(bytes.TrimSpace(out.Bytes())); err != nil {
			t.Fatalf("%v: %s", err, out.Bytes())
		}
		if diff := cmp.Diff(e, again.entry(), cmpopts.IgnoreUnexported(Entry{})); diff != "" {
			t.Fatalf("after WriteJSON: %s", diff)
		}
	})
}

func TestEntryHasTheNamesOfTheContract(t *testing.T) {
	var got []string
	var walk func(prefix string, ty reflect.Type)
	walk = func(prefix string, ty reflect.Type) {
		if ty.Kind() == reflect.Pointer {
			ty = ty.Elem()
		}
		for i := range ty.NumField() {
			f := ty.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "" || name == "-" {
				continue
			}
			got = append(got, prefix+name)
			if f.Type == reflect.TypeFor[Request]() || f.Type == reflect.TypeFor[*TLS]() || f.Type == reflect.TypeFor[UserAgent]() ||
				f.Type == reflect.TypeFor[Body]() {
				walk(prefix+name+".", f.Type)
			}
		}
	}
	walk("", reflect.TypeFor[Entry]())
	want := strings.Fields(`ts id outcome status duration generation site route app upstream match stage reason
		request request.client_ip request.proto request.method request.host request.uri request.cut request.headers
		request.tls request.tls.server_name request.tls.version
		user_agent user_agent.browser user_agent.version user_agent.os user_agent.mobile user_agent.bot
		bytes_read size body body.bytes body.complete body.truncated body.sha256`)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("names or their order (-want +got):\n%s", diff)
	}
}

func TestEncodingDoesNotAllocate(t *testing.T) {
	r := newRecord(goldenID(), testTime, []byte("hello"))
	buf := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(1000, func() { buf = appendClear(buf[:0], r, true) }); n != 0 {
		t.Errorf("%v allocations a line", n)
	}
}

func BenchmarkEncode(b *testing.B) {
	r := newRecord(goldenID(), testTime, []byte("hello"))
	buf := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		buf = appendClear(buf[:0], r, false)
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkDecode(b *testing.B) {
	line := lineOf(newRecord(goldenID(), testTime, []byte("hello")), false)
	var v view
	b.ReportAllocs()
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		if err := v.decode(line); err != nil {
			b.Fatal(err)
		}
	}
}
