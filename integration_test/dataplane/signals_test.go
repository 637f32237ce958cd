package dataplane

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-edge/holdfast/integration_test/edgetest"
)

// A SIGHUP while the edge drains cuts nothing, and no number of them keeps a SIGTERM
// from being heard.
func TestSignalsWhileStopping(t *testing.T) {
	app := edgetest.NewApp(t)
	app.Answer(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(time.Second)
		_, _ = io.WriteString(w, "late")
	})
	e := edgetest.Start(t, fmt.Sprintf("listen: {http: ADDR}\napps: {a: %q}\nsites: [{hosts: [a.test], app: a}]\n", app.URL))
	c, err := net.Dial("tcp", e.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nhi")
	time.Sleep(200 * time.Millisecond)
	for range 50 {
		e.Signal(syscall.SIGHUP)
	}
	e.Signal(syscall.SIGTERM)
	for range 20 {
		e.Signal(syscall.SIGHUP)
	}
	all, _ := io.ReadAll(bufio.NewReader(c))
	if !strings.HasPrefix(string(all), "HTTP/1.1 200") || !strings.HasSuffix(string(all), "late") {
		t.Errorf("the request under way got %q", all)
	}
	if code := e.Wait(15 * time.Second); code != 0 {
		t.Errorf("exit %d", code)
	}
}
