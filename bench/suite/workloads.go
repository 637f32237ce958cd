//go:build linux

package suite

import (
	"strings"

	"github.com/holdfast-edge/holdfast/bench/backend"
	"github.com/holdfast-edge/holdfast/bench/load"
	"github.com/holdfast-edge/holdfast/bench/proxy"
)

// Workloads lists all that is measured, in the order of the result.
func Workloads() []Workload {
	edge := proxy.Kind{Label: "edge", Program: "edge"}
	nginx := proxy.Kind{Label: "nginx", Program: "nginx"}
	haproxy := proxy.Kind{Label: "haproxy", Program: "haproxy"}
	caddy := proxy.Kind{Label: "caddy", Program: "caddy"}
	bodies := proxy.Kind{Label: "nginx, bodies logged", Program: "nginx", LogBody: true}
	bodiesEach := proxy.Kind{Label: "nginx, bodies logged, unbuffered", Program: "nginx", LogBody: true, Unbuffered: true}

	visit := load.Request{Method: "POST", Body: visitBody()}
	upload := load.Request{Method: "POST", Body: strings.Repeat("b", backend.LargeSize)}

	return []Workload{{
		Name: "get", Title: "GET 1 KiB", Path: backend.Small,
		Entries: []Entry{
			ours(edge, CPU, 0.85, "GET 1 KiB"),
			reference(nginx), reference(haproxy), shown(caddy), shown(floor()),
		},
	}, {
		Name: "post", Title: "POST 512 B, body captured, record written", Path: backend.Short, Request: visit,
		Entries: []Entry{
			ours(edge, CPU, 0.85, "POST 512 B, body captured, record written"),
			reference(bodies), reference(bodiesEach), reference(haproxy), shown(caddy), shown(floor()),
		},
	}, {
		Name: "fail", Title: "POST 512 B answered 502, record durable before the answer", Path: backend.Fail, Request: visit, Fails: true,
		Entries: []Entry{
			ours(edge, CPU, 1.2, "POST answered 502, record durable before the answer"),
			ours(noSync(edge), CPU, 1.0, "POST answered 502, in a test build without the fsync"),
			reference(bodies), reference(bodiesEach), reference(haproxy),
		},
	}, {
		Name: "get-tls", Title: "GET 1 KiB over TLS 1.3", Path: backend.Small,
		Entries: []Entry{
			ours(secure(edge), CPU, 0.95, "GET 1 KiB over TLS 1.3"),
			reference(secure(nginx)), reference(secure(haproxy)), shown(secure(caddy)),
		},
	}, {
		Name: "post-tls", Title: "POST 512 B over TLS 1.3, body captured, record written", Path: backend.Short, Request: visit,
		Entries: []Entry{
			{Kind: secure(edge), Role: Ours},
			reference(secure(bodies)), reference(secure(bodiesEach)), reference(secure(haproxy)), shown(secure(caddy)),
		},
	}, {
		Name: "handshake", Title: "Full TLS 1.3 handshakes: a connection for each GET 1 KiB, nothing resumed", Path: backend.Small, Drive: Closed,
		Request: load.Request{Close: true},
		Entries: []Entry{
			ours(secure(edge), CPU, 1.0, "full TLS handshakes"),
			reference(secure(nginx)), reference(secure(haproxy)),
		},
	}, {
		Name: "download", Title: "Download of 10 MiB", Path: backend.Large, Drive: Closed,
		Entries: []Entry{
			ours(edge, CPU, 0.7, "10 MiB download"),
			reference(nginx), reference(haproxy),
		},
	}, {
		Name: "upload", Title: "Upload of 10 MiB", Path: backend.Short, Drive: Closed, Request: upload,
		Entries: []Entry{
			ours(capture(edge, "none"), CPU, 0.7, "10 MiB upload, capture: none"),
			{edge, Ours, Goal{"10 MiB upload, captured, to nginx with its default request buffering", CPU, "nginx", 1.0}},
			reference(nginx), reference(haproxy), shown(streams(nginx)),
		},
	}, {
		Name: "paced-200", Title: "GET 1 KiB at 200 requests a second", Path: backend.Small, Drive: Paced, Rate: 200,
		Entries: []Entry{{Kind: edge, Role: Ours}, reference(nginx), reference(haproxy)},
	}, {
		Name: "paced-2000", Title: "GET 1 KiB at 2,000 requests a second", Path: backend.Small, Drive: Paced, Rate: 2000,
		Entries: []Entry{
			{edge, Ours, Goal{"p99 at 2,000/s, to nginx's", P99, "nginx", 1.0}},
			reference(nginx), reference(haproxy),
		},
	}, {
		Name: "idle", Title: "10,000 idle connections, each after one request", Path: backend.Small, Drive: Idle, Rounds: 2,
		Entries: []Entry{
			ours(edge, Memory, 60, "10,000 idle connections, MiB resident"),
			reference(nginx), reference(haproxy),
		},
	}, {
		Name: "close", Title: "GET 1 KiB, a connection for each request", Path: backend.Small, Drive: Closed, Request: load.Request{Close: true},
		Entries: []Entry{{Kind: edge, Role: Ours}, reference(nginx), reference(haproxy)},
	}, {
		Name: "hosts", Title: "GET 1 KiB for 10,000 hosts in turn, and for 10", Path: backend.Small, Twice: true,
		Entries: []Entry{
			ours(hosts(edge, 10_000, "edge, 10,000 hosts"), CPU, 1.02, "10,000 configured hosts, to 10"),
			reference(hosts(edge, 10, "edge, 10 hosts")),
		},
	}}
}

func ours(k proxy.Kind, m Metric, limit float64, text string) Entry {
	return Entry{k, Ours, Goal{Text: text, Metric: m, Max: limit}}
}

func reference(k proxy.Kind) Entry { return Entry{Kind: k, Role: Reference} }

func shown(k proxy.Kind) Entry { return Entry{Kind: k, Role: Shown} }

func floor() proxy.Kind { return proxy.Kind{Label: "system calls alone", Program: proxy.Relay} }

func secure(k proxy.Kind) proxy.Kind {
	k.TLS = true
	return k
}

func noSync(k proxy.Kind) proxy.Kind {
	k.Label, k.NoSync = k.Label+", no sync (test build)", true
	return k
}

func capture(k proxy.Kind, mode string) proxy.Kind {
	k.Label, k.Capture = k.Label+", capture: "+mode, mode
	return k
}

func streams(k proxy.Kind) proxy.Kind {
	k.Label, k.Streams = k.Label+", requests unbuffered", true
	return k
}

func hosts(k proxy.Kind, n int, label string) proxy.Kind {
	k.Label, k.Hosts = label, n
	return k
}

// visitBody is 512 bytes of what a tracking script sends.
func visitBody() string {
	const start, end = `{"path":"/products/42?ref=mail","referrer":"https://www.example.org/search","screen":"1920x1080","language":"en-GB","note":"`, `"}`
	return start + strings.Repeat("lorem ipsum dolor ", 40)[:512-len(start)-len(end)] + end
}
