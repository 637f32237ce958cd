package misbehaviour

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// An answer is what an app says, and what must become of it.
type answer struct {
	name   string
	script script
	status int    // the client gets
	body   string // it gets, where the status is the app's
	cut    bool   // the client sees that the answer was cut
}

// notHTTP are answers that end as 502, whatever the client asked for.
var notHTTP = map[string]string{
	"both framings":       "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"two lengths":         "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
	"list of lengths":     "HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nhello!",
	"negative length":     "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
	"length with a sign":  "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
	"length in words":     "HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello",
	"endless length":      "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nhello",
	"empty length":        "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\nhello",
	"unknown coding":      "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello",
	"coding of HTTP/1.0":  "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"short status":        "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
	"long status":         "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
	"status 999":          "HTTP/1.1 999 OK\r\nContent-Length: 0\r\n\r\n",
	"status 000":          "HTTP/1.1 000 OK\r\nContent-Length: 0\r\n\r\n",
	"negative status":     "HTTP/1.1 -20 OK\r\nContent-Length: 0\r\n\r\n",
	"no version":          "200 OK\r\nContent-Length: 0\r\n\r\n",
	"HTTP/2":              "HTTP/2 200\r\nContent-Length: 0\r\n\r\n",
	"a page":              "<html><body>hello</body></html>\r\n\r\n",
	"ssh":                 "SSH-2.0-OpenSSH_9.2\r\n\r\n",
	"zeros":               strings.Repeat("\x00", 100),
	"field without colon": "HTTP/1.1 200 OK\r\nContent-Length 0\r\n\r\n",
	"space before colon":  "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
	"folded field":        "HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 0\r\n\r\n",
	"unasked switch":      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nhello",
	"end in the head":     "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
	"end in a line":       "HTTP/1.1 200 OK\r\nContent-Le",
	"nothing":             "",
	"endless head":        "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-A: "+strings.Repeat("a", 1000)+"\r\n", 400),
	"many fields":         "HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", 5000) + "\r\n",
}

// cutBodies are answers whose head is fine and whose body is not.
var cutBodies = map[string]string{
	"less than the length": "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello",
	"no last chunk":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
	"end in a chunk":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nhello",
	"bad chunk size":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
	"bad chunk end":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloooo",
	"huge chunk":           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nffffffffffffffff\r\nx",
}

// TestAnswers: answers that are none, more than one, or not the length they say, while
// another app is asked by others.
func TestAnswers(t *testing.T) {
	var answers []answer
	for name, text := range notHTTP {
		answers = append(answers, answer{name: name, script: raw(text), status: 502})
	}
	for name, text := range cutBodies {
		answers = append(answers, answer{name: name, script: raw(text), status: 200, body: "hello", cut: true})
	}
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
	stays := func(text string) script { // on an open connection, for whoever comes next
		return func(c *call) bool { _, _ = c.read(); return c.write(text) && c.untilClosed(patience) && false }
	}
	answers = append(answers,
		answer{name: "more than the length", script: stays(ok + "world"), status: 200, body: "hello"},
		answer{name: "twice", script: stays(ok + strings.Replace(ok, "hello", "twice", 1)), status: 200, body: "hello"},
		answer{name: "error twice", script: stays(strings.Replace(ok+ok, "200 OK", "500 No", 1)), status: 500, body: "hello"},
		answer{name: "1xx for ever", script: func(c *call) bool {
			_, _ = c.read()
			for c.write("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n") {
			}
			return false
		}, status: 502},
		answer{name: "100 for ever", script: func(c *call) bool {
			for c.write("HTTP/1.1 100 Continue\r\n\r\n") {
			}
			return false
		}, status: 502},
		answer{name: "1xx now and then", script: func(c *call) bool {
			_, _ = c.read()
			for c.write("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n") {
				time.Sleep(100 * time.Millisecond)
			}
			return false
		}, status: 504},
	)
	st := storm{name: "answers", at: full(10, 50), costs: streamCost + 300<<10, apps: map[string]script{},
		outcomes: "+upstream_down 502, +upstream_down 200, +timeout 504, +ok 200, +upstream_5xx 500, +client_abort 499"}
	for i := range answers {
		st.apps[fmt.Sprintf("/answers/%d", i)] = answers[i].script
	}
	st.act = func(a *actor) error {
		k := (a.i + a.n*st.at) % len(answers)
		if err := answers[k].take(a, a.path+strconv.Itoa(k)); err != nil {
			return fmt.Errorf("%s: %w", answers[k].name, err)
		}
		return a.rest(100 * time.Millisecond)
	}
	weather(t, st)
}

// take asks for the answer, twice on one connection where that is kept.
func (w *answer) take(a *actor, path string) error {
	c, err := a.dial(0)
	if err != nil {
		return err
	}
	defer a.drop(c)
	for range 2 {
		if err := a.send(c, request("POST", path, "quick.test", "Content-Length: 5"), "hello"); err != nil {
			return err
		}
		resp, err := c.answer("POST")
		if err != nil && w.cut {
			return nil // cut before its head had left
		}
		if err != nil {
			return err
		}
		body, err := io.ReadAll(resp.Body)
		switch {
		case resp.StatusCode != w.status:
			return fmt.Errorf("answered %d with %.80q, %v", resp.StatusCode, body, err)
		case w.cut && err == nil:
			return fmt.Errorf("the cut is not to be seen: %q", body)
		case !w.cut && err != nil:
			return err
		case w.body != "" && string(body) != w.body:
			return fmt.Errorf("the body is %q", body)
		}
		if w.cut || resp.Close {
			return nil
		}
		// Another request on this connection gets what is its own.
		if err := a.send(c, request("POST", path+"/own", "quick.test", "Content-Length: 3"), "own"); err != nil {
			return err
		}
		if resp, err = c.answer("POST"); err != nil {
			return err
		}
		if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK || string(body) != "own" {
			return fmt.Errorf("the request after it got %d, %.80q, %v", resp.StatusCode, body, err)
		}
	}
	return nil
}
