package http1

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-edge/holdfast/edge/exchange"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo answers with method, target and body.
func echo(x *exchange.Exchange) {
	if x.Malformed != nil {
		x.Answer.CloseAfter()
		if x.Malformed.Status != 499 {
			plain(x, x.Malformed.Status, x.Malformed.Reason)
		}
		return
	}
	body, err := io.ReadAll(x.Body)
	if err != nil {
		x.Answer.CloseAfter()
		status := 400
		if errors.Is(err, os.ErrDeadlineExceeded) {
			status = 408
		}
		plain(x, status, err.Error())
		return
	}
	text := fmt.Sprintf("%s %s %s", x.Method, x.Target, body)
	for _, t := range x.Body.Trailers() {
		text += fmt.Sprintf(" %s=%s", t.Name, t.Value)
	}
	plain(x, 200, text)
}

func plain(x *exchange.Exchange, status int, text string) {
	h := exchange.AnswerHead{Status: status, Length: int64(len(text)), NoBody: string(x.Method) == "HEAD"}
	_ = x.Answer.Begin(&h)
	_, _ = x.Answer.Write([]byte(text))
	_ = x.Answer.End(nil)
}

var testLimits = Limits{HeaderTimeout: 300 * time.Millisecond, BodyTimeout: 300 * time.Millisecond,
	IdleTimeout: 2 * time.Second, MaxHeader: 4096}

// serve runs a server on a loopback port and returns its address.
func serve(t *testing.T, handler func(*exchange.Exchange)) (*Server, string) {
	t.Helper()
	s := &Server{Limits: func() Limits { return testLimits }, Handler: handler,
		Panicked: func(v any) { t.Logf("panic: %v", v) }, parkAfter: 30 * time.Millisecond}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			s.Start(nc, 0)
		}
	}()
	t.Cleanup(func() {
		_ = ln.Close()
		<-done
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return s, ln.Addr().String()
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	return c
}

// answers reads n answers; method is that of the requests.
func answers(t *testing.T, r *bufio.Reader, n int, method string) []string {
	t.Helper()
	var out []string
	for range n {
		resp, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			t.Fatalf("after %d answers: %v", len(out), err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%d %s", resp.StatusCode, body))
	}
	return out
}

func TestServerConversations(t *testing.T) {
	_, addr := serve(t, echo)
	big := strings.Repeat("x", 200<<10)
	tests := []struct {
		name   string
		send   []string // with a pause between
		want   []string
		closed bool // by the server, after the answers
	}{
		{"one", []string{"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"}, []string{"200 GET /a "}, false},
		{"pipelined", []string{"GET /a HTTP/1.1\r\nHost: h\r\n\r\nPOST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhiGET /c HTTP/1.1\r\nHost: h\r\n\r\n"},
			[]string{"200 GET /a ", "200 POST /b hi", "200 GET /c "}, false},
		{"in pieces", []string{"GET /a HT", "TP/1.1\r\nHo", "st: h\r\n\r", "\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n"}, []string{"200 GET /a ", "200 GET /b "}, false},
		{"chunked and the next", []string{"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX: y\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n"},
			[]string{"200 POST /a hi X=y", "200 GET /b "}, false},
		{"large body and the next", []string{"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 204800\r\n\r\n" + big + "GET /b HTTP/1.1\r\nHost: h\r\n\r\n"},
			[]string{"200 POST /a " + big, "200 GET /b "}, false},
		{"close", []string{"GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n"}, []string{"200 GET /a "}, true},
		{"1.0", []string{"GET /a HTTP/1.0\r\nHost: h\r\n\r\n"}, []string{"200 GET /a "}, true},
		{"1.0 kept alive", []string{"GET /a HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n", "GET /b HTTP/1.0\r\nHost: h\r\n\r\n"},
			[]string{"200 GET /a ", "200 GET /b "}, true},
		{"malformed closes", []string{"GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET  /b HTTP/1.1\r\nHost: h\r\n\r\nGET /c HTTP/1.1\r\nHost: h\r\n\r\n"},
			[]string{"200 GET /a ", "400 " + errRequestLine.Reason}, true},
		{"malformed chunk closes", []string{"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}, []string{"400 " + errChunkSize.Reason}, true},
		{"slow head", []string{"GET /a HTTP/1.1\r\nHos"}, []string{"408 " + errSlowHead.Reason}, true},
		{"long head", []string{"GET /a HTTP/1.1\r\nHost: h\r\nX: " + strings.Repeat("y", 5000)}, []string{"431 " + errHeadTooLarge.Reason}, true},
		{"long target", []string{"GET /" + strings.Repeat("y", 5000)}, []string{"414 " + errLongTarget.Reason}, true},
		{"head that needs a larger buffer is over the limit", []string{"GET /a HTTP/1.1\r\nHost: h\r\nX: " + strings.Repeat("y", 9000) + "\r\n\r\n"},
			[]string{"431 " + errHeadTooLarge.Reason}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := dial(t, addr)
			for i, s := range tt.send {
				if i > 0 {
					time.Sleep(30 * time.Millisecond)
				}
				if _, err := io.WriteString(c, s); err != nil {
					t.Fatal(err)
				}
			}
			r := bufio.NewReader(c)
			got := answers(t, r, len(tt.want), "GET")
			for i := range got {
				if got[i] != tt.want[i] {
					t.Errorf("answer %d is %.80q, want %.80q", i, got[i], tt.want[i])
				}
			}
			_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
			if tt.closed {
				_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
			}
			if n, err := r.ReadByte(); err == nil {
				t.Errorf("one byte too many: %q", n)
			} else if tt.closed != (err == io.EOF) {
				t.Errorf("closed: %v", err)
			}
		})
	}
}

func TestServerSlowBody(t *testing.T) {
	_, addr := serve(t, echo)
	c := dial(t, addr)
	_, _ = io.WriteString(c, "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhi")
	if got := answers(t, bufio.NewReader(c), 1, "POST"); !strings.HasPrefix(got[0], "408") {
		t.Errorf("got %q", got)
	}
}

func TestServerContinue(t *testing.T) {
	_, addr := serve(t, echo)
	c := dial(t, addr)
	r := bufio.NewReader(c)
	_, _ = io.WriteString(c, "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
	line, _ := r.ReadString('\n')
	empty, _ := r.ReadString('\n')
	if line != "HTTP/1.1 100 Continue\r\n" || empty != "\r\n" {
		t.Fatalf("%q %q", line, empty)
	}
	_, _ = io.WriteString(c, "hi")
	if got := answers(t, r, 1, "POST"); got[0] != "200 POST /a hi" {
		t.Errorf("got %q", got)
	}
}

// A handler that does not read the body: the answer arrives, the connection ends,
// and no 100 is sent.
func TestServerUnreadBody(t *testing.T) {
	_, addr := serve(t, func(x *exchange.Exchange) { plain(x, 403, "no") })
	for _, expect := range []string{"", "Expect: 100-continue\r\n"} {
		c := dial(t, addr)
		_, _ = io.WriteString(c, "POST /a HTTP/1.1\r\nHost: h\r\n"+expect+"Content-Length: 100000\r\n\r\n"+strings.Repeat("x", 50000))
		r := bufio.NewReader(c)
		if got := answers(t, r, 1, "POST"); got[0] != "403 no" {
			t.Errorf("got %q", got)
		}
		if _, err := r.ReadByte(); err != io.EOF {
			t.Errorf("not closed: %v", err)
		}
	}
}

func TestAnswers(t *testing.T) {
	stream := func(x *exchange.Exchange) {
		_, _ = io.Copy(io.Discard, x.Body)
		_ = x.Answer.Interim(103, []exchange.Field{{Name: []byte("Link"), Value: []byte("</a>")}})
		h := exchange.AnswerHead{Status: 200, Length: -1, NoBody: string(x.Method) == "HEAD", RequestID: "id1",
			Fields: []exchange.Field{{Name: []byte("Connection"), Value: []byte("x-hop"), ID: exchange.Connection},
				{Name: []byte("X-Hop"), Value: []byte("1"), ID: exchange.Nominated}, {Name: []byte("Keep-Alive"), Value: []byte("1"), ID: exchange.KeepAlive},
				{Name: []byte("X-Request-Id"), Value: []byte("other"), ID: exchange.XRequestID}}}
		_ = x.Answer.Begin(&h)
		for _, s := range []string{"a", strings.Repeat("b", 20000), "c"} {
			_, _ = x.Answer.Write([]byte(s))
			_ = x.Answer.Flush()
		}
		_ = x.Answer.End([]exchange.Field{{Name: []byte("X-Sum"), Value: []byte("1")}})
	}
	_, addr := serve(t, stream)
	for _, tt := range []struct {
		method, version string
		size            int
		closed          bool
	}{{"GET", "1.1", 20002, false}, {"HEAD", "1.1", 0, false}, {"GET", "1.0", 20002, true}} {
		c := dial(t, addr)
		_, _ = fmt.Fprintf(c, "%s / HTTP/%s\r\nHost: h\r\n\r\n", tt.method, tt.version)
		r := bufio.NewReader(c)
		resp, err := http.ReadResponse(r, &http.Request{Method: tt.method})
		if err == nil && resp.StatusCode == 103 {
			if tt.version == "1.0" {
				t.Error("HTTP/1.0 got an interim answer")
			}
			resp, err = http.ReadResponse(r, &http.Request{Method: tt.method})
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || len(body) != tt.size {
			t.Errorf("%s %s: %d bytes, %v", tt.method, tt.version, len(body), err)
		}
		if resp.Header.Get("X-Hop")+resp.Header.Get("Keep-Alive") != "" || resp.Header.Get("X-Request-Id") != "id1" || resp.Header.Get("Date") == "" {
			t.Errorf("%s %s: header %v", tt.method, tt.version, resp.Header)
		}
		if tt.size > 0 && !tt.closed && resp.Trailer.Get("X-Sum") != "1" {
			t.Errorf("trailers %v", resp.Trailer)
		}
	}
}

// What a handler writes beyond its announced length never becomes the next answer,
// and an answer that is too short is visibly cut.
func TestAnswerLength(t *testing.T) {
	_, addr := serve(t, func(x *exchange.Exchange) {
		h := exchange.AnswerHead{Status: 200, Length: 5}
		_ = x.Answer.Begin(&h)
		if string(x.Target) == "/long" {
			if _, err := x.Answer.Write([]byte("hello!")); err == nil {
				t.Error("too much was taken")
			}
		} else {
			_, _ = x.Answer.Write([]byte("hell"))
		}
		if err := x.Answer.End(nil); err == nil {
			t.Error("a short answer was ended")
		}
	})
	for _, target := range []string{"/long", "/short"} {
		c := dial(t, addr)
		_, _ = io.WriteString(c, "GET "+target+" HTTP/1.1\r\nHost: h\r\n\r\n")
		all, _ := io.ReadAll(c)
		if strings.HasSuffix(string(all), "hello") {
			t.Errorf("%s: %q", target, all)
		}
	}
}

func TestShutdown(t *testing.T) {
	release := make(chan struct{})
	var begun atomic.Int32
	s, addr := serve(t, func(x *exchange.Exchange) {
		begun.Add(1)
		if string(x.Target) == "/slow" {
			<-release
		}
		plain(x, 200, "ok")
	})
	idle, slow := dial(t, addr), dial(t, addr)
	ri, rs := bufio.NewReader(idle), bufio.NewReader(slow)
	_, _ = io.WriteString(idle, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	answers(t, ri, 1, "GET")
	_, _ = io.WriteString(slow, "GET /slow HTTP/1.1\r\nHost: h\r\n\r\n")
	for begun.Load() < 2 {
		time.Sleep(time.Millisecond)
	}
	done := make(chan error)
	go func() { done <- s.Shutdown(context.Background()) }()
	if _, err := ri.ReadByte(); err != io.EOF {
		t.Errorf("the idle connection was not closed: %v", err)
	}
	select {
	case <-done:
		t.Fatal("did not wait for the request under way")
	case <-time.After(50 * time.Millisecond):
	}
	close(release)
	resp, err := http.ReadResponse(rs, nil)
	if err != nil || resp.StatusCode != 200 || !resp.Close {
		t.Fatalf("the request under way: %v %v", resp, err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestPanicEndsOneConnection(t *testing.T) {
	_, addr := serve(t, func(x *exchange.Exchange) {
		if string(x.Target) == "/panic" {
			panic("on purpose")
		}
		plain(x, 200, "ok")
	})
	c := dial(t, addr)
	_, _ = io.WriteString(c, "GET /panic HTTP/1.1\r\nHost: h\r\n\r\n")
	if all, _ := io.ReadAll(c); len(all) > 0 {
		t.Errorf("%q", all)
	}
	c = dial(t, addr)
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	answers(t, bufio.NewReader(c), 1, "GET")
}

// Gone tells a client that left from one that is silent or has sent more.
func TestGone(t *testing.T) {
	chans := map[string]chan bool{"/1": make(chan bool), "/2": make(chan bool)}
	_, addr := serve(t, func(x *exchange.Exchange) {
		asked := chans[string(x.Target)]
		for range asked {
			asked <- x.Answer.Gone()
		}
		x.Answer.Close()
	})
	ask := func(ch chan bool) bool { ch <- true; return <-ch }
	first, second := chans["/1"], chans["/2"]
	c := dial(t, addr)
	_, _ = io.WriteString(c, "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n")
	if ask(first) {
		t.Error("a silent client is gone")
	}
	_, _ = io.WriteString(c, "GET / HT")
	if ask(first) {
		t.Error("a client that pipelines is gone")
	}
	close(first)
	_, _ = io.Copy(io.Discard, c)

	c = dial(t, addr)
	_, _ = io.WriteString(c, "GET /2 HTTP/1.1\r\nHost: h\r\n\r\n")
	ask(second)
	_ = c.Close()
	for i := 0; !ask(second); i++ {
		if i > 1000 {
			t.Fatal("a client that left is not gone")
		}
		time.Sleep(time.Millisecond)
	}
	close(second)
}

// A tunnel whose app does not end with its client is closed by force in the end.
func TestShutdownClosesTunnels(t *testing.T) {
	app, far := net.Pipe()
	defer far.Close()
	s, addr := serve(t, func(x *exchange.Exchange) {
		_ = x.Answer.Begin(&exchange.AnswerHead{Status: 101, NoBody: true})
		client, err := x.Answer.Tunnel(app)
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = app.Read(make([]byte, 1)) // it never says anything
		_ = client.Close()
	})
	c := dial(t, addr)
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
	if line, _ := bufio.NewReader(c).ReadString('\n'); !strings.HasPrefix(line, "HTTP/1.1 101") {
		t.Fatalf("%q", line)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	if err := s.Shutdown(ctx); !errors.Is(err, ErrCut) || time.Since(start) > 3*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}

// A connection that is parked goes on where it was: with data, at its end, at its
// time, and when the server stops.
func TestParked(t *testing.T) {
	s, addr := serve(t, echo)
	lot := func(n int) {
		t.Helper()
		for end := time.Now().Add(5 * time.Second); s.lot.Len() != n; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%d parked, want %d", s.lot.Len(), n)
			}
		}
	}
	dial := func() (net.Conn, *bufio.Reader) {
		t.Helper()
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = nc.Close() })
		return nc, bufio.NewReader(nc)
	}
	visit := func(nc net.Conn, r *bufio.Reader) {
		t.Helper()
		if _, err := io.WriteString(nc, "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(res.Body); err != nil || string(b) != "POST /x hello" {
			t.Fatalf("%q, %v", b, err)
		}
	}
	if runtime.GOOS != "linux" {
		t.Skip("connections are parked on Linux only")
	}
	nc, r := dial()
	visit(nc, r)
	if s.Connections() != 1 || s.lot == nil {
		t.Skip("not with this build tag")
	}
	for range 3 {
		lot(1)
		visit(nc, r)
	}
	silent, _ := dial() // never says anything
	lot(2)
	if n := s.Connections(); n != 2 {
		t.Errorf("%d connections", n)
	}
	began := time.Now()
	if _, err := silent.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the silent one ended with %v", err)
	}
	if took := time.Since(began); took < testLimits.IdleTimeout/2 || took > 2*testLimits.IdleTimeout {
		t.Errorf("the silent one was closed after %v", took)
	}
	gone, _ := dial()
	lot(1)
	_ = gone.Close()
	lot(0)
	visit(dial())
	nc, r = dial()
	visit(nc, r)
	lot(2)
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := r.ReadByte(); err != io.EOF {
		t.Errorf("a parked one ended with %v", err)
	}
}
