package dataplane

import (
	"testing"
	"time"
)

// TestUnmatched: what no site names reaches no app, is answered as configured, and is
// recorded with its body.
func TestUnmatched(t *testing.T) {
	t.Parallel()
	body := []byte("a visit for a host that nobody configured")
	for respond, status := range map[string]int{"421": 421, "404": 404, "drop": 444} {
		t.Run(respond, func(t *testing.T) {
			t.Parallel()
			s := newSuite(t, "unmatched: {respond: "+respond+"}\n")
			cases := map[string]func(t *testing.T){}
			for name, host := range map[string]string{"unknown": "nobody.test", "below": "x.quick.test", "suffix": "quick.test.evil.test",
				"prefix": "evilquick.test", "address": "127.0.0.1"} {
				path := "/unmatched/" + name
				s.expect(path, "no_route", status, whole(body))
				cases[name] = func(t *testing.T) {
					c := s.dial(t)
					c.send(post(path, host, body))
					if status != 444 {
						if m := c.answer("POST"); m.status() != status || m.get("X-Request-Id") == "" {
							t.Errorf("got %+v", m)
						}
					}
					c.closed()
				}
			}
			large := pattern(300_000)
			s.expect("/unmatched/large", "no_route", status, wantedBody{})
			cases["large"] = func(t *testing.T) {
				c, start := s.dial(t), time.Now()
				wait := c.sendAside([]byte(post("/unmatched/large", "nobody.test", large)))
				if status != 444 {
					if m := c.answer("POST"); m.status() != status {
						t.Errorf("got %q", m.start)
					}
				}
				c.closed()
				wait()
				within(t, start, 0, time.Second)
			}
			s.expect("/unmatched/stalled", "no_route", status, partOf(body))
			cases["stalled"] = func(t *testing.T) {
				c, start := s.dial(t), time.Now()
				c.send(request("POST", "/unmatched/stalled", "nobody.test", "Content-Length: 1000"), string(body))
				if status != 444 {
					if m := c.answer("POST"); m.status() != status {
						t.Errorf("got %q", m.start)
					}
				}
				c.closed()
				within(t, start, bodyTimeout-100*time.Millisecond, bodyTimeout+2*time.Second)
			}
			s.run(cases)
			if n := s.app.connections(); n != 0 {
				t.Errorf("the app was connected to %d times", n)
			}
			for _, r := range s.edge.Records("--path", "/unmatched", "--payload") {
				if r.Match != "none" || r.App != "" || r.Site != "" {
					t.Errorf("%s: recorded with match %q, site %q, app %q", r.Request.URI, r.Match, r.Site, r.App)
				}
				if r.Request.URI == "/unmatched/large" && (r.Body.Complete || !r.Body.Truncated || len(r.Body.Base64) > 64<<10) {
					t.Errorf("the large body is recorded with %d bytes kept, complete %v, truncated %v",
						len(r.Body.Base64), r.Body.Complete, r.Body.Truncated)
				}
			}
		})
	}
}

// TestBadHosts: a host that is missing, repeated or malformed is 400 and reaches nobody.
func TestBadHosts(t *testing.T) {
	s := newSuite(t, "")
	cases := map[string]func(t *testing.T){}
	for name, lines := range map[string]string{
		"missing": "", "empty": "Host:\r\n", "repeated": "Host: quick.test\r\nHost: quick.test\r\n", "two": "Host: quick.test\r\nHost: patient.test\r\n",
		"userinfo": "Host: a@quick.test\r\n", "list": "Host: quick.test, patient.test\r\n", "path": "Host: quick.test/x\r\n", "underscore": "Host: quick test\r\n",
		"port": "Host: quick.test:port\r\n", "dots": "Host: quick..test\r\n", "nul": "Host: quick.test\x00\r\n",
	} {
		path := "/badhost/" + name
		s.expect(path, "rejected", 400, wantedBody{})
		cases[name] = func(t *testing.T) {
			c := s.dial(t)
			c.send("GET " + path + " HTTP/1.1\r\n" + lines + "\r\n")
			if m := c.answer("GET"); m.status() != 400 {
				t.Errorf("got %q", m.start)
			}
			c.closed()
		}
	}
	s.run(cases)
	if n := s.app.connections(); n != 0 {
		t.Errorf("the app was connected to %d times", n)
	}
}
