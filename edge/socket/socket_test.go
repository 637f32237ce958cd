package socket

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pair is a connection as the edge has it, and its peer.
func pair(t *testing.T) (*Conn, *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	peer, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	nc, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := New(nc)
	t.Cleanup(func() { _ = c.Close(); _ = peer.Close() })
	return c, peer.(*net.TCPConn)
}

// reads drives c with a step that reads until the stream ends, as a server does: it
// waits without another try after a short read. It returns what came and why it ended.
func reads(c *Conn) (all []byte, err error) {
	buf := make([]byte, 64)
	step := func() bool {
		for {
			n, again, readErr := c.TryRead(buf)
			all = append(all, buf[:n]...)
			switch {
			case readErr != nil:
				err = readErr
				return true
			case again:
				return false
			case n < len(buf) && c.Direct():
				return false
			}
		}
	}
	if driveErr := c.Drive(step); driveErr != nil {
		return all, driveErr
	}
	return all, err
}

func TestDrive(t *testing.T) {
	long := bytes.Repeat([]byte("0123456789abcdef"), 4096)
	tests := []struct {
		name     string
		peer     func(*net.TCPConn)
		want     string
		wantErr  error // nil: any
		deadline bool  // the end may be seen at the deadline only
	}{
		{"data, then FIN later", func(p *net.TCPConn) {
			_, _ = p.Write([]byte("hello"))
			time.Sleep(50 * time.Millisecond)
			_ = p.CloseWrite()
		}, "hello", io.EOF, false},
		{"data and FIN in one segment", func(p *net.TCPConn) {
			_, _ = p.Write([]byte("hello"))
			_ = p.CloseWrite()
		}, "hello", io.EOF, true},
		{"FIN while idle", func(p *net.TCPConn) { _ = p.CloseWrite() }, "", io.EOF, false},
		{"RST while idle", func(p *net.TCPConn) { _ = p.SetLinger(0); _ = p.Close() }, "", nil, false},
		{"RST after data", func(p *net.TCPConn) {
			_, _ = p.Write([]byte("x"))
			time.Sleep(50 * time.Millisecond)
			_ = p.SetLinger(0)
			_ = p.Close()
		}, "x", nil, false},
		{"more than the buffer at once", func(p *net.TCPConn) {
			_, _ = p.Write(long)
			time.Sleep(50 * time.Millisecond)
			_ = p.CloseWrite()
		}, string(long), io.EOF, true},
		{"a whole buffer, then silence, then more", func(p *net.TCPConn) {
			_, _ = p.Write(long[:64])
			time.Sleep(50 * time.Millisecond)
			_, _ = p.Write(long[64:65])
			time.Sleep(50 * time.Millisecond)
			_ = p.CloseWrite()
		}, string(long[:65]), io.EOF, false},
		{"byte by byte", func(p *net.TCPConn) {
			for _, b := range long[:200] {
				_, _ = p.Write([]byte{b})
			}
			time.Sleep(50 * time.Millisecond)
			_ = p.CloseWrite()
		}, string(long[:200]), io.EOF, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, peer := pair(t)
			_ = c.SetReadDeadline(time.Now().Add(time.Second))
			go tt.peer(peer)
			began := time.Now()
			got, err := reads(c)
			if string(got) != tt.want {
				t.Errorf("read %d bytes, want %d", len(got), len(tt.want))
			}
			timedOut := errors.Is(err, os.ErrDeadlineExceeded)
			switch {
			case err == nil:
				t.Error("the end was not seen")
			case timedOut && !tt.deadline:
				t.Errorf("the end was only seen at the deadline, after %v", time.Since(began))
			case !timedOut && tt.wantErr != nil && !errors.Is(err, tt.wantErr):
				t.Errorf("ended with %v, want %v", err, tt.wantErr)
			}
		})
	}
}

// The request leaves inside Drive, after readiness was reset, so that an answer
// that is there at once is never missed.
func TestAnswersAreNotMissed(t *testing.T) {
	c, peer := pair(t)
	go func() {
		buf := make([]byte, 16)
		for {
			n, err := peer.Read(buf)
			if err != nil {
				return
			}
			if _, err := peer.Write(buf[:n]); err != nil {
				return
			}
		}
	}()
	buf := make([]byte, 16)
	for i := range 5000 {
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		asked := false
		err := c.Drive(func() bool {
			if !asked {
				asked = true
				if !c.QuietNow() {
					t.Error("not quiet before the question")
				}
				if _, err := c.WriteNow([]byte("ping")); err != nil {
					t.Error(err)
				}
				return false
			}
			n, again, err := c.TryRead(buf)
			if again {
				return false
			}
			if err != nil || string(buf[:n]) != "ping" {
				t.Errorf("read %q, %v", buf[:n], err)
			}
			return true
		})
		if err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
	}
}

func TestWaitEnds(t *testing.T) {
	tests := []struct {
		name string
		end  func(c *Conn)
		want error
	}{
		{"deadline in the past", func(c *Conn) { _ = c.SetReadDeadline(time.Unix(1, 0)) }, os.ErrDeadlineExceeded},
		{"Close from outside", func(c *Conn) { _ = c.Close() }, net.ErrClosed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := pair(t)
			go func() {
				time.Sleep(50 * time.Millisecond)
				tt.end(c)
			}()
			if _, err := reads(c); !errors.Is(err, tt.want) {
				t.Errorf("ended with %v, want %v", err, tt.want)
			}
		})
	}
}

// Close by another goroutine waits until the step has returned; what the step then
// asks is answered as for a closed connection.
func TestCloseDuringStep(t *testing.T) {
	c, peer := pair(t)
	if !c.Direct() {
		t.Skip("only where steps run inside a read")
	}
	_, _ = peer.Write([]byte("x"))
	entered, closed := make(chan struct{}), make(chan struct{})
	go func() {
		<-entered
		_ = c.Close()
		close(closed)
	}()
	err := c.Drive(func() bool {
		close(entered)
		for !c.Gone() { // Close has begun
			time.Sleep(time.Millisecond)
		}
		select {
		case <-closed:
			t.Error("closed under the step")
		case <-time.After(20 * time.Millisecond):
		}
		return true
	})
	if err != nil {
		t.Error(err)
	}
	select {
	case <-closed:
	case <-time.After(5 * time.Second):
		t.Error("Close did not return")
	}
}

func TestLooks(t *testing.T) {
	tests := []struct {
		name        string
		peer        func(*net.TCPConn)
		quiet, gone bool
	}{
		{"idle", func(*net.TCPConn) {}, true, false},
		{"bytes", func(p *net.TCPConn) { _, _ = p.Write([]byte("x")) }, false, false},
		{"FIN", func(p *net.TCPConn) { _ = p.CloseWrite() }, false, true},
		{"RST", func(p *net.TCPConn) { _ = p.SetLinger(0); _ = p.Close() }, false, true},
		{"bytes and FIN", func(p *net.TCPConn) { _, _ = p.Write([]byte("x")); _ = p.Close() }, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, peer := pair(t)
			tt.peer(peer)
			time.Sleep(50 * time.Millisecond)
			if c.Quiet() != tt.quiet || c.Gone() != tt.gone {
				t.Errorf("quiet %v, gone %v", c.Quiet(), c.Gone())
			}
		})
	}
}

// A peer that takes a little now and then is never cut; one that takes nothing is, in
// time.
func TestStall(t *testing.T) {
	const stall = 400 * time.Millisecond
	payload := make([]byte, 8<<20)
	_, _ = rand.Read(payload)
	t.Run("slow but steady", func(t *testing.T) {
		c, peer := pair(t)
		_ = peer.SetReadBuffer(32 << 10)
		c.SetStall(stall)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		go func() {
			buf := make([]byte, 16<<10)
			for ctx.Err() == nil {
				if _, err := io.ReadFull(peer, buf); err != nil {
					return
				}
				time.Sleep(100 * time.Millisecond)
			}
			_, _ = io.Copy(io.Discard, peer)
		}()
		began := time.Now()
		if n, err := c.Write(payload); err != nil || n != len(payload) {
			t.Errorf("after %v: wrote %d, %v", time.Since(began), n, err)
		}
		if time.Since(began) < time.Second {
			t.Error("the peer was not slow")
		}
	})
	for _, parts := range []bool{false, true} {
		t.Run("dead", func(t *testing.T) {
			c, _ := pair(t)
			c.SetStall(stall)
			began := time.Now()
			var err error
			if parts {
				err = c.WriteParts(&net.Buffers{payload[:100], payload})
			} else {
				_, err = c.Write(payload)
			}
			if took := time.Since(began); !errors.Is(err, os.ErrDeadlineExceeded) || took < stall || took > 5*stall {
				t.Errorf("after %v: %v", took, err)
			}
		})
	}
	t.Run("cut", func(t *testing.T) {
		c, _ := pair(t)
		c.SetStall(time.Minute)
		go func() {
			time.Sleep(100 * time.Millisecond)
			c.CutWrites()
		}()
		if _, err := c.Write(payload); err == nil || !c.WasCut() {
			t.Error("a write went on after CutWrites")
		}
		if _, err := c.Write([]byte("x")); err == nil {
			t.Error("a write began after CutWrites")
		}
	})
}

// WriteNow sends what does not fit the socket's buffer as well.
func TestWriteNowLarge(t *testing.T) {
	c, peer := pair(t)
	payload := make([]byte, 16<<20)
	_, _ = rand.Read(payload)
	got := make(chan []byte)
	go func() {
		all, _ := io.ReadAll(peer)
		got <- all
	}()
	err := c.Drive(func() bool {
		if n, err := c.WriteNow(payload); n != len(payload) || err != nil {
			t.Errorf("wrote %d, %v", n, err)
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	_ = c.CloseWrite()
	if !bytes.Equal(<-got, payload) {
		t.Error("other bytes arrived")
	}
}
