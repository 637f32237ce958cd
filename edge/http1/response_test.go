package http1

import "testing"

func TestResponse(t *testing.T) {
	tests := []struct {
		name, in, method string
		status           int // 0: refused
		kind             bodyKind
		length           int64
		close            bool
	}{
		{"length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "GET", 200, bodyLength, 5, false},
		{"no reason", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "GET", 200, bodyLength, 0, false},
		{"empty reason", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "GET", 200, bodyLength, 0, false},
		{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "GET", 200, bodyChunked, -1, false},
		{"to the end", "HTTP/1.1 200 OK\r\n\r\n", "GET", 200, bodyToEOF, -1, false},
		{"1.0", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", "GET", 200, bodyLength, 5, true},
		{"1.0 kept", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\n", "GET", 200, bodyLength, 5, false},
		{"close", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n", "GET", 200, bodyLength, 5, true},
		{"head", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HEAD", 200, bodyNone, 5, false},
		{"304", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "GET", 304, bodyNone, 5, false},
		{"204", "HTTP/1.1 204 No Content\r\n\r\n", "GET", 204, bodyNone, -1, false},
		{"103", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", "GET", 103, bodyNone, -1, false},
		{"both framings", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "GET", 0, 0, 0, false},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", "GET", 0, 0, 0, false},
		{"another coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "GET", 0, 0, 0, false},
		{"chunked in 1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "GET", 0, 0, 0, false},
		{"status too small", "HTTP/1.1 099 X\r\n\r\n", "GET", 0, 0, 0, false},
		{"status too large", "HTTP/1.1 600 X\r\n\r\n", "GET", 0, 0, 0, false},
		{"status of two digits", "HTTP/1.1 20 OK\r\n\r\n", "GET", 0, 0, 0, false},
		{"status of four digits", "HTTP/1.1 2000 OK\r\n\r\n", "GET", 0, 0, 0, false},
		{"another protocol", "HTTP/2 200\r\n\r\n", "GET", 0, 0, 0, false},
		{"not HTTP", "SSH-2.0-OpenSSH\r\n\r\n", "GET", 0, 0, 0, false},
		{"bare LF", "HTTP/1.1 200 OK\nContent-Length: 5\n\n", "GET", 0, 0, 0, false},
		{"fold", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", "GET", 0, 0, 0, false},
		{"control in the reason", "HTTP/1.1 200 O\x00K\r\n\r\n", "GET", 0, 0, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r Response
			n, err := r.Parse([]byte(tt.in))
			if tt.status == 0 {
				if err == nil {
					t.Fatalf("accepted: %+v", r)
				}
				return
			}
			if err != nil || n != len(tt.in) {
				t.Fatalf("n %d, %v", n, err)
			}
			var buf Buffer
			var d Decoder
			r.Body(&d, &buf, []byte(tt.method))
			kind, length := r.body([]byte(tt.method))
			wantClose := tt.close || tt.kind == bodyToEOF
			if r.Status != tt.status || kind != tt.kind || length != tt.length || r.Close != wantClose {
				t.Errorf("status %d kind %d length %d close %v", r.Status, kind, length, r.Close)
			}
		})
	}
}
