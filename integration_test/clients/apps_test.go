package clients

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/integration_test/edgetest"
)

// behind starts an app of testdata and an edge in front of it.
func behind(t *testing.T, program, file string) *edgetest.Edge {
	t.Helper()
	lines := spawn(t, need(t, program), "testdata/"+file)
	select {
	case line := <-lines:
		p, ok := strings.CutPrefix(line, "port ")
		if !ok {
			t.Fatalf("%s says %q", program, line)
		}
		return start(t, `
listen: {http: ADDR}
data: data
apps: {app: "http://127.0.0.1:`+p+`"}
sites: [{hosts: [app.test], app: app}]
`)
	case <-time.After(30 * time.Second):
		t.Fatalf("%s does not start", program)
	}
	return nil
}

// seen is what the apps say of a request.
type seen struct {
	Method, Target, SHA256 string
	Length, Times          int
}

// ask sends a request with a keep-alive client and returns what the app says of it.
func ask(client *http.Client, e *edgetest.Edge, method, target string, body io.Reader) (s seen, status int, err error) {
	req, err := http.NewRequest(method, e.URL+target, body)
	if err != nil {
		return s, 0, err
	}
	req.Host = "app.test"
	res, err := client.Do(req)
	if err != nil {
		return s, 0, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode == 200 {
		err = json.Unmarshal(text, &s)
	}
	return s, res.StatusCode, err
}

func sum(p []byte) string {
	h := sha256.Sum256(p)
	return hex.EncodeToString(h[:])
}

// TestApps: the servers that come with Python and Node, which both close a connection
// that was idle for a second.
func TestApps(t *testing.T) {
	t.Parallel()
	for program, file := range map[string]string{"python3": "app.py", "node": "app.js"} {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			e := behind(t, program, file)
			client := &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second}
			defer client.CloseIdleConnections()
			big := pattern(2 << 20)
			for _, tc := range []struct {
				method, target string
				body           []byte
				chunked        bool
			}{
				{"GET", "/plain?x=1", nil, false},
				{"GET", "/chunked", nil, false},
				{"GET", "/close", nil, false},
				{"POST", "/plain", []byte("small"), false},
				{"POST", "/quiet", []byte("small"), false},
				{"POST", "/chunked/small", []byte("small"), true},
				{"POST", "/plain/big", big, false},
				{"PUT", "/chunked/big", big, true},
				{"POST", "/close/big", big, true},
				{"DELETE", "/plain/deleted", nil, false},
			} {
				for round := range 3 {
					var body io.Reader = bytes.NewReader(tc.body)
					if tc.chunked {
						body = io.MultiReader(body) // hides the length
					}
					s, status, err := ask(client, e, tc.method, fmt.Sprintf("%s#%d", tc.target, round), body)
					if err != nil || status != 200 || s.Method != tc.method || s.Target != tc.target || s.Length != len(tc.body) || s.SHA256 != sum(tc.body) {
						t.Errorf("%s %s: %d, %v, the app saw %+v", tc.method, tc.target, status, err, s)
					}
				}
			}
			around(t, e, client)
			time.Sleep(300 * time.Millisecond)
			if r := e.Records("--outcome", "rejected,timeout,upstream_5xx,upstream_4xx,no_route,client_abort"); len(r) != 0 {
				t.Errorf("recorded failures: %+v", r)
			}
		})
	}
}

// around posts with pauses around the second after which the apps close. The edge looks
// at a kept connection before it uses it, so no request fails; only one whose first
// byte crosses the app's FIN, within microseconds, may be refused, because nobody can
// tell whether the app has it: then it is on record, whole, and the app does not have it.
func around(t *testing.T, e *edgetest.Edge, client *http.Client) {
	var wg sync.WaitGroup
	var crossed atomic.Int32
	for lane := range 3 {
		wg.Go(func() {
			for i, pause := range []time.Duration{700, 900, 960, 985, 995, 1005, 1015, 1040, 1100} {
				time.Sleep(pause*time.Millisecond + time.Duration(lane)*3*time.Millisecond)
				target := fmt.Sprintf("/quiet/%d/%d", lane, i)
				body := []byte("visit " + target)
				s, status, err := ask(client, e, "POST", target, bytes.NewReader(body))
				switch {
				case err == nil && status == 200 && s.Times == 1 && s.SHA256 == sum(body):
				case err == nil && status == 502:
					crossed.Add(1)
					r := e.Records("--path", target, "--payload")
					if len(r) != 1 || !bytes.Equal(r[0].Body.Base64, body) {
						t.Errorf("%s was refused and is recorded as %+v", target, r)
					}
				default:
					t.Errorf("%s: %d, %v, the app saw %+v", target, status, err, s)
				}
			}
		})
	}
	wg.Wait()
	if n := crossed.Load(); n > 1 {
		t.Errorf("%d requests met a connection that had just been closed", n)
	}
}
