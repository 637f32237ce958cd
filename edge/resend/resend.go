// Package resend sends recorded requests to apps. It uses the parser and the
// connections of the data plane, so that a replayed request leaves the way the live
// one did: same method, target, fields in order and bytes.
package resend

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/holdfast-edge/holdfast/configs"
	"github.com/holdfast-edge/holdfast/edge/exchange"
	"github.com/holdfast-edge/holdfast/edge/http1"
	"github.com/holdfast-edge/holdfast/edge/upstream"
	"github.com/holdfast-edge/holdfast/replay"
)

const (
	// inOneWrite is how large a body may be, in bytes, to be read and checked
	// before a connection is made.
	inOneWrite = 64 << 10
	// drainAnswer is how much of an answer's body is read so that the connection
	// can be used again, in bytes.
	drainAnswer = 256 << 10
	// A target that the configuration does not describe has the default times.
	targetConnect  = 2 * time.Second
	targetResponse = 30 * time.Second
)

// Sender implements replay.Sender. Safe for concurrent use.
type Sender struct {
	apps map[string]*upstream.App
	tls  map[string]configs.AppTLS // of the https upstreams of the configuration, by URL

	mu      sync.Mutex
	targets map[string]*upstream.App
}

// New makes a sender for the apps of a configuration.
func New(cfg *configs.Config) *Sender {
	s := &Sender{apps: make(map[string]*upstream.App, len(cfg.Apps)), targets: make(map[string]*upstream.App),
		tls: make(map[string]configs.AppTLS)}
	for i := range cfg.Apps {
		a := &cfg.Apps[i]
		s.apps[a.Name] = upstream.FromConfig(a)
		for _, u := range a.Upstreams {
			if _, twice := s.tls[u.URL]; u.Scheme == "https" && !twice {
				s.tls[u.URL] = a.TLS
			}
		}
	}
	return s
}

// Close closes idle connections.
func (s *Sender) Close() {
	for _, a := range s.apps {
		a.Close()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.targets {
		a.Close()
	}
}

// Send implements replay.Sender.
func (s *Sender) Send(ctx context.Context, dest replay.Destination, r *replay.Request, committed func() error) (replay.Answer, error) {
	began := time.Now()
	app, err := s.app(dest)
	if err != nil {
		return replay.Answer{}, fmt.Errorf("%w: %w", replay.ErrNotSent, err)
	}
	m, err := read(r)
	if err != nil {
		return replay.Answer{}, fmt.Errorf("%w: %w", replay.ErrUnsendable, err)
	}
	var tried upstream.Tried
	// A fresh connection: one that was idle may be closed by the app at the very
	// moment it is used, and then nobody knows whether the request arrived.
	conn, err := app.Acquire(ctx, nil, time.Now(), &tried, !upstream.IdempotentMethod(m.x.Method))
	if err != nil {
		return replay.Answer{}, fmt.Errorf("%w: %w", replay.ErrNotSent, err)
	}
	if err := committed(); err != nil {
		conn.Discard(false)
		return replay.Answer{}, err
	}
	stop := context.AfterFunc(ctx, conn.Interrupt)
	answer := replay.Answer{Upstream: conn.Upstream()}
	m.origin.Host = conn.Host()
	head, err := m.exchange(conn)
	answer.Duration = time.Since(began)
	if err != nil {
		stop()
		conn.Discard(!errors.Is(err, upstream.ErrInterrupted))
		return answer, fmt.Errorf("%w: %w", replay.ErrUnknown, err)
	}
	answer.Status = head.Status
	whole := m.written && drain(conn)
	conn.Release(stop() && whole) // not one that is being interrupted
	return answer, nil
}

// app finds where a destination leads.
func (s *Sender) app(dest replay.Destination) (*upstream.App, error) {
	if dest.URL == "" {
		if a := s.apps[dest.App]; a != nil {
			return a, nil
		}
		return nil, fmt.Errorf("no app %q in the configuration", dest.App)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.targets[dest.URL]; a != nil {
		return a, nil
	}
	u, err := configs.ParseUpstream(dest.URL)
	if err != nil {
		return nil, fmt.Errorf("target %q %w", dest.URL, err)
	}
	// An upstream of the configuration proves who it is as it does there.
	a := upstream.FromConfig(&configs.App{Name: dest.URL, Upstreams: []configs.Upstream{u}, TLS: s.tls[u.URL],
		Connect: targetConnect, Response: targetResponse})
	s.targets[dest.URL] = a
	return a, nil
}

// message is one recorded request, ready to leave.
type message struct {
	head     http1.Request
	x        exchange.Exchange
	origin   upstream.Origin
	small    []byte    // the body, or
	large    io.Reader // a longer one, with
	length   int64     // its size in bytes; -1: chunked, because trailers follow
	trailers []exchange.Field
	written  bool // all of it was written
}

// read parses the recorded head, with the parser that accepted it when it was live.
func read(r *replay.Request) (*message, error) {
	p := r.Payload
	m := &message{length: p.Bytes}
	if err := m.head.ParseRecorded(p.Head); err != nil {
		return nil, err
	}
	h := &m.head
	m.x = exchange.Exchange{Method: h.Method, Target: h.Target, Host: h.Host, Fields: h.Fields, Length: p.Bytes}
	id := r.ID.String()
	peer := p.Peer
	if !peer.IsValid() {
		peer = p.Client.Addr()
	}
	m.origin = upstream.Origin{ID: id, Peer: peer, Trusted: p.Peer.IsValid(), Scheme: p.Scheme, Key: true,
		Replay: fmt.Sprintf("id=%s; recorded-at=%s; attempt=%d", id, r.RecordedAt.UTC().Format(time.RFC3339Nano), r.Attempt)}
	var err error
	if m.trailers, err = http1.ParseTrailers(p.Trailer); err != nil {
		return nil, err
	}
	if len(m.trailers) > 0 {
		m.length = -1
	}
	if p.Bytes > inOneWrite {
		m.large = p.Body
		return m, nil
	}
	if m.small, err = io.ReadAll(p.Body); err != nil {
		return nil, err
	}
	if int64(len(m.small)) != p.Bytes {
		return nil, errors.New("the recorded body has another length than its record says")
	}
	return m, nil
}

// exchange writes the request and reads the head of the answer. A long body is
// written by a second goroutine, so that an app may answer early.
func (m *message) exchange(conn *upstream.Conn) (*http1.Response, error) {
	out := upstream.AppendHead(nil, &m.x, &m.origin, m.length)
	if m.large == nil {
		if m.length < 0 {
			if len(m.small) > 0 {
				out = http1.AppendChunkHead(out, len(m.small))
				out = append(append(out, m.small...), "\r\n"...)
			}
			out = http1.AppendLastChunk(out, m.trailers)
		} else {
			out = append(out, m.small...)
		}
		conn.Ask(out)
		head, err := conn.ReadHead(m.x.Method, m)
		_, askErr := conn.Asked()
		m.written = askErr == nil
		return judged(head, err, askErr)
	}
	if _, writeErr := conn.Write(out); writeErr != nil {
		conn.Await()
		head, err := conn.ReadHead(m.x.Method, m)
		return judged(head, err, writeErr)
	}
	conn.AwaitForever()
	done := make(chan error, 1)
	go func() {
		err := m.writeLarge(conn)
		conn.Await()
		done <- err
	}()
	head, err := conn.ReadHead(m.x.Method, m)
	if err != nil || head.Status >= 400 {
		conn.CutWrites()
	}
	writeErr := <-done
	m.written = writeErr == nil
	return judged(head, err, writeErr)
}

// judged is what the answer to a request is worth: a yes to a part of it is no answer,
// because nobody knows what the app has.
func judged(head *http1.Response, err, writeErr error) (*http1.Response, error) {
	if err == nil && writeErr != nil && head.Status < 400 {
		return nil, fmt.Errorf("the app answered %d before it had the whole request: %w", head.Status, writeErr)
	}
	return head, err
}

func (m *message) writeLarge(conn *upstream.Conn) error {
	buf := make([]byte, 128<<10)
	var chunk []byte
	for {
		n, err := m.large.Read(buf)
		out := buf[:n]
		if n > 0 && m.length < 0 {
			chunk = append(http1.AppendChunkHead(chunk[:0], n), out...)
			chunk = append(chunk, "\r\n"...)
			out = chunk
		}
		if n > 0 {
			if _, err := conn.Write(out); err != nil {
				return err
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			conn.Interrupt() // the payload is damaged: the app never gets all of it
			return err
		}
	}
	if m.length < 0 {
		_, err := conn.Write(http1.AppendLastChunk(nil, m.trailers))
		return err
	}
	return nil
}

// Interim implements upstream.Interim: 1xx answers mean nothing here.
func (m *message) Interim(int, []exchange.Field) error { return nil }

// drain reads the rest of a short answer.
func drain(conn *upstream.Conn) bool {
	conn.StreamBody(false)
	for n := 0; n < drainAnswer; {
		p, err := conn.Body().Next()
		n += len(p)
		if err != nil {
			return err == io.EOF
		}
	}
	return false
}
