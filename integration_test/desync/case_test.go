package desync

import (
	"fmt"
	"strings"
	"time"
)

// The hosts of the configuration under attack (harness_test.go). hostC belongs to gamma and
// may stand in a case only where an honest reading of the request does not name it.
const (
	hostA   = "a.test"             // alpha, no routes
	hostB   = "b.test"             // beta, no routes
	hostC   = "c.test"             // gamma, never to be contacted
	hostTwo = "two.test"           // alpha; /api -> alpha, /admin -> beta
	hostW   = "w.test"             // *.w.test -> beta
	hostIDN = "xn--bcher-kva.test" // bücher.test -> alpha
)

// placeholder is replaced by the case's token, which has the same length, so lengths
// written down in the tables stay right.
const placeholder = "{case}"

func token(n int) string { return fmt.Sprintf("~%05d", n) }

// A write is one write to the socket, after a pause.
type write struct {
	after time.Duration
	data  string
}

// A testCase is one client connection.
type testCase struct {
	name   string
	writes []write
	// halfClose shuts the write side down after the last write.
	halfClose bool
	// head says that the first final answer has no body (the request is a HEAD).
	head bool
	// partial allows an app to see the beginning of a request whose end never comes: the
	// body turned out malformed, or incomplete, after the head was forwarded.
	partial bool
	// want holds the allowed outcomes.
	want []outcome
	// check, if set, looks at the requests that apps answered for this case, in the order
	// of the answers.
	check func([]*seen) error
}

// A table is one theme. Its sources are cited where it is built.
type table struct {
	name  string
	cases []testCase
}

// A forwarded request, as the app must see it.
type forwarded struct {
	app, method, target, host, body string
}

// A step is one final answer: of an app to fwd, or of the edge with one of statuses.
type step struct {
	fwd      *forwarded
	statuses []int
}

type ending int

const (
	endAny    ending = iota
	endClosed        // the edge closes the connection after the last answer
)

// An outcome is the complete sequence of final answers on the connection, and its end.
type outcome struct {
	steps []step
	end   ending
}

func (o outcome) String() string {
	var b strings.Builder
	for i, s := range o.steps {
		if i > 0 {
			b.WriteString(", ")
		}
		if s.fwd != nil {
			fmt.Fprintf(&b, "%s gets %s %q host %q body %q", s.fwd.app, s.fwd.method, s.fwd.target, s.fwd.host, abbreviate(s.fwd.body))
		} else {
			fmt.Fprintf(&b, "edge answers %v", s.statuses)
		}
	}
	if len(o.steps) == 0 {
		b.WriteString("no answer")
	}
	if o.end == endClosed {
		b.WriteString(", closed")
	}
	return b.String()
}

func abbreviate(s string) string {
	if len(s) > 80 {
		return fmt.Sprintf("%s… (%d bytes)", s[:60], len(s))
	}
	return s
}

// Outcomes.

// refuse: the edge answers with one of statuses and closes; no app sees a request.
func refuse(statuses ...int) outcome {
	return outcome{steps: []step{{statuses: statuses}}, end: endClosed}
}

// answered: the edge answers by itself; the connection may stay.
func answered(statuses ...int) outcome {
	return outcome{steps: []step{{statuses: statuses}}}
}

// closed: no answer at all.
func closed() outcome { return outcome{end: endClosed} }

// forward: apps answer exactly these requests.
func forward(fs ...forwarded) outcome {
	var o outcome
	for i := range fs {
		o.steps = append(o.steps, step{fwd: &fs[i]})
	}
	return o
}

// then appends next to o: pipelined requests.
func (o outcome) then(next outcome) outcome {
	return outcome{steps: append(append([]step{}, o.steps...), next.steps...), end: next.end}
}

func (o outcome) closing() outcome { o.end = endClosed; return o }

// oneOf lists the outcomes a case may have where the RFCs leave the choice to the recipient.
func oneOf(os ...outcome) []outcome { return os }

// Requests.

const crlf = "\r\n"

// head joins a request line and header lines, and ends the head.
func head(requestLine string, headers ...string) string {
	return requestLine + crlf + strings.Join(append(headers, "", ""), crlf)
}

// request is a well-formed head for hostA with additional header lines, then body.
func request(method, target string, headers []string, body string) string {
	return head(method+" "+target+" HTTP/1.1", append([]string{"Host: " + hostA, "X-Case: " + placeholder}, headers...)...) + body
}

func get(target string, headers ...string) string { return request("GET", target, headers, "") }
func post(body string, headers ...string) string {
	return request("POST", "/p/"+placeholder, headers, body)
}
func length(n int) string { return fmt.Sprintf("Content-Length: %d", n) }

const (
	chunked = "Transfer-Encoding: chunked"
	hello   = "5\r\nhello\r\n0\r\n\r\n"
)

// tail follows what must be refused. It is a perfectly good request for another app.
const tail = "GET /tail/" + placeholder + " HTTP/1.1\r\nHost: " + hostB + "\r\nX-Case: " + placeholder + "\r\n\r\n"

// prey is what an attacker hopes to smuggle: a request for the app that must stay alone.
const prey = "GET /prey/" + placeholder + " HTTP/1.1\r\nHost: " + hostC + "\r\nX-Case: " + placeholder + "\r\n\r\n"

func toA(method, target, body string) forwarded {
	return forwarded{app: "alpha", method: method, target: target, host: hostA, body: body}
}

func toB(method, target, body string) forwarded {
	return forwarded{app: "beta", method: method, target: target, host: hostB, body: body}
}

func posted(body string) forwarded { return toA("POST", "/p/"+placeholder, body) }

// Cases.

// raw is a case of one write.
func raw(name, data string, want ...outcome) testCase {
	return testCase{name: name, writes: []write{{data: data}}, want: want}
}

// bad is a case whose bytes must be refused with 400, with the tail behind them.
func bad(name, data string) testCase { return raw(name, data+tail, refuse(400)) }

// badBody is bad where the fault is in the body, so that the head may have gone out.
func badBody(name, data string) testCase {
	c := bad(name, data)
	c.partial = true
	return c
}

// good is a case that one app must see as exactly f.
func good(name, data string, f forwarded) testCase { return raw(name, data, forward(f)) }

// either may be refused with 400 or forwarded as f.
func either(name, data string, f forwarded) testCase {
	return raw(name, data, refuse(400), forward(f))
}

func (c testCase) checking(f func([]*seen) error) testCase { c.check = f; return c }
func (c testCase) allowingPartial() testCase               { c.partial = true; return c }

// instantiate puts the token in.
func (c testCase) instantiate(tok string) testCase {
	put := func(s string) string { return strings.ReplaceAll(s, placeholder, tok) }
	// A write may end inside a placeholder, so they are filled in together.
	var whole strings.Builder
	for _, w := range c.writes {
		whole.WriteString(w.data)
	}
	data := put(whole.String())
	ws := make([]write, len(c.writes))
	for i, w := range c.writes {
		n := len(w.data)
		ws[i] = write{w.after, data[:n]}
		data = data[n:]
	}
	c.writes = ws
	os := make([]outcome, len(c.want))
	for i, o := range c.want {
		os[i].end = o.end
		for _, s := range o.steps {
			if s.fwd != nil {
				f := *s.fwd
				f.target, f.body = put(f.target), put(f.body)
				s.fwd = &f
			}
			os[i].steps = append(os[i].steps, s)
		}
	}
	c.want = os
	return c
}

// Checks of forwarded headers.

// without: no request carries a field of any of these names.
func without(names ...string) func([]*seen) error {
	return func(rs []*seen) error {
		for _, r := range rs {
			for _, n := range names {
				if vs := r.values(n); len(vs) > 0 {
					return fmt.Errorf("%s was forwarded: %q", n, vs)
				}
			}
		}
		return nil
	}
}

// with: the first request carries exactly these values of name, in order.
func with(name string, values ...string) func([]*seen) error {
	return func(rs []*seen) error {
		if len(rs) == 0 {
			return nil
		}
		if got := rs[0].values(name); strings.Join(got, "\x00") != strings.Join(values, "\x00") {
			return fmt.Errorf("%s: forwarded %q, want %q", name, got, values)
		}
		return nil
	}
}

func all(fs ...func([]*seen) error) func([]*seen) error {
	return func(rs []*seen) error {
		for _, f := range fs {
			if err := f(rs); err != nil {
				return err
			}
		}
		return nil
	}
}
