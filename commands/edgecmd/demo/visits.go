package demo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"time"
)

// pause is the time between two visits.
const pause = 50 * time.Millisecond

// A visit is what one visitor's browser sent, and what it was answered.
type visit struct {
	number      int
	host        string
	target      string
	contentType string
	body        []byte
	status      int // 0: no answer
}

// newVisit makes visit n. Every third body holds all 256 byte values, every tenth
// for the queue is bigger than what is kept in memory (and than what is kept at all
// for a host that no site names), the others are what a script on a page sends.
func newVisit(n int, host string) *visit {
	v := &visit{number: n, host: host, target: fmt.Sprintf("/event?visit=%d&page=%%2Fpricing", n)}
	switch {
	case n%10 == 0 && host == queueHost:
		v.contentType = "application/octet-stream"
		v.body = make([]byte, 192<<10+n)
		r := rand.New(rand.NewPCG(uint64(n), 1))
		for i := range v.body {
			v.body[i] = byte(r.Uint32())
		}
	case n%3 == 0:
		v.contentType = "application/octet-stream"
		for i := range 256 + n {
			v.body = append(v.body, byte(i+n))
		}
	default:
		v.contentType = "application/json"
		v.body = fmt.Appendf(nil, `{"visit": %d, "event": "signup", "name": "Zoë Ångström", "plan": "東京"}`, n)
	}
	return v
}

// A browser sends visits to the edge, whatever their host resolves to.
type browser struct {
	client *http.Client
	visits []*visit // all that were sent
}

func newBrowser(edge string) *browser {
	return &browser{client: &http.Client{
		Timeout: 10 * time.Second,
		Transport: &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, edge)
		}},
	}}
}

// send makes count visits to host, a pause apart, and returns how many were
// answered with which status.
func (b *browser) send(ctx context.Context, count int, host string) (map[int]int, error) {
	answers := map[int]int{}
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for range count {
		select {
		case <-ctx.Done():
			return answers, ctx.Err()
		case <-ticker.C:
		}
		v := newVisit(len(b.visits)+1, host)
		b.visits = append(b.visits, v)
		if err := b.post(ctx, v); err != nil {
			return answers, fmt.Errorf("visit %d: %w", v.number, err)
		}
		answers[v.status]++
	}
	return answers, nil
}

func (b *browser) post(ctx context.Context, v *visit) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+v.host+v.target, bytes.NewReader(v.body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", v.contentType)
	req.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0")
	v.status, err = b.do(req)
	return err
}

// get asks for a page and returns the status.
func (b *browser) get(ctx context.Context, url string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	return b.do(req)
}

func (b *browser) do(req *http.Request) (status int, err error) {
	res, err := b.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return res.StatusCode, err
	}
	return res.StatusCode, nil
}

// A balance is the comparison of what was sent with what arrived.
type balance struct {
	sent, answered, failed   int // visits
	recovered                int // of the failed, arrived by replay
	lost, twice, differ      []int
	sentBytes, receivedBytes int64
	sentSum, receivedSum     [sha256.Size]byte // over all bodies, in order of visit
}

// compare draws the balance. Nothing of the edge's own is used for it: only what
// the browsers sent and what the collector got.
func compare(visits []*visit, got map[int][]arrival) balance {
	b := balance{sent: len(visits)}
	sent, received := sha256.New(), sha256.New()
	for _, v := range visits {
		sent.Write(v.body)
		b.sentBytes += int64(len(v.body))
		failed := v.status >= 400 || v.status == 0
		if failed {
			b.failed++
		} else {
			b.answered++
		}
		arrivals := got[v.number]
		if len(arrivals) == 0 {
			b.lost = append(b.lost, v.number)
			continue
		}
		if len(arrivals) > 1 {
			b.twice = append(b.twice, v.number)
		}
		a := arrivals[0]
		received.Write(a.body)
		b.receivedBytes += int64(len(a.body))
		same := a.sum == sha256.Sum256(v.body) && a.method == http.MethodPost && a.target == v.target && a.contentType == v.contentType
		if !same {
			b.differ = append(b.differ, v.number)
		}
		if failed && a.replayed {
			b.recovered++
		}
	}
	sent.Sum(b.sentSum[:0])
	received.Sum(b.receivedSum[:0])
	return b
}

// whole reports whether every visit arrived exactly once, as it was sent.
func (b *balance) whole() bool {
	return len(b.lost) == 0 && len(b.twice) == 0 && len(b.differ) == 0 && b.recovered == b.failed && b.sentSum == b.receivedSum
}
