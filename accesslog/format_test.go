package accesslog

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestWriteJSON(t *testing.T) {
	var out bytes.Buffer
	e := entryFor(t, func(r *Record) {
		r.Body.Bytes, r.BytesRead = 5, 105
		r.Headers = []Header{{"B", []byte("<&>")}, {"A", []byte("\u0085")}}
		r.TLSServerName, r.TLSVersion = "", ""
	})
	if err := WriteJSON(&out, e); err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(goldenLine, `"headers":{"User-Agent":["curl/8.5.0"],"Content-Type":["text/plain"],`+
		`"Referer":["https://example.com/"]},"tls":{"server_name":"queue.example.com","version":"1.3"}}`,
		`"headers":{"A":["\u0085"],"B":["<&>"]}}`, 1)
	want = strings.Replace(want, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", 1)
	if diff := cmp.Diff(want+"\n", out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestWritePayloadJSON(t *testing.T) {
	body := bytes.Repeat([]byte{0, 0xff, '"', '\n'}, 50_000)
	o := &Opened{
		Client: netip.MustParseAddrPort("203.0.113.77:51234"),
		Head: []byte("POST /visit HTTP/1.1\r\nHost:  a.b \r\nCookie: s=1\r\nX-Odd:\xe9\x00\"\r\nno colon\r\n" +
			"cookie: t=2\r\nEmpty:\r\n\r\n"),
		Trailer: []byte("X-Sum: 9\r\n"), Body: io.NopCloser(bytes.NewReader(body)), Bytes: int64(len(body)),
	}
	var out bytes.Buffer
	if err := WritePayloadJSON(&out, entryFor(t, nil), o); err != nil {
		t.Fatal(err)
	}
	var got struct {
		ID      ID
		Request struct {
			Client      string
			URI         string
			RawHeaders  [][2]string `json:"raw_headers"`
			RawTrailers [][2]string `json:"raw_trailers"`
		}
		Body struct {
			Base64 []byte
			SHA256 string
		}
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%v: %.1000s", err, out.Bytes())
	}
	want := [][2]string{
		{"Host", "a.b"}, {"Cookie", "s=1"}, {"X-Odd", "é\x00\""}, {"no colon", ""}, {"cookie", "t=2"}, {"Empty", ""},
	}
	if diff := cmp.Diff(want, got.Request.RawHeaders); diff != "" {
		t.Error(diff)
	}
	if got.ID != goldenID() || got.Request.Client != "203.0.113.77:51234" || got.Request.URI != "/visit?n=1" ||
		!bytes.Equal(got.Body.Base64, body) || len(got.Body.SHA256) != 64 ||
		!cmp.Equal(got.Request.RawTrailers, [][2]string{{"X-Sum", "9"}}) {
		t.Errorf("%+v", got.Request)
	}
	if bytes.Count(out.Bytes(), []byte("\n")) != 1 {
		t.Error("not one line")
	}
	o.Body = io.NopCloser(io.MultiReader(strings.NewReader("abc"), errorReader{}))
	out.Reset()
	if err := WritePayloadJSON(&out, entryFor(t, nil), o); err == nil || !bytes.HasSuffix(out.Bytes(), []byte("\n")) {
		t.Errorf("damaged body: %v", err)
	}
}

type errorReader struct{}

func (errorReader) Read([]byte) (int, error) { return 0, ErrPayload }

func TestWriteCombined(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(*Record)
		want string
	}{
		{"plain", nil, `203.0.113.0 - - [23/Nov/2026:02:14:31 +0000] "POST /visit?n=1 HTTP/1.1" 502 15 "https://example.com/" "curl/8.5.0"`},
		{"another zone", func(r *Record) { r.Time = r.Time.In(time.FixedZone("", 3600)); r.Headers = nil },
			`203.0.113.0 - - [23/Nov/2026:02:14:31 +0000] "POST /visit?n=1 HTTP/1.1" 502 15 "-" "-"`},
		{"nothing understood", func(r *Record) {
			r.Method, r.URI, r.Proto, r.Headers, r.Client, r.Size = nil, nil, "", nil, netip.AddrPort{}, 0
		}, `- - - [23/Nov/2026:02:14:31 +0000] "-" 502 0 "-" "-"`},
		{"injection", func(r *Record) {
			r.URI = []byte("/a\" 200 1 \"x\" \"y\"\n1.2.3.4 - - [x] \\")
			r.Headers = []Header{{"User-Agent", []byte("a\"b\\c\x1b[31m\xc3\xa9 d")}, {"Referer", []byte("\r\n")}}
		}, `203.0.113.0 - - [23/Nov/2026:02:14:31 +0000] "POST /a\x22\x20200\x201\x20\x22x\x22\x20\x22y\x22\x0A1.2.3.4\x20-\x20-\x20[x]\x20\x5C HTTP/1.1" 502 15 "\x0D\x0A" "a\x22b\x5Cc\x1B[31m\xC3\xA9 d"`},
	} {
		var out bytes.Buffer
		if err := WriteCombined(&out, entryFor(t, c.set)); err != nil || out.String() != c.want+"\n" {
			t.Errorf("%s: %v\n got %s\nwant %s", c.name, err, out.String(), c.want)
		}
	}
}

// Whatever a request holds, the line has the shape that parsers expect.
func TestCombinedCannotBeForged(t *testing.T) {
	shape := regexp.MustCompile(`^\S+ - - \[[^\]]+\] "(-|[^" ]+ [^" ]+ [^" ]+)" \d+ -?\d+ "[^"\\]*(\\x[0-9A-F]{2}[^"\\]*)*" "[^"\\]*(\\x[0-9A-F]{2}[^"\\]*)*"\n$`)
	rapid.Check(t, func(t *rapid.T) {
		r := drawRecord(t)
		r.Headers = append(r.Headers, Header{"User-Agent", rapid.SliceOf(rapid.Byte()).Draw(t, "agent")})
		var v view
		if err := v.decode(lineOf(r, true)); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := WriteCombined(&out, v.entry()); err != nil || !shape.Match(out.Bytes()) {
			t.Fatalf("%v: %q", err, out.Bytes())
		}
	})
}

// The plaintext of a box holds every byte of what was sealed.
func TestPlaintextRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bytesOf := func(name string) []byte { return rapid.SliceOf(rapid.Byte()).Draw(t, name) }
		p := &Payload{Scheme: string(bytesOf("scheme")), Head: bytesOf("head"), Body: bytesOf("body"), Trailer: bytesOf("trailer")}
		r := &Record{Payload: p, Client: netip.MustParseAddrPort("[2001:db8::1]:9")}
		if rapid.Bool().Draw(t, "proxied") {
			p.Peer = netip.MustParseAddr("2001:db8::2")
		}
		if r.Body.Hashed = rapid.Bool().Draw(t, "hashed"); r.Body.Hashed {
			copy(r.Body.SHA256[:], bytesOf("hash"))
		}
		h, head, body, trailer, err := parsePlaintext(appendPlaintext(nil, r))
		if h.Peer != p.Peer || (h.SHA256 != nil) != r.Body.Hashed || r.Body.Hashed && !bytes.Equal(h.SHA256, r.Body.SHA256[:]) {
			t.Fatalf("%+v", h)
		}
		if err != nil || !bytes.Equal(head, p.Head) || !bytes.Equal(body, p.Body) || !bytes.Equal(trailer, p.Trailer) ||
			h.Client.String() != "[2001:db8::1]:9" {
			t.Fatalf("%+v, %v", h, err)
		}
	})
	for _, bad := range []string{"", "{}", "x\n", `{"head":1}` + "\n", `{"head":-1,"body":1}` + "\n", `{"head":9e9}` + "\n",
		`{"head":9223372036854775807,"body":9223372036854775807}` + "\n", `{}` + "\nrest"} {
		if _, _, _, _, err := parsePlaintext([]byte(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		goldenLine, `{}`, `null`, `{"ts":"2026-11-23T02:14:31Z","id":"01KAQ6Y3DV0001000A","x":[{"y":[1e9,null,true]}]}`,
		strings.Replace(goldenLine, `"body":`, `"sealed":{"n":7,"blob":"a/b","box":"AAAA"},"body":`, 1),
		strings.Replace(goldenLine, `/visit`, `/é\u00e9\ud83d\ude00\ud83d\"\\`, 1),
		strings.Replace(goldenLine, `"headers":{`, `"headers":{"A":null,`, 1),
		strings.Replace(goldenLine, `0.0015`, `-0.5`, 1), `{"segment":{}}`, strings.Repeat(`{"a":`, 100),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		before := bytes.Clone(line)
		var v view
		err := v.decode(line)
		if !bytes.Equal(before, line) {
			t.Fatal("the line was changed")
		}
		if err != nil {
			return
		}
		if !json.Valid(line) {
			t.Fatalf("accepted what is not JSON: %q", line)
		}
		e := v.entry()
		var out bytes.Buffer
		if err := WriteJSON(&out, e); err != nil {
			t.Fatal(err)
		}
		var again view
		if err := again.decode(bytes.TrimSuffix(out.Bytes(), []byte("\n"))); err != nil {
			t.Fatalf("%v: %q", err, out.Bytes())
		}
		second := again.entry()
		var out2 bytes.Buffer
		if err := WriteJSON(&out2, second); err != nil || out2.String() != out.String() {
			t.Fatalf("%q\nbecame %q", out.Bytes(), out2.Bytes())
		}
		if err := WriteCombined(io.Discard, e); err != nil {
			t.Fatal(err)
		}
		_, _ = base64.StdEncoding.DecodeString(string(v.box))
	})
}
