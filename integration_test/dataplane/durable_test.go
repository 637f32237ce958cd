package dataplane

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/accesslog"
)

// TestDurableBeforeAnswer: when the client sees the first byte of a failure, the record
// and its whole payload are in the data directory. The directory is copied at that
// moment, and read back from the copy.
func TestDurableBeforeAnswer(t *testing.T) {
	s := newSizedSuite(t, 8<<20, "unmatched: {respond: 404}\n")
	small, large := pattern(700), pattern(3<<20)
	s.app.on("/durable/500", raw(true, "HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\nfail"))
	s.app.on("/durable/401", raw(true, "HTTP/1.1 401 Who\r\nContent-Length: 0\r\n\r\n"))
	s.app.on("/durable/502", func(c *call) bool { c.readBody(); return false })
	s.app.on("/durable/504", func(c *call) bool { c.untilClosed(patience); return false })
	s.app.on("/durable/early", func(c *call) bool {
		c.write("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
		c.readBody()
		return false
	})
	s.app.on("/durable/cut", raw(false, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"))

	for _, tc := range []struct {
		path, host string
		body       []byte
		wire       string // in place of a Content-Length
		status     int
		outcome    accesslog.Outcome
	}{
		{"/durable/500", "quick.test", small, "", 500, accesslog.Upstream5xx},
		{"/durable/500", "quick.test", large, "", 500, accesslog.Upstream5xx},
		{"/durable/500", "quick.test", large, chunked(large, 100_000, "X-Sum: 1"), 500, accesslog.Upstream5xx},
		{"/durable/401", "quick.test", small, "", 401, accesslog.Upstream4xx},
		{"/durable/502", "quick.test", small, "", 502, accesslog.UpstreamDown},
		{"/durable/504", "quick.test", small, "", 504, accesslog.Timeout},
		{"/durable/early", "quick.test", large, "", 503, accesslog.Upstream5xx},
		{"/durable/unmatched", "nobody.test", small, "", 404, accesslog.NoRoute},
		{"/durable/badhost", "nobody.test:99999", small, "", 400, accesslog.Rejected},
		{"/durable/cut", "quick.test", small, "", 200, accesslog.UpstreamDown},
	} {
		t.Run(fmt.Sprintf("%s %d bytes", tc.path, len(tc.body)), func(t *testing.T) {
			c := s.dial(t)
			message := post(tc.path, tc.host, tc.body)
			if tc.wire != "" {
				message = request("POST", tc.path, tc.host, "Transfer-Encoding: chunked") + tc.wire
			}
			wait := c.sendAside([]byte(message))
			defer wait()
			var id string
			var copied string
			if tc.status == 200 {
				// A visible cut: what counts is the moment the client sees it.
				m := c.answer("POST")
				if m.err == nil {
					t.Fatal("the answer is whole")
				}
				copied, id = copyData(t, s.edge.Dir), m.get("X-Request-Id")
			} else {
				first := make([]byte, 1)
				if _, err := io.ReadFull(c.TCPConn, first); err != nil {
					t.Fatal(err)
				}
				copied = copyData(t, s.edge.Dir)
				c.br = bufio.NewReader(io.MultiReader(bytes.NewReader(first), net.Conn(c.TCPConn)))
				m := c.answer("POST")
				if m.status() != tc.status {
					t.Errorf("got %q, want %d", m.start, tc.status)
				}
				id = m.get("X-Request-Id")
			}
			entry, payload := readBack(t, copied, id)
			if entry.Outcome != tc.outcome || entry.Status != tc.status || !entry.Body.Complete || entry.Body.Bytes != int64(len(tc.body)) {
				t.Errorf("the record says %s %d, body %+v", entry.Outcome, entry.Status, entry.Body)
			}
			if !bytes.Equal(payload, tc.body) {
				t.Errorf("the record has %d of %d bytes", len(payload), len(tc.body))
			}
		})
	}
}

// copyData copies the data directory as it is now.
func copyData(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, skipSockets{os.DirFS(filepath.Join(dir, "data"))}); err != nil {
		t.Fatal(err)
	}
	return to
}

// readBack finds the record in the copy and opens its payload.
func readBack(t *testing.T, dir, id string) (accesslog.Entry, []byte) {
	t.Helper()
	reader, err := accesslog.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := accesslog.LoadKeys(filepath.Join(dir, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	var found *accesslog.Entry
	filter := accesslog.Filter{IDs: []string{id}, Since: time.Now().Add(-time.Hour)}
	if _, err := reader.Scan(context.Background(), filter, func(e *accesslog.Entry) error {
		c := *e
		found = &c
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if found == nil {
		t.Fatalf("the record %q was not on disk when the client saw the failure", id)
	}
	opened, err := reader.Open(found, keys)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Body.Close()
	body, err := io.ReadAll(opened.Body)
	if err != nil {
		t.Fatal(err)
	}
	return *found, body
}

// skipSockets is a file system without what is neither a file nor a directory: the
// data directory holds the admin socket.
type skipSockets struct{ fs.FS }

// ReadDir implements fs.ReadDirFS.
func (s skipSockets) ReadDir(name string) ([]fs.DirEntry, error) {
	all, err := fs.ReadDir(s.FS, name)
	var plain []fs.DirEntry
	for _, e := range all {
		if e.IsDir() || e.Type().IsRegular() {
			plain = append(plain, e)
		}
	}
	return plain, err
}
