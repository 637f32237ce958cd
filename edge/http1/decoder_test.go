package http1

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/holdfast-edge/holdfast/edge/exchange"
)

func decodeAll(src io.Reader, kind bodyKind, length int64, next bool) (string, *Decoder, *Buffer, error) {
	var buf Buffer
	buf.Reset(src)
	var d Decoder
	d.reset(&buf, kind, length)
	var out bytes.Buffer
	p := make([]byte, 7)
	for {
		var q []byte
		var err error
		if next {
			q, err = d.Next()
		} else {
			var n int
			n, err = d.Read(p)
			q = p[:n]
		}
		out.Write(q)
		if err == io.EOF {
			return out.String(), &d, &buf, nil
		}
		if err != nil {
			return out.String(), &d, &buf, err
		}
	}
}

func TestDecoder(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 4096)
	tests := []struct {
		name     string
		kind     bodyKind
		length   int64
		in       string
		out      string
		rest     string
		trailers int
		bad      bool
	}{
		{"none", bodyNone, 0, "GET", "", "", 0, false},
		{"length", bodyLength, 5, "helloGET", "hello", "GET", 0, false},
		{"length, long", bodyLength, int64(len(long)), long + "GET", long, "GET", 0, false},
		{"length, cut short", bodyLength, 6, "hello", "hello", "", 0, true},
		{"to the end", bodyToEOF, 0, long, long, "", 0, false},
		{"one chunk", bodyChunked, 0, "5\r\nhello\r\n0\r\n\r\nGET", "hello", "GET", 0, false},
		{"chunks", bodyChunked, 0, "1\r\nh\r\n004\r\nello\r\n0\r\n\r\nGET", "hello", "GET", 0, false},
		{"long chunk", bodyChunked, 0, "10000\r\n" + long + "\r\n0\r\n\r\nGET", long, "GET", 0, false},
		{"empty", bodyChunked, 0, "0\r\n\r\nGET", "", "GET", 0, false},
		{"many zeros", bodyChunked, 0, "000\r\n\r\nGET", "", "GET", 0, false},
		{"extension", bodyChunked, 0, "5;a=b;c=\"d\"\r\nhello\r\n0;x\r\n\r\nGET", "hello", "GET", 0, false},
		{"trailers", bodyChunked, 0, "5\r\nhello\r\n0\r\nA: b\r\nC: d\r\n\r\nGET", "hello", "GET", 2, false},
		{"hex in both cases", bodyChunked, 0, "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789", "", 0, false},
		{"no size", bodyChunked, 0, "\r\nhello", "", "", 0, true},
		{"not hexadecimal", bodyChunked, 0, "g\r\nhello", "", "", 0, true},
		{"0x", bodyChunked, 0, "0x5\r\nhello", "", "", 0, true},
		{"sign", bodyChunked, 0, "+5\r\nhello", "", "", 0, true},
		{"space before the size", bodyChunked, 0, " 5\r\nhello", "", "", 0, true},
		{"space behind the size", bodyChunked, 0, "5 \r\nhello", "", "", 0, true},
		{"size too long", bodyChunked, 0, "0000000000000005\r\nhello", "", "", 0, true},
		{"LF alone behind the size", bodyChunked, 0, "5\nhello\r\n0\r\n\r\n", "", "", 0, true},
		{"LF alone behind the data", bodyChunked, 0, "5\r\nhello\n0\r\n\r\n", "hello", "", 0, true},
		{"data too long", bodyChunked, 0, "5\r\nhelloX\r\n0\r\n\r\n", "hello", "", 0, true},
		{"data cut short", bodyChunked, 0, "5\r\nhel", "hel", "", 0, true},
		{"no last chunk", bodyChunked, 0, "5\r\nhello\r\n", "hello", "", 0, true},
		{"no empty line at the end", bodyChunked, 0, "5\r\nhello\r\n0\r\n", "hello", "", 0, true},
		{"CR in an extension", bodyChunked, 0, "5;a\rb\r\nhello\r\n0\r\n\r\n", "", "", 0, true},
		{"long extension", bodyChunked, 0, "5;" + strings.Repeat("a", 300) + "\r\nhello\r\n0\r\n\r\n", "", "", 0, true},
		{"longest extension", bodyChunked, 0, "5;" + strings.Repeat("a", maxChunkLine-2) + "\r\nhello\r\n0\r\n\r\nGET", "hello", "GET", 0, false},
		{"extension too long by one", bodyChunked, 0, "5;" + strings.Repeat("a", maxChunkLine-1) + "\r\nhello\r\n0\r\n\r\n", "", "", 0, true},
		{"many extensions", bodyChunked, 0, strings.Repeat("1;"+strings.Repeat("a", 200)+"\r\nx\r\n", 100), strings.Repeat("x", 40), "", 0, true},
		{"trailer that frames", bodyChunked, 0, "0\r\nContent-Length: 5\r\n\r\n", "", "", 0, true},
		{"trailer that routes", bodyChunked, 0, "0\r\nHost: b\r\n\r\n", "", "", 0, true},
		{"trailer without colon", bodyChunked, 0, "0\r\nx\r\n\r\n", "", "", 0, true},
		{"trailers too large", bodyChunked, 0, "0\r\n" + strings.Repeat("X: "+strings.Repeat("y", 90)+"\r\n", 100) + "\r\n", "", "", 0, true},
	}
	readers := map[string]func(io.Reader) io.Reader{
		"at once":      func(r io.Reader) io.Reader { return r },
		"byte by byte": iotest.OneByteReader,
		"halves":       iotest.HalfReader,
	}
	for _, tt := range tests {
		for how, wrap := range readers {
			for _, next := range []bool{true, false} {
				out, d, buf, err := decodeAll(wrap(strings.NewReader(tt.in)), tt.kind, tt.length, next)
				if (err != nil) != tt.bad {
					t.Errorf("%s, %s, next %v: error %v", tt.name, how, next, err)
					continue
				}
				if out != tt.out || len(d.Trailers()) != tt.trailers {
					t.Errorf("%s, %s, next %v: %d bytes %.20q, %d trailers", tt.name, how, next, len(out), out, len(d.Trailers()))
				}
				var bad *exchange.Malformed
				if tt.bad && !errors.As(err, &bad) && err != io.ErrUnexpectedEOF {
					t.Errorf("%s, %s: error %v", tt.name, how, err)
				}
				if tt.bad || tt.rest == "" {
					continue
				}
				if rest, _ := io.ReadAll(io.MultiReader(bytes.NewReader(buf.Unread()), buf.src)); string(rest) != tt.rest {
					t.Errorf("%s, %s, next %v: the next message starts with %q", tt.name, how, next, rest)
				}
			}
		}
	}
}
