package differential

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/holdfast-edge/holdfast/integration_test/differential/rfc"
)

// byNetHTTP reads the request at the start of a stream as net/http's server does.
func byNetHTTP(stream string) (r reading, trailers []rfc.Field, size int, err error) {
	src := strings.NewReader(stream)
	br := bufio.NewReader(src)
	req, err := http.ReadRequest(br)
	if err != nil {
		return r, nil, 0, err
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return r, nil, 0, fmt.Errorf("body: %w", err)
	}
	target := req.RequestURI
	if !strings.HasPrefix(target, "/") && target != "*" && req.URL.Scheme != "" {
		_, rest, _ := strings.Cut(target, "://")
		i := strings.IndexAny(rest, "/?")
		switch {
		case i < 0 && req.Method == "OPTIONS":
			target = "*"
		case i < 0:
			target = "/"
		case rest[i] == '?':
			target = "/" + rest[i:]
		default:
			target = rest[i:]
		}
	}
	for name, values := range req.Trailer {
		for _, v := range values {
			trailers = append(trailers, rfc.Field{Name: name, Value: v})
		}
	}
	r = reading{req.Method, target, strings.ToLower(req.Host), string(body)}
	return r, trailers, len(stream) - src.Len() - br.Buffered(), nil
}

// netHTTPRefusal is the class of an error of net/http.
func netHTTPRefusal(err error) string {
	text := err.Error()
	for _, known := range []string{
		"malformed HTTP request", "malformed HTTP version", "invalid method", "malformed MIME header", "invalid header field name",
		"invalid header field value", "unsupported transfer encoding", "bad Content-Length", "invalid URI for request", "invalid URL escape", "malformed Host header",
		"malformed chunked encoding", "invalid byte in chunk length", "chunked line ends with bare LF", "http chunk length too large", "header line too long", "line too long", "too many", "invalid character",
		"invalid port", "missing ']'", "invalid userinfo", "unexpected EOF", "trailer header", "invalid host", "first path segment", "missing protocol scheme", "bad trailer key",
		"chunked encoding contains too much non-data", "suspiciously long trailer",
	} {
		if strings.Contains(text, known) {
			return known
		}
	}
	return text
}
