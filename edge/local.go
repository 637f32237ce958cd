package edge

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"

	"github.com/holdfast-edge/holdfast/accesslog"
	"github.com/holdfast-edge/holdfast/configs"
	"github.com/holdfast-edge/holdfast/edge/exchange"
	"github.com/holdfast-edge/holdfast/edge/http1"
)

// localHandler makes the handler of a route that the edge answers itself.
func localHandler(r *configs.Route) http.Handler {
	switch {
	case r.Respond != nil:
		return respondHandler(r.Respond)
	case r.Redirect != nil:
		return redirectHandler(r.Redirect)
	case r.File != "":
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			serveFile(w, req, func(flag int) (*os.File, error) { return os.OpenFile(r.File, flag, 0) })
		})
	default:
		return &filesHandler{dir: r.Files, prefix: strings.TrimSuffix(r.Path, "/")}
	}
}

func respondHandler(r *configs.Respond) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for name, value := range r.Headers {
			w.Header().Set(name, value)
		}
		if w.Header().Get("Content-Type") == "" {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		}
		w.WriteHeader(r.Status)
		_, _ = io.WriteString(w, r.Body)
	})
}

func redirectHandler(r *configs.Redirect) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		// The target as it was received: it was checked by the parser, so no byte
		// of it can end the field.
		target := req.RequestURI
		if target[0] != '/' { // "*"
			target = "/"
		}
		w.Header().Set("Location", r.To+target)
		w.WriteHeader(r.Status)
	})
}

// filesHandler serves the files of a directory. os.Root keeps every path, and every
// symbolic link, inside it. The directory is opened for each request, so that one
// that is replaced (a release, switched by a link) is served at once. Directories
// are not listed: index.html or 404.
type filesHandler struct {
	dir    string
	prefix string
}

func (h *filesHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, h.prefix)
	if strings.ContainsAny(name, "\\\x00") {
		http.NotFound(w, r)
		return
	}
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if name == "" {
		name = "."
	}
	root, err := os.OpenRoot(h.dir)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer root.Close()
	if info, err := root.Stat(name); err == nil && info.IsDir() {
		if !strings.HasSuffix(r.URL.Path, "/") {
			// So that relative links in the page point below it. The path is made
			// of the decoded one: it cannot start with two slashes.
			to := url.URL{Path: path.Clean("/"+r.URL.Path) + "/", RawQuery: r.URL.RawQuery}
			w.Header().Set("Location", to.String())
			w.WriteHeader(http.StatusMovedPermanently)
			return
		}
		name = path.Join(name, "index.html")
	}
	serveFile(w, r, func(flag int) (*os.File, error) { return root.OpenFile(name, flag, 0) })
}

// serveFile answers with a regular file. Ranges, conditions and types are net/http's.
func serveFile(w http.ResponseWriter, r *http.Request, open func(flag int) (*os.File, error)) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "405 method not allowed", http.StatusMethodNotAllowed)
		return
	}
	f, err := open(os.O_RDONLY | syscall.O_NONBLOCK) // a named pipe would wait for its writer
	if err != nil {
		if errors.Is(err, os.ErrPermission) {
			http.Error(w, "403 forbidden", http.StatusForbidden)
			return
		}
		http.NotFound(w, r)
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	http.ServeContent(w, r, info.Name(), info.ModTime(), f)
}

// answerLocally runs the route's http.Handler on the exchange.
func (f *flight) answerLocally() {
	x := f.x
	route := f.decision.Route.Data.(*configs.Route)
	// Read the body first: a client that sends one wants it taken, and a failure
	// is recorded with it.
	body, whole, err := x.Body.Buffered(smallBody)
	if len(body) > 0 {
		f.capture.Alias(body)
	}
	if err != nil {
		f.bodyFailed(err)
		return
	}
	if whole {
		f.bodyErr = io.EOF
	} else if !f.takeBody() {
		return
	}
	req, err := f.httpRequest()
	if err != nil {
		f.refuse(400, accesslog.Rejected, "the target is malformed")
		return
	}
	w := &localWriter{f: f, header: make(http.Header), length: -1}
	w.buf = bufio.NewWriterSize(writerFunc(w.send), 8<<10)
	f.gen.local[route].ServeHTTP(w, req)
	w.finish()
}

// takeBody reads a long body to its end, for the record and so that the client gets
// to read the answer. If it can't be read it refuses and returns false.
func (f *flight) takeBody() bool {
	buf := http1.GetBuffer(64 << 10)
	defer http1.PutBuffer(buf)
	for {
		n, err := f.x.Body.Read(*buf)
		_, _ = f.capture.Write((*buf)[:n])
		if err == nil && f.capture.Len() > f.gen.cfg.Limits.MaxBody {
			err = errTooLarge
		}
		if err == io.EOF {
			f.bodyErr = io.EOF
			return true
		}
		if err != nil {
			f.bodyFailed(err)
			return false
		}
	}
}

// httpRequest makes the request that net/http's handlers expect.
func (f *flight) httpRequest() (*http.Request, error) {
	x := f.x
	u, err := url.ParseRequestURI(string(x.Target))
	if err != nil {
		return nil, err
	}
	header := make(http.Header, len(x.Fields))
	for i := range x.Fields {
		if x.Fields[i].ID != exchange.Host {
			header.Add(string(x.Fields[i].Name), string(x.Fields[i].Value))
		}
	}
	req := &http.Request{Method: string(x.Method), URL: u, RequestURI: string(x.Target), Host: string(x.Host),
		Proto: x.Proto, ProtoMajor: 1, ProtoMinor: int(x.Proto[len(x.Proto)-1] - '0'), Header: header,
		Body: http.NoBody, RemoteAddr: x.Remote.String()}
	return req.WithContext(context.Background()), nil
}

// localWriter is the http.ResponseWriter of a local answer. Up to 8 KiB are held
// back, so that short answers get a Content-Length.
type localWriter struct {
	f      *flight
	header http.Header
	status int
	length int64 // announced by the handler, or -1
	begun  bool
	buf    *bufio.Writer
	err    error
}

// Header implements http.ResponseWriter.
func (w *localWriter) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *localWriter) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
}

// Write implements http.ResponseWriter.
func (w *localWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.buf.Write(p)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// send passes on what the buffer lets go.
func (w *localWriter) send(p []byte) (int, error) {
	w.begin(-1)
	if w.err != nil {
		return 0, w.err
	}
	_, w.err = w.f.x.Answer.Write(p)
	return len(p), w.err
}

func (w *localWriter) begin(length int64) {
	if w.begun {
		return
	}
	w.begun = true
	if n, err := strconv.ParseInt(w.header.Get("Content-Length"), 10, 64); err == nil && n >= 0 {
		length = n
	}
	h := exchange.AnswerHead{Status: w.status, Length: length,
		NoBody: string(w.f.x.Method) == "HEAD" || w.status == 204 || w.status == 304}
	if w.status == 304 && w.header.Get("Content-Length") == "" {
		h.Length = -1 // it would be the length of what is not sent (RFC 9110, section 8.6)
	}
	for name, values := range w.header {
		for _, v := range values {
			h.Fields = append(h.Fields, exchange.Field{Name: []byte(name), Value: []byte(v),
				ID: exchange.Identify([]byte(name))})
		}
	}
	if w.status >= 400 && w.f.decision.Route.Data.(*configs.Route).Respond == nil {
		w.f.outcome = accesslog.Rejected
		if w.status == http.StatusNotFound {
			w.f.outcome, w.f.reason = accesslog.NoRoute, "no such file"
		}
	}
	w.err = w.f.begin(&h)
}

// finish completes the answer after the handler has returned.
func (w *localWriter) finish() {
	w.WriteHeader(http.StatusOK)
	w.begin(int64(w.buf.Buffered()))
	if w.err == nil {
		_ = w.buf.Flush()
	}
	if w.err == nil {
		w.err = w.f.x.Answer.End(nil)
	}
	if errors.Is(w.err, exchange.ErrShort) {
		w.f.fail(w.f.status, accesslog.UpstreamDown, "what was to be sent became shorter meanwhile")
		w.f.commit()
		w.f.x.Answer.Close()
	} else if w.err != nil {
		w.f.lost("the client left before the answer was complete")
	}
}
