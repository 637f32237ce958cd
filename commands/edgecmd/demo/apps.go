package demo

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// An app is a small web server that can go down and come back on its address.
type app struct {
	address string // host:port
	handler http.Handler
	server  *http.Server // nil while it is down
	ended   chan error
}

// up starts it. The address must be free.
func (a *app) up() error {
	l, err := net.Listen("tcp", a.address)
	if err != nil {
		return err
	}
	a.server = &http.Server{Handler: a.handler, ReadHeaderTimeout: 10 * time.Second}
	a.ended = make(chan error, 1)
	go func() { a.ended <- a.server.Serve(l) }()
	return nil
}

// down finishes what it is answering and stops. Down already is fine.
func (a *app) down() error {
	if a.server == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := a.server.Shutdown(ctx)
	if served := <-a.ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	a.server = nil
	return err
}

// An arrival is one request as the collector got it.
type arrival struct {
	method, target, contentType string
	body                        []byte
	sum                         [sha256.Size]byte
	replayed                    bool // it carried X-Edge-Replay
}

// A collector keeps every visit it is sent, by the number in its URL.
type collector struct {
	mu  sync.Mutex
	got map[int][]arrival
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	n, err := strconv.Atoi(r.URL.Query().Get("visit"))
	if err != nil {
		http.Error(w, "no visit number", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	c.got[n] = append(c.got[n], arrival{
		method: r.Method, target: r.RequestURI, contentType: r.Header.Get("Content-Type"),
		body: body, sum: sha256.Sum256(body), replayed: r.Header.Get("X-Edge-Replay") != "",
	})
	c.mu.Unlock()
	fmt.Fprintln(w, "thank you")
}

// arrivals is a copy of what came so far.
func (c *collector) arrivals() map[int][]arrival {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[int][]arrival, len(c.got))
	for n, a := range c.got {
		all[n] = append([]arrival(nil), a...)
	}
	return all
}

// A monitor asks everybody for a password, and counts who came.
type monitor struct {
	mu    sync.Mutex
	hosts map[string]int
}

func (m *monitor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	m.hosts[r.Host]++
	m.mu.Unlock()
	w.Header().Set("WWW-Authenticate", `Basic realm="monitor"`)
	http.Error(w, "password, please", http.StatusUnauthorized)
}

// strangers counts the requests for other hosts than its own.
func (m *monitor) strangers(own string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for host, count := range m.hosts {
		if host != own {
			n += count
		}
	}
	return n
}

// freePorts finds n free ports on 127.0.0.1, from 18080 up: below the ports the
// system hands out by itself, so that nobody gets one while its app is down.
func freePorts(n int) ([]string, error) {
	var free []string
	for port := 18080; port < 18580 && len(free) < n; port++ {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		l, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		l.Close()
		free = append(free, address)
	}
	if len(free) < n {
		return nil, errors.New("no three free ports on 127.0.0.1 between 18080 and 18580")
	}
	return free, nil
}
