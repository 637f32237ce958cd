package accesslog

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var testTime = time.Date(2026, 11, 23, 2, 14, 31, 123456789, time.UTC)

func openStore(t testing.TB, dir string, o StoreOptions) *Store {
	t.Helper()
	s, err := OpenStore(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func openReader(t testing.TB, dir string) *Reader {
	t.Helper()
	r, err := OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func loadKeys(t testing.TB, dir string) Keys {
	t.Helper()
	keys, err := LoadKeys(KeysDir(dir))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// newRecord is a failed POST with everything set.
func newRecord(id ID, at time.Time, body []byte) *Record {
	return &Record{
		ID: id, Time: at, Outcome: UpstreamDown, Status: 502, Duration: 1500 * time.Microsecond,
		Generation: "9c07ab12", Site: "queue", Route: "/visit", App: "collector", Upstream: "127.0.0.1:3000",
		Match: "exact", Stage: "stable", Reason: "connection refused",
		Client: netip.MustParseAddrPort("203.0.113.77:51234"), Proto: "HTTP/1.1",
		Method: []byte("POST"), Host: []byte("queue.example.com"), URI: []byte("/visit?n=1"),
		TLSServerName: "queue.example.com", TLSVersion: "1.3",
		Headers: []Header{
			{"user-agent", []byte("curl/8.5.0")}, {"Content-Type", []byte("text/plain")},
			{"Referer", []byte("https://example.com/")},
		},
		UserAgent: UserAgent{Browser: "curl", Version: "8.5.0", OS: "", Bot: false},
		BytesRead: int64(100 + len(body)), Size: 15,
		Body: Body{Bytes: int64(len(body)), Complete: true, SHA256: sha256.Sum256(body), Hashed: true},
		Payload: &Payload{
			Client: netip.MustParseAddrPort("203.0.113.77:51234"), Scheme: "https",
			Head: []byte("POST /visit?n=1 HTTP/1.1\r\nHost: queue.example.com\r\nuser-agent: curl/8.5.0\r\n" +
				"Cookie: session=topsecret\r\n\r\n"),
			Body: body,
		},
	}
}

func scanAll(t testing.TB, r *Reader, f Filter) ([]*Entry, ScanStats) {
	t.Helper()
	var list []*Entry
	stats, err := r.Scan(context.Background(), f, func(e *Entry) error {
		list = append(list, e)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list, stats
}

func byID(t testing.TB, r *Reader) map[ID]*Entry {
	t.Helper()
	list, _ := scanAll(t, r, Filter{})
	m := make(map[ID]*Entry, len(list))
	for _, e := range list {
		if m[e.ID] != nil {
			t.Errorf("id %s twice", e.ID)
		}
		m[e.ID] = e
	}
	return m
}

// readPayload opens e and returns its head and body.
func readPayload(r *Reader, e *Entry, keys Keys) (head, body []byte, err error) {
	o, err := r.Open(e, keys)
	if err != nil {
		return nil, nil, err
	}
	body, err = io.ReadAll(o.Body)
	return o.Head, body, errors.Join(err, o.Body.Close())
}

// wantPayload checks that e holds what newRecord(…, body) had.
func wantPayload(t testing.TB, r *Reader, e *Entry, keys Keys, body []byte) {
	t.Helper()
	if e == nil {
		t.Error("record is missing")
		return
	}
	head, got, err := readPayload(r, e, keys)
	if err != nil {
		t.Errorf("%s: %v", e.ID, err)
		return
	}
	if !bytes.Equal(got, body) || !bytes.HasPrefix(head, []byte("POST /visit")) {
		t.Errorf("%s: payload differs: %d bytes of body, want %d", e.ID, len(got), len(body))
	}
}

func files(t testing.TB, pattern ...string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(pattern...))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// eventually waits for ok to hold.
func eventually(t testing.TB, within time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(within); ; time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}

// grepTree fails if a file below dir holds text.
func grepTree(t testing.TB, dir, text string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err == nil && bytes.Contains(content, []byte(text)) {
			err = fmt.Errorf("%s holds %q in clear", path, text)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func repeatTo(s string, n int) []byte { return []byte(strings.Repeat(s, n/len(s)+1)[:n]) }
