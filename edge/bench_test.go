package edge

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/holdfast-edge/holdfast/accesslog"
)

const benchHead = "Host: a.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n" +
	"Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\nAccept-Encoding: gzip, deflate, br\r\nReferer: https://a.example/x\r\n"

// BenchmarkForward is requests through the whole edge, over sockets, 64 at a time.
// Speed is measured by bench/, on the real process; this is what the profile is made of
// that the compiler is given (make pgo).
func BenchmarkForward(b *testing.B) {
	post := strings.Repeat("b", 512)
	answer := func(status string, n int) string {
		return fmt.Sprintf("HTTP/1.1 %s\r\nDate: Mon, 23 Nov 2026 15:00:00 GMT\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", status, n, strings.Repeat("x", n))
	}
	tests := []struct{ name, request, answer string }{
		{"GET", "GET /visit?x=1 HTTP/1.1\r\n" + benchHead + "\r\n", answer("200 OK", 1024)},
		{"POST", "POST /visit HTTP/1.1\r\n" + benchHead + "Content-Type: application/json\r\nContent-Length: 512\r\n\r\n" + post, answer("200 OK", 2)},
		{"failed", "POST /visit HTTP/1.1\r\n" + benchHead + "Content-Type: application/json\r\nContent-Length: 512\r\n\r\n" + post, answer("502 Bad Gateway", 4)},
	}
	for _, tt := range tests {
		b.Run(tt.name, func(b *testing.B) {
			length := 0
			if strings.HasPrefix(tt.request, "POST") {
				length = len(post)
			}
			app := constantApp(b, length, tt.answer)
			_, addr, _ := startEdge(b, fmt.Sprintf("apps: {a: \"http://%s\"}\nsites: [{hosts: [a.example], app: a}]\n", app),
				func(s *accesslog.Store) Store { return s })
			want := len(tt.answer[strings.Index(tt.answer, "\r\n\r\n"):])
			request := []byte(tt.request)
			b.ReportAllocs()
			b.SetParallelism(32)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				nc, err := net.Dial("tcp", addr)
				if err != nil {
					b.Error(err)
					return
				}
				defer nc.Close()
				buf := make([]byte, 8<<10)
				for pb.Next() {
					if _, err := nc.Write(request); err != nil {
						b.Error(err)
						return
					}
					for have := 0; ; {
						n, err := nc.Read(buf[have:])
						if err != nil {
							b.Error(err)
							return
						}
						have += n
						if i := bytes.Index(buf[:have], []byte("\r\n\r\n")); i > 0 && have == i+want {
							break
						}
					}
				}
			})
		})
	}
}
