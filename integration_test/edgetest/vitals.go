package edgetest

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Vitals is what a running edge holds at one moment, and what it has used so far.
type Vitals struct {
	Descriptors int
	Threads     int
	Resident    int64         // bytes in RAM
	CPU         time.Duration // used so far, user and system
	Goroutines  int
	Connections int
	Heap        int64 // bytes in use when memory was last collected
}

func (v Vitals) String() string {
	return fmt.Sprintf("%d descriptors, %d threads, %d goroutines, %d connections, %.1f MiB resident, %.1f MiB heap",
		v.Descriptors, v.Threads, v.Goroutines, v.Connections, float64(v.Resident)/(1<<20), float64(v.Heap)/(1<<20))
}

// Vitals asks the kernel, and the edge's admin socket, which must be data/edge.sock.
func (e *Edge) Vitals() (Vitals, error) {
	v, err := e.FromOutside()
	if err != nil {
		return v, err
	}
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", filepath.Join(e.Dir, "data", "edge.sock"))
		}}}
	resp, err := client.Get("http://edge/v1/status")
	if err != nil {
		return v, err
	}
	defer resp.Body.Close()
	var status struct {
		Connections int   `json:"connections"`
		Goroutines  int   `json:"goroutines"`
		Heap        int64 `json:"heap"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&status); err != nil {
		return v, err
	}
	v.Goroutines, v.Connections, v.Heap = status.Goroutines, status.Connections, status.Heap
	return v, nil
}

// FromOutside is that part of Vitals which needs nothing of the edge: it can be had
// while the edge has no descriptor left, or is stopped.
func (e *Edge) FromOutside() (Vitals, error) {
	v := Vitals{Resident: e.Resident()}
	proc := fmt.Sprintf("/proc/%d/", e.PID())
	for dir, n := range map[string]*int{"fd": &v.Descriptors, "task": &v.Threads} {
		entries, err := os.ReadDir(proc + dir)
		if err != nil {
			return v, err
		}
		*n = len(entries)
	}
	stat, err := os.ReadFile(proc + "stat")
	if err != nil {
		return v, err
	}
	// Fields 14 and 15, in ticks of 10 ms; the second may hold spaces and ends with ")".
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	for _, f := range fields[11:13] {
		ticks, err := strconv.Atoi(f)
		if err != nil {
			return v, fmt.Errorf("%sstat: %w", proc, err)
		}
		v.CPU += time.Duration(ticks) * 10 * time.Millisecond
	}
	return v, nil
}
