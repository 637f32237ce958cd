package clients

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestServerSentEvents: every event reaches the client as it is sent, in all framings
// that apps use for it, and silence does not end the stream.
func TestServerSentEvents(t *testing.T) {
	t.Parallel()
	events := make(chan time.Time)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		if r.URL.Path == "/close" {
			w.Header().Set("Connection", "close")
			w.Header().Set("Transfer-Encoding", "identity")
		}
		rc := http.NewResponseController(w)
		_ = rc.Flush()
		for {
			select {
			case at := <-events:
				if at.IsZero() {
					return
				}
			case <-r.Context().Done():
				return
			}
			fmt.Fprintf(w, "id: %d\ndata: x\n\n", time.Now().UnixNano())
			_ = rc.Flush()
		}
	}))
	t.Cleanup(app.Close)
	e := start(t, `
listen: {http: ADDR}
data: data
limits: {body_timeout: 1s}
apps: {sse: {upstreams: ["`+app.URL+`"], timeouts: {connect: 1s, response: 1s}}}
sites: [{hosts: [sse.test], app: sse}]
`)
	// tell makes the app send an event, or end the stream for the zero time.
	tell := func(t *testing.T, at time.Time) {
		t.Helper()
		select {
		case events <- at:
		case <-time.After(20 * time.Second):
			t.Fatal("the app is gone")
		}
	}
	for _, path := range []string{"/chunked", "/close"} {
		t.Run(path, func(t *testing.T) {
			req, _ := http.NewRequestWithContext(t.Context(), "GET", e.URL+path, nil)
			req.Host = "sse.test"
			res, err := (&http.Client{Timeout: time.Minute}).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if res.StatusCode != 200 {
				t.Fatal(res.Status)
			}
			lines := bufio.NewScanner(res.Body)
			// A machine that stands still for a moment makes a round slow; an edge that
			// holds events back makes every round so.
			var worst time.Duration
			for range 3 {
				worst = 0
				for range 20 {
					tell(t, time.Now())
					start := time.Now()
					for lines.Scan() && lines.Text() != "" {
						if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok && id == "" {
							t.Error("an event without id")
						}
					}
					worst = max(worst, time.Since(start))
					time.Sleep(5 * time.Millisecond)
				}
				if worst < 200*time.Millisecond {
					break
				}
			}
			t.Logf("the slowest event took %v", worst)
			if worst >= 200*time.Millisecond || lines.Err() != nil {
				t.Errorf("an event took %v, %v", worst, lines.Err())
			}
			time.Sleep(2500 * time.Millisecond) // silent for longer than every timeout
			tell(t, time.Now())
			if !lines.Scan() || !strings.HasPrefix(lines.Text(), "id: ") {
				t.Errorf("after the silence came %q, %v", lines.Text(), lines.Err())
			}
			tell(t, time.Time{})
			for lines.Scan() {
			}
			if lines.Err() != nil {
				t.Errorf("the end: %v", lines.Err())
			}
		})
	}
	time.Sleep(300 * time.Millisecond)
	for _, r := range e.Records() {
		if r.Outcome != "ok" || r.Status != 200 || r.Duration < 2.5 || r.Size < 500 {
			t.Errorf("recorded: %+v", r)
		}
	}
}
