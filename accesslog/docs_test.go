package accesslog

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// example returns the fenced block of a page whose info string begins with what.
func example(t *testing.T, page, what string) (info, text string) {
	t.Helper()
	parts := strings.Split(readFile(t, filepath.Join("..", "docs", "format", page)), "\n```")
	for _, p := range parts {
		first, rest, _ := strings.Cut(p, "\n")
		if strings.HasPrefix(first, what) {
			return first, rest
		}
	}
	t.Fatalf("%s has no example %q", page, what)
	return "", ""
}

// The examples of docs/format, put together, are a store that can be read. They
// are not made anew when the code changes: what was written once stays readable.
func TestExamplesInTheDocumentation(t *testing.T) {
	dir := t.TempDir()
	_, access := example(t, "access.md", "jsonl access")
	_, captured := example(t, "captured.md", "jsonl captured")
	info, blob := example(t, "blob.md", "base64 blob ")
	_, key := example(t, "captured.md", "text key")
	writeLines(t, dir, classAccess, "2026-11-23", "000001-000001", access)
	writeLines(t, dir, classCaptured, "2026-11-23", "000001-000001", captured)
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(blob))
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "captured/blobs", filepath.FromSlash(strings.TrimPrefix(info, "base64 blob ")))
	keyFile := filepath.Join(dir, "page.key")
	for path, text := range map[string][]byte{name: raw, keyFile: []byte(key)} {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	keys, err := LoadKeys(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	r := openReader(t, dir)
	list, stats := scanAll(t, r, Filter{})
	if len(list) != 3 || stats.Records != 4 || stats.Skipped != 0 {
		t.Fatalf("%d records, %+v", len(list), stats)
	}
	for i, want := range []string{`{"visit":1}`, "a body in a file of its own"} {
		head, body, err := readPayload(r, list[i], keys)
		if err != nil || string(body) != want || !strings.Contains(string(head), "Cookie: ") {
			t.Errorf("payload %d: %q, %v", i, body, err)
		}
		o, err := r.Open(list[i], keys)
		if err != nil || o.Client.String() != "203.0.113.77:51234" {
			t.Errorf("client of %d: %v, %v", i, o.Client, err)
		}
	}
	if list[2].Outcome != OK || list[2].Captured() {
		t.Errorf("third record: %+v", list[2])
	}
	end, err := readEnd(filepath.Join(dir, "access/2026-11-23/000001-000001.jsonl"))
	if err != nil || end == nil || end.Records != 2 {
		t.Errorf("end line: %+v, %v", end, err)
	}
}

// What is written today looks like the example of the page.
func TestAccessLineLooksLikeTheExample(t *testing.T) {
	_, text := example(t, "access.md", "jsonl access")
	want := strings.Split(text, "\n")[1]
	id, err := ParseID("01M832XXTR00040000")
	if err != nil {
		t.Fatal(err)
	}
	rec := newRecord(id, time.Date(2026, 11, 23, 2, 14, 31, 123456789, time.UTC), []byte(`{"visit":1}`))
	rec.TLSServerName, rec.TLSVersion, rec.Headers = "", "", rec.Headers[:2]
	if diff := cmp.Diff(want, string(lineOf(rec, false))); diff != "" {
		t.Errorf("(-page +code):\n%s", diff)
	}
}

func TestEpochExample(t *testing.T) {
	_, text := example(t, "store.md", "json epoch")
	var state epochState
	if err := json.Unmarshal([]byte(text), &state); err != nil || state.Epoch != 1 || state.tag() != "7GK2" {
		t.Errorf("%+v, %v", state, err)
	}
}
