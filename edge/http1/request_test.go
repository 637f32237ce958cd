package http1

import (
	"strings"
	"testing"

	"github.com/holdfast-edge/holdfast/edge/exchange"
)

// parseRequest parses a head that must be complete.
func parseRequest(t *testing.T, text string) (*Request, *exchange.Malformed) {
	t.Helper()
	var r Request
	n, err := r.Parse([]byte(text))
	if err != nil {
		return &r, err
	}
	if n == 0 {
		t.Fatalf("head is incomplete: %q", text)
	}
	return &r, nil
}

func TestRequestAccepted(t *testing.T) {
	tests := []struct {
		name, in             string
		method, target, host string
		length               int64
		close, expect        bool
		upgrade              string
	}{
		{"plain", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "/", "a", 0, false, false, ""},
		{"one empty line first", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "/", "a", 0, false, false, ""},
		{"no space after the colon", "GET / HTTP/1.1\r\nHost:a\r\n\r\n", "GET", "/", "a", 0, false, false, ""},
		{"white space around a value", "GET / HTTP/1.1\r\nHost: \t a \t\r\n\r\n", "GET", "/", "a", 0, false, false, ""},
		{"absolute form", "GET http://a/x?y HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "/x?y", "a", 0, false, false, ""},
		{"absolute form, no path", "GET http://A HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "/", "a", 0, false, false, ""},
		{"absolute form, query only", "GET http://a?q HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "/?q", "a", 0, false, false, ""},
		{"absolute form, options", "OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS", "*", "a", 0, false, false, ""},
		{"asterisk form", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS", "*", "a", 0, false, false, ""},
		{"length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 012\r\n\r\n", "POST", "/", "a", 12, false, false, ""},
		{"chunked in capitals", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n", "POST", "/", "a", -1, false, false, ""},
		{"close", "GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n", "GET", "/", "a", 0, true, false, ""},
		{"1.0 closes", "GET / HTTP/1.0\r\nHost: a\r\n\r\n", "GET", "/", "a", 0, true, false, ""},
		{"1.0 keeps alive", "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", "GET", "/", "a", 0, false, false, ""},
		{"expect", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-Continue\r\n\r\n", "POST", "/", "a", 1, false, true, ""},
		{"expect without a body", "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", "POST", "/", "a", 0, false, false, ""},
		{"websocket", "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n", "GET", "/", "a", 0, false, false, "websocket"},
		{"upgrade not in connection", "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n", "GET", "/", "a", 0, false, false, ""},
		{"h2c is never passed on", "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", "GET", "/", "a", 0, false, false, ""},
		{"upgrade with a body", "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\n", "GET", "/", "a", 1, false, false, ""},
		{"two upgrades", "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n\r\n", "GET", "/", "a", 0, false, false, ""},
		{"obs-text in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: \xff\xfe\r\n\r\n", "GET", "/", "a", 0, false, false, ""},
		{"empty value", "GET / HTTP/1.1\r\nHost: a\r\nX:\r\n\r\n", "GET", "/", "a", 0, false, false, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := parseRequest(t, tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if string(r.Method) != tt.method || string(r.Target) != tt.target || string(r.Host) != tt.host ||
				r.Length != tt.length || r.Close != tt.close || r.Expect != tt.expect || string(r.Upgrade) != tt.upgrade {
				t.Errorf("got %s %s host %s length %d close %v expect %v upgrade %q", r.Method, r.Target, r.Host,
					r.Length, r.Close, r.Expect, r.Upgrade)
			}
		})
	}
}

func TestRequestRefused(t *testing.T) {
	const host = "\r\nHost: a\r\n"
	tests := []struct {
		name, in string
		status   int
	}{
		{"bare LF", "GET / HTTP/1.1\nHost: a\n\n", 400},
		{"LF alone first", "\nGET / HTTP/1.1" + host + "\r\n", 400},
		{"two empty lines first", "\r\n\r\nGET / HTTP/1.1" + host + "\r\n", 400},
		{"two spaces", "GET  / HTTP/1.1" + host + "\r\n", 400},
		{"space at the end", "GET / HTTP/1.1 " + host + "\r\n", 400},
		{"tab", "GET\t/ HTTP/1.1" + host + "\r\n", 400},
		{"no version", "GET /" + host + "\r\n", 400},
		{"version 2", "GET / HTTP/2.0" + host + "\r\n", 505},
		{"version 1.2", "GET / HTTP/1.2" + host + "\r\n", 505},
		{"lower-case version", "GET / http/1.1" + host + "\r\n", 400},
		{"method", "G(T / HTTP/1.1" + host + "\r\n", 400},
		{"method too long", strings.Repeat("A", 25) + " / HTTP/1.1" + host + "\r\n", 400},
		{"connect", "CONNECT a:443 HTTP/1.1" + host + "\r\n", 405},
		{"fragment", "GET /#x HTTP/1.1" + host + "\r\n", 400},
		{"control in target", "GET /\x01 HTTP/1.1" + host + "\r\n", 400},
		{"high byte in target", "GET /\xc3\xa9 HTTP/1.1" + host + "\r\n", 400},
		{"relative target", "GET x HTTP/1.1" + host + "\r\n", 400},
		{"asterisk with GET", "GET * HTTP/1.1" + host + "\r\n", 400},
		{"other scheme", "GET ftp://a/ HTTP/1.1" + host + "\r\n", 400},
		{"absolute form of another host", "GET http://b/ HTTP/1.1" + host + "\r\n", 400},
		{"absolute form with user", "GET http://u@a/ HTTP/1.1" + host + "\r\n", 400},
		{"no host", "GET / HTTP/1.1\r\n\r\n", 400},
		{"no host in 1.0", "GET / HTTP/1.0\r\n\r\n", 400},
		{"two hosts", "GET / HTTP/1.1" + host + "host: a\r\n\r\n", 400},
		{"space before the colon", "GET / HTTP/1.1" + host + "X : y\r\n\r\n", 400},
		{"no colon", "GET / HTTP/1.1" + host + "X\r\n\r\n", 400},
		{"no name", "GET / HTTP/1.1" + host + ": y\r\n\r\n", 400},
		{"fold", "GET / HTTP/1.1" + host + "X: y\r\n z\r\n\r\n", 400},
		{"fold first", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
		{"bare CR in a value", "GET / HTTP/1.1" + host + "X: y\rZ: 1\r\n\r\n", 400},
		{"NUL", "GET / HTTP/1.1" + host + "X: \x00\r\n\r\n", 400},
		{"DEL", "GET / HTTP/1.1" + host + "X: \x7f\r\n\r\n", 400},
		{"both framings", "POST / HTTP/1.1" + host + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
		{"two lengths alike", "POST / HTTP/1.1" + host + "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400},
		{"a list of lengths", "POST / HTTP/1.1" + host + "Content-Length: 1, 1\r\n\r\n", 400},
		{"signed length", "POST / HTTP/1.1" + host + "Content-Length: +1\r\n\r\n", 400},
		{"empty length", "POST / HTTP/1.1" + host + "Content-Length:\r\n\r\n", 400},
		{"length too long", "POST / HTTP/1.1" + host + "Content-Length: 9999999999999999999\r\n\r\n", 400},
		{"two codings", "POST / HTTP/1.1" + host + "Transfer-Encoding: gzip, chunked\r\n\r\n", 400},
		{"identity", "POST / HTTP/1.1" + host + "Transfer-Encoding: identity\r\n\r\n", 400},
		{"chunked twice", "POST / HTTP/1.1" + host + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
		{"chunked in 1.0", "POST / HTTP/1.0" + host + "Transfer-Encoding: chunked\r\n\r\n", 400},
		{"other expectation", "POST / HTTP/1.1" + host + "Expect: 200-ok\r\n\r\n", 417},
		{"too many options", "GET / HTTP/1.1" + host + "Connection: " + strings.Repeat(",", 200) + "\r\n\r\n", 400},
		{"too many fields", "GET / HTTP/1.1" + host + strings.Repeat("X: y\r\n", 300) + "\r\n", 431},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\n", 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parseRequest(t, tt.in)
			if err == nil {
				t.Fatal("accepted")
			}
			if err.Status != tt.status {
				t.Errorf("status %d (%s), want %d", err.Status, err.Reason, tt.status)
			}
		})
	}
}

// A head that arrives in pieces is the same head.
func TestRequestInPieces(t *testing.T) {
	head := []byte("\r\nPOST http://a:80/x HTTP/1.1\r\nHost: a:80\r\nX: y\r\nContent-Length: 3\r\n\r\nabc")
	for cut := range head {
		var r Request
		n, err := r.Parse(head[:cut])
		if n == 0 && err == nil {
			n, err = r.Parse(head)
		}
		if err != nil || n == 0 || string(r.Target) != "/x" || r.Length != 3 || len(r.Fields) != 3 {
			t.Fatalf("cut at %d: n %d err %v %+v", cut, n, err, r)
		}
	}
}
