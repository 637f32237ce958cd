//go:build linux

// Package load drives a proxy, from processes whose time is not counted: wrk for
// as fast as it goes, and generators of our own for what wrk cannot do.
package load

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/bench/measure"
)

// A Request says what is sent, again and again.
type Request struct {
	URL    string
	Host   string // the Host field
	Hosts  int    // instead of Host: so many, named HostName, in turns; wrk only
	Method string // GET if empty
	Body   string // of a POST
	Close  bool   // a connection for every request
}

// HostName is a format for the names of many hosts, numbered from 1.
const HostName = "h%05d.example.com"

// userAgent is what browsers send: proxies that look at it or log it have the usual work.
const userAgent = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"

// A Result is what came of a run. Latencies are of whole requests.
type Result struct {
	Requests int64         `json:"requests"`
	Duration time.Duration `json:"duration"` // ns
	Bytes    int64         `json:"bytes"`    // received
	Failures int64         `json:"failures"` // connections, reads, writes, timeouts
	Status   int64         `json:"status"`   // answers of 400 and above
	P50      time.Duration `json:"p50"`      // ns
	P99      time.Duration `json:"p99"`
	P999     time.Duration `json:"p999"`
}

// latencies sets the percentiles from all the latencies there were.
func (r *Result) latencies(all []time.Duration) {
	slices.Sort(all)
	r.P50, r.P99, r.P999 = measure.Percentile(all, 50), measure.Percentile(all, 99), measure.Percentile(all, 99.9)
}

// wire is the request as HTTP/1.1, without the body, and where it goes.
func (r Request) wire() (head []byte, addr string, secure bool, err error) {
	u, err := url.Parse(r.URL)
	if err != nil {
		return nil, "", false, err
	}
	method := r.Method
	if method == "" {
		method = "GET"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\n", method, u.RequestURI(), r.Host, userAgent)
	if r.Body != "" {
		b.WriteString("Content-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(r.Body)) + "\r\n")
	}
	if r.Close {
		b.WriteString("Connection: close\r\n")
	}
	b.WriteString("\r\n")
	return []byte(b.String()), "127.0.0.1:" + u.Port(), u.Scheme == "https", nil
}
