package misbehaviour

import (
	"io"
	"strings"
	"testing"
	"time"
)

// declaredCost is what a client may cost the edge that has announced a body and sent next
// to nothing of it, in bytes: its head, a small buffer to read into, and one for the
// body's beginning. Not a large one: announcing costs the client nothing.
const declaredCost = 48 << 10

// TestDeclaredBodies: a length that is announced takes no memory before its bytes come.
func TestDeclaredBodies(t *testing.T) {
	t.Parallel()
	const clients = 1000
	needFiles(t, 5*clients+500)
	for name, message := range map[string]string{
		"small nothing":  request("POST", "/declared", "far.test", "Content-Length: 9000"),
		"small a byte":   request("POST", "/declared", "far.test", "Content-Length: 9000") + "x",
		"middle":         request("POST", "/declared", "far.test", "Content-Length: 60000") + "x",
		"large nothing":  request("POST", "/declared", "far.test", "Content-Length: 1000000"),
		"large a byte":   request("POST", "/declared", "far.test", "Content-Length: 1000000") + "x",
		"chunked a byte": request("POST", "/declared", "far.test", "Transfer-Encoding: chunked") + "fff\r\nx",
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			s := prepareStage(t, patience)
			s.start()
			before := s.vitals()
			conns := make([]*client, clients)
			defer func() {
				for _, c := range conns {
					if c != nil {
						_ = c.Close()
					}
				}
			}()
			for i := range conns {
				c, err := connectTo(s.edge.Addr, i, 0)
				if err != nil {
					t.Fatal(err)
				}
				conns[i] = c
				if _, err := io.WriteString(c, message); err != nil {
					t.Fatal(err)
				}
			}
			for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
				if v := s.vitals(); v.Connections >= clients {
					break
				} else if time.Now().After(end) {
					t.Fatalf("%d connections", v.Connections)
				}
			}
			time.Sleep(300 * time.Millisecond)
			v := s.vitals()
			heap, resident := (v.Heap-before.Heap)/clients, (v.Resident-before.Resident)/clients
			t.Logf("%s: %.1f KiB of heap each, %.1f KiB resident", name, float64(heap)/1024, float64(resident)/1024)
			// The collector has seen at least half of the heap there is.
			if heap > declaredCost || resident > raced*collector*declaredCost {
				t.Errorf("each of %d clients costs %.1f KiB of heap, %.1f KiB resident; %d KiB are plenty",
					clients, float64(heap)/1024, float64(resident)/1024, declaredCost>>10)
			}
			for _, c := range conns {
				_ = c.Close()
			}
			s.settle(t, before, visitorConns, patience)
			if n := len(s.edge.Records("--path", "/declared", "--outcome", "client_abort")); n != clients {
				t.Errorf("%d of %d are recorded to have left", n, clients)
			}
		})
	}
}
