package desync

import (
	"fmt"
	"strings"
	"time"
)

// pipelines: RFC 9112 §9.3.2. What smuggling is for: a second request that only one side sees,
// or a prefix that swallows somebody's next one (Kettle 2019, 2021, 2022, 2025; connection state
// attacks: a front that checks only a connection's first Host). Every request on a connection is
// routed by itself, answers come in order, and after a refusal nothing more is read.
func pipelines() table {
	t := table{name: "pipelines"}
	add := func(cs ...testCase) { t.cases = append(t.cases, cs...) }
	next := toB("GET", "/tail/"+placeholder, "")

	for _, n := range []int{2, 3, 10, 50} {
		var data strings.Builder
		var fs []forwarded
		for i := range n {
			target := fmt.Sprintf("/%d/%s", i, placeholder)
			switch i % 3 {
			case 0:
				data.WriteString(get(target))
				fs = append(fs, toA("GET", target, ""))
			case 1:
				data.WriteString(request("POST", target, []string{length(len(prey))}, prey))
				fs = append(fs, toA("POST", target, prey))
			case 2:
				data.WriteString(head("PUT "+target+" HTTP/1.1", "Host: "+hostB, caseLine, chunked) + hello)
				fs = append(fs, toB("PUT", target, "hello"))
			}
		}
		add(raw(fmt.Sprintf("%d requests", n), data.String(), forward(fs...)))
		add(testCase{name: fmt.Sprintf("%d requests, split in the middle", n), want: oneOf(forward(fs...)),
			writes: []write{{data: data.String()[:data.Len()/2]}, {after: 30 * time.Millisecond, data: data.String()[data.Len()/2:]}}})
	}

	// A good request of each framing, then something else.
	firsts := []struct {
		name, data string
		f          forwarded
	}{
		{"GET", get("/x/" + placeholder), toA("GET", "/x/"+placeholder, "")},
		{"POST with a length", post(prey, length(len(prey))), posted(prey)},
		{"POST with chunks", post(hello, chunked), posted("hello")},
		{"POST without a body", post(""), posted("")},
		{"POST that is answered early", request("POST", "/early/"+placeholder, []string{length(5)}, "hello"), toA("POST", "/early/"+placeholder, "hello")},
	}
	for _, g := range firsts {
		for _, b := range []struct{ name, data string }{
			{"both framings", post(hello, chunked, length(5))},
			{"two lengths", post("hello", length(5), length(6))},
			{"length +5", post("hello", "Content-Length: +5")},
			{"xchunked", post(hello, "Transfer-Encoding: xchunked")},
			{"space before colon", get("/x", "X-Field : 1")},
			{"fold", get("/x", "X-Field: 1\r\n 2")},
			{"LF", strings.ReplaceAll(get("/x"), "\r\n", "\n")},
			{"NUL", get("/x", "X-Field: \x00")},
			{"no Host", asked()},
			{"two Hosts", asked(hostLine, "Host: c.test")},
			{"malformed Host", asked("Host: c.test@a.test")},
			{"version 3.0", simple("GET /x HTTP/3.0")},
			{"HTTP/0.9", "GET /prey\r\n"},
			{"garbage", "\x16\x03\x01garbage\r\n\r\n"},
			{"GET without a space", "GET/x HTTP/1.1\r\n\r\n"},
		} {
			want := refuse(400)
			if b.name == "version 3.0" {
				want = refuse(400, 505)
			}
			add(raw(g.name+", then "+b.name, g.data+b.data+tail, forward(g.f).then(want)))
		}
		add(
			raw(g.name+", then an unknown host", g.data+asked("Host: nobody.test"), forward(g.f).then(answered(421))),
			goods(g.name+", then requests for two other apps", g.data+tail+head("GET /api HTTP/1.1", "Host: "+hostTwo), g.f, next, forwarded{"alpha", "GET", "/api", hostTwo, ""}),
			raw(g.name+", then an ambiguous path", g.data+head("GET /api/../admin HTTP/1.1", "Host: "+hostTwo)+tail, forward(g.f).then(refuse(400)), forward(g.f).then(answered(400)).then(forward(next))),
			raw(g.name+" and close, then a request", strings.Replace(g.data, hostLine, hostLine+"\r\nConnection: close", 1)+tail, forward(g.f).closing()),
			raw(g.name+", then half a head", g.data+"GET /half/"+placeholder+" HTTP/1.1\r\nHost: c.te", forward(g.f).then(refuse(408)), forward(g.f).closing()),
			raw(g.name+", then a prefix that waits for the next request", g.data+"GET /prey HTTP/1.1\r\nHost: c.test\r\nX-Ignore: ", forward(g.f).then(refuse(408)), forward(g.f).closing()),
		)
		h := raw("HEAD, then "+g.name, request("HEAD", "/h/"+placeholder, nil, "")+g.data+tail, forward(toA("HEAD", "/h/"+placeholder, ""), g.f, next))
		h.head = true
		add(h)
	}

	// A body that is longer or shorter than it says.
	for _, d := range []int{1, 2, 5, 10} {
		add(
			raw(fmt.Sprintf("length %d too long", d), post(prey, length(len(prey)+d)), refuse(408), refuse(400), closed()).allowingPartial(),
			good(fmt.Sprintf("length %d too long, taken from the next request", d), post(prey, length(len(prey)+d))+strings.Repeat("z", d), posted(prey+strings.Repeat("z", d))),
		)
	}
	for _, d := range []int{1, 2, 3, 4} {
		// The rest of the body is read as the beginning of a request, by edge and app alike or
		// not at all.
		rest := prey[len(prey)-d:]
		c := raw(fmt.Sprintf("length %d too short", d), post(prey, length(len(prey)-d))+tail, forward(posted(prey[:len(prey)-d])).then(refuse(400)))
		if rest == "\r\n" || rest == "\r\n\r\n" {
			c.want = append(c.want, forward(posted(prey[:len(prey)-d]), next))
		}
		add(c)
	}
	add(
		goods("length ends before a smuggled request, which is one for its own host", post("hello"+tail, length(5)), posted("hello"), next),
		raw("length ends inside a smuggled request line", post("helloGET /prey HTTP/1.1\r\n\r\n", length(8)), forward(posted("helloGET")).then(refuse(400))),
		// Connection state: the first Host decides nothing for the second.
		raw("hosts a, b, two", get("/1")+asked("Host: b.test")+head("GET /admin HTTP/1.1", "Host: "+hostTwo), forward(toA("GET", "/1", ""), forHost("beta", hostB), forwarded{"beta", "GET", "/admin", hostTwo, ""})),
		raw("hosts two, a with the same path", head("GET /admin HTTP/1.1", "Host: "+hostTwo)+request("GET", "/admin", nil, ""), forward(forwarded{"beta", "GET", "/admin", hostTwo, ""}, toA("GET", "/admin", ""))),
	)

	// Half-closed after a whole request: the answer is still wanted.
	for _, g := range firsts[:3] {
		c := raw(g.name+", then FIN", g.data, forward(g.f).closing())
		c.halfClose = true
		add(c)
	}
	return t
}

// limits: CONTRACT §1 limits; RFC 9112 §3 (414), RFC 6585 §5 (431), RFC 9110 §15.5.9 (408), §15.5.14
// (413). Oversized heads have hidden lengths before (HAProxy CVE-2021-40346); whoever truncates
// instead of refusing cuts a request in two.
func limits() table {
	t := table{name: "limits"}
	add := func(cs ...testCase) { t.cases = append(t.cases, cs...) }
	for _, n := range []int{maxHeader, 2 * maxHeader, 100_000, 1_000_000} {
		add(
			raw(fmt.Sprintf("target of %d bytes", n), simple("GET /"+strings.Repeat("t", n)+" HTTP/1.1")+tail, refuse(400, 414, 431)),
			raw(fmt.Sprintf("query of %d bytes", n), simple("GET /?"+strings.Repeat("q", n)+" HTTP/1.1")+tail, refuse(400, 414, 431)),
			raw(fmt.Sprintf("value of %d bytes", n), get("/x", "X-Field: "+strings.Repeat("v", n))+tail, refuse(400, 431)),
			raw(fmt.Sprintf("name of %d bytes", n), get("/x", strings.Repeat("n", n)+": v")+tail, refuse(400, 431)),
			raw(fmt.Sprintf("fields of %d bytes together", n), get("/x", strings.Repeat("X-Field: value\r\n", n/16)+"X-Field: last")+tail, refuse(400, 431)),
			raw(fmt.Sprintf("%d bytes without a line end", n), strings.Repeat("x", n), refuse(400, 414, 431), refuse(408)),
			raw(fmt.Sprintf("field of %d bytes without an end", n), "GET /x HTTP/1.1\r\nX-Field: "+strings.Repeat("x", n), refuse(400, 431), refuse(408)),
			raw(fmt.Sprintf("length behind %d bytes of fields", n), post(prey, "X-Field: "+strings.Repeat("v", n), length(len(prey)))+tail, refuse(400, 431)),
			raw(fmt.Sprintf("Host behind %d bytes of fields", n), head("GET /x HTTP/1.1", "X-Field: "+strings.Repeat("v", n), hostLine)+tail, refuse(400, 431)),
			raw(fmt.Sprintf("blank value of %d bytes", n), get("/x", "X-Field:"+strings.Repeat(" ", n))+tail, refuse(400, 431)),
		)
	}
	for _, n := range []int{100, 1000, 8000, 12000} {
		s := strings.Repeat("t", n)
		add(
			raw(fmt.Sprintf("target of %d bytes is served", n), simple("GET /"+s+" HTTP/1.1"), forward(toA("GET", "/"+s, "")), refuse(414)),
			good(fmt.Sprintf("value of %d bytes is served", n), get("/x", "X-Field: "+s), toA("GET", "/x", "")).checking(with("X-Field", s)),
		)
	}
	// A head one byte around the limit, by whichever way of counting.
	for _, d := range []int{-200, -2, -1, 0, 1, 2, 200} {
		base := len(get("/x", "X-Field: "))
		c := raw(fmt.Sprintf("head of the limit %+d bytes", d), get("/x", "X-Field: "+strings.Repeat("v", maxHeader-base+d)),
			forward(toA("GET", "/x", "")), refuse(431))
		if d <= -200 {
			c.want = c.want[:1]
		} else if d >= 200 {
			c.want = c.want[1:]
		}
		add(c)
	}
	for _, n := range []int{50, 500, 1500} {
		add(raw(fmt.Sprintf("%d short fields", n), get("/x", strings.TrimSuffix(strings.Repeat("A: b\r\n", n), crlf)), forward(toA("GET", "/x", "")), refuse(400, 431)))
	}
	add(raw("5000 short fields", get("/x", strings.TrimSuffix(strings.Repeat("A: b\r\n", 5000), crlf))+tail, refuse(400, 431)))
	add(raw("10000 fields without a name", "GET /x HTTP/1.1\r\n"+hostLine+"\r\n"+strings.Repeat(":\r\n", 10000)+"\r\n"+tail, refuse(400, 431)))

	// Bodies.
	body := strings.Repeat("b", maxBody)
	add(
		good("body of the limit", post(body, length(maxBody)), posted(body)),
		raw("body of the limit and one", post(body+"b", length(maxBody+1))+tail, refuse(413), answered(413).then(forward(toB("GET", "/tail/"+placeholder, "")))),
		raw("length over the limit, no body", post("", length(maxBody+1)), refuse(413)),
		raw("length far over the limit", post("hello", length(1<<40)), refuse(413)),
		raw("length over the limit, request for a body", post(strings.Repeat(tail, 100), length(maxBody+1)), refuse(413)),
	)

	// Time.
	late := oneOf(refuse(408), closed())
	for _, c := range []struct{ name, data string }{
		{"silence after a request line", "GET /x HTTP/1.1\r\n"},
		{"silence inside a method", "GE"},
		{"silence inside a name", "GET /x HTTP/1.1\r\nHos"},
		{"silence inside a value", "GET /x HTTP/1.1\r\nHost: a.te"},
		{"silence before the empty line", "GET /x HTTP/1.1\r\nHost: a.test\r\n"},
		{"silence after CR of the empty line", "GET /x HTTP/1.1\r\nHost: a.test\r\n\r"},
		{"silence after a CRLF", "\r\n"},
		{"silence after a CR", "\r"},
	} {
		add(raw(c.name, c.data, late...))
		h := raw(c.name+", then FIN", c.data, closed(), refuse(400, 408))
		h.halfClose = true
		add(h)
	}
	nothing := raw("nothing at all", "", closed(), refuse(408))
	gone := raw("nothing but FIN", "", closed())
	gone.halfClose = true
	add(nothing, gone)
	var drip []write
	for _, b := range []byte(get("/slow", "X-Field: "+strings.Repeat("s", 40)))[:36] {
		drip = append(drip, write{after: 100 * time.Millisecond, data: string([]byte{b})})
	}
	add(testCase{name: "a head that drips", writes: drip, want: late})
	drip = []write{{data: post("", length(40))}}
	for range 39 {
		drip = append(drip, write{after: 100 * time.Millisecond, data: "d"})
	}
	add(testCase{name: "a body that drips and never ends", writes: drip, want: late, partial: true})
	return t
}
