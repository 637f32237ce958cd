package desync

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// A harness that finds nothing proves nothing. TestHarnessSeesDesync attacks an edge that
// passes every byte on to alpha, unread: whatever must be refused has to show up as a fault.
func TestHarnessSeesDesync(t *testing.T) {
	l := newLedger()
	alpha := startApp(t, "alpha", l)
	naive := startSplice(t, alpha.addr())
	var vs []*verdict
	for _, tb := range tables() {
		switch tb.name {
		case "content-length", "transfer-encoding", "host":
		default:
			continue
		}
		for _, c := range tb.cases {
			if refusals(c) {
				tok := token(len(vs))
				vs = append(vs, &verdict{c: c.instantiate(tok), table: tb.name, token: tok})
			}
		}
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, parallel)
	for _, v := range vs {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			v.talk = converse(naive, v.c, 300*time.Millisecond)
			v.judge(l)
		})
	}
	wg.Wait()
	loose := reconcile(vs, l)
	unseen := 0
	for _, v := range vs {
		if len(v.faults) == 0 {
			unseen++
			t.Errorf("%s/%s: no fault: %s", v.table, v.c.name, v.happened(l))
		}
	}
	t.Logf("%d cases, %d not noticed, %d faults beside them", len(vs), unseen, len(loose))
	if len(l.faults) == 0 {
		t.Error("the app's reader had no objections")
	}
}

// refusals says whether no outcome of c forwards anything.
func refusals(c testCase) bool {
	for _, o := range c.want {
		for _, s := range o.steps {
			if s.fwd != nil {
				return false
			}
		}
	}
	return true
}

// startSplice listens on a free port and copies bytes between its clients and target.
func startSplice(t *testing.T, target string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				u, err := net.Dial("tcp", target)
				if err != nil {
					return
				}
				defer u.Close()
				wg.Go(func() { io.Copy(u, c); u.Close(); c.Close() })
				io.Copy(c, u)
			})
		}
	})
	return ln.Addr().String()
}
