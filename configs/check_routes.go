package configs

import (
	"fmt"
	"net/netip"
	"net/textproto"
	"net/url"
	"os"
	"slices"
	"strings"
)

// routePath reads path or exact.
func (b *builder) routePath(f *routeFile, r *Route) {
	t := &f.Path
	switch {
	case f.Path.set && f.Exact.set:
		b.ps.errorAt(f.Exact.at, "keep one: `path` takes in everything below it", "the route has both `path` and `exact`")
		return
	case f.Exact.set:
		t, r.Exact = &f.Exact, true
	case f.odd && !f.Path.set:
		return
	case !f.Path.set:
		b.ps.errorAt(f.at, "add path: /api, or path: / for everything", "the route has neither `path` nor `exact`")
		return
	}
	if !t.ok {
		return
	}
	if err := checkPath(t.Value); err != nil {
		t.rejectErr(b.ps, err)
		return
	}
	b.remember(t, t.Value)
	b.paths[r.Origin] = t.at
	r.Path = t.Value
}

// checkPath finds slips that the routing table cannot explain as well: it
// checks everything else about a path itself.
func checkPath(s string) error {
	switch {
	case strings.Contains(s, "://"):
		return &hinted{"is a URL, not a path", "write the path only, from its first /; hosts belong in `hosts`"}
	case s == "":
		return &hinted{"is not a path", "write / for everything"}
	case strings.ContainsAny(s, "?#"):
		return &hinted{"has a query or a fragment", "routes look at the path only: write " + s[:strings.IndexAny(s, "?#")]}
	case strings.Contains(s, "*") && s[0] == '/':
		start := strings.TrimRight(s[:strings.IndexByte(s, '*')], "/") + "/"
		return &hinted{"has a wildcard", "a path takes in everything below it: write path: " + start}
	}
	return nil
}

// routeMethods reads methods. They are case-sensitive tokens (RFC 9110
// sections 9.1 and 5.6.2); every one in use is in capitals, so others are slips.
func (b *builder) routeMethods(f *routeFile, r *Route) {
	if f.Methods.empty() {
		b.ps.errorAt(f.Methods.at, "leave the key out for all methods", "`methods` is an empty list: the route would match nothing")
	}
	for i := range f.Methods.Items {
		t := &f.Methods.Items[i]
		if !t.ok {
			continue
		}
		switch upper := strings.ToUpper(t.Value); {
		case !isToken(t.Value):
			t.reject(b.ps, "write a method such as GET or POST", "%s: %s is not a method", t.what, t.shown())
		case upper != t.Value:
			t.reject(b.ps, "did you mean "+upper+"?", "%s: %s is not a method: methods are in capitals", t.what, t.shown())
		case upper == "CONNECT":
			t.reject(b.ps, "", "%s: %s has no path and is never routed", t.what, t.shown())
		case slices.Contains(r.Methods, upper):
			t.reject(b.ps, "keep one of them", "%s: %s is here twice", t.what, t.shown())
		default:
			r.Methods = append(r.Methods, upper)
		}
	}
}

// isToken reports whether s is a token of RFC 9110 section 5.6.2.
func isToken(s string) bool {
	for _, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && !isDigit(c) && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// respond reads a fixed answer.
func (b *builder) respond(f *respondFile) *Respond {
	a := &Respond{Status: 200, Body: b.text(&f.Body, ""), Headers: make(map[string]string)}
	if f.Status.ok {
		if a.Status = f.Status.Value; a.Status < 200 || a.Status > 599 {
			f.Status.reject(b.ps, "the default is 200", "%s must be from 200 to 599, not %s", f.Status.what, f.Status.written)
		}
	}
	// RFC 9110 sections 15.3.5, 15.3.6 and 15.4.5.
	if slices.Contains([]int{204, 205, 304}, a.Status) && a.Body != "" {
		f.Body.reject(b.ps, "leave the body out, or choose another status", "an answer with status %s has no body", f.Status.written)
	}
	first := make(map[string]spot)
	for i := range f.Headers.Entries {
		e := &f.Headers.Entries[i]
		name := textproto.CanonicalMIMEHeaderKey(e.Key)
		if what, hint := badHeader(e.Key); what != "" {
			b.ps.errorAt(e.at, hint, "header %q %s", clip(e.Key), what)
			continue
		}
		if at, twice := first[name]; twice {
			b.ps.errorAt(e.at, "keep one of them", "header %q is here twice: also at %s", clip(e.Key), at.origin())
			continue
		}
		first[name] = e.at
		if t := &e.Value; t.ok {
			if !isFieldValue(t.Value) {
				t.reject(b.ps, "a header value is one line, without control characters and space around it", "header %q: the value cannot be sent", clip(e.Key))
			}
			a.Headers[name] = t.Value
		}
	}
	return a
}

// badHeader says why a header cannot be set on a fixed answer: the edge frames
// the message itself (RFC 9112 section 6, RFC 9110 section 7.6.1) and names it.
func badHeader(name string) (what, hint string) {
	switch {
	case !isToken(name):
		return "is not a header name", "a name has letters, digits and hyphens"
	case slices.Contains([]string{"connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}, strings.ToLower(name)):
		return "cannot be set", "the edge frames the answer itself: remove it"
	case strings.EqualFold(name, "x-request-id"):
		return "cannot be set", "every answer carries the id of its record: remove it"
	}
	return "", ""
}

// isFieldValue reports whether s can be a field value (RFC 9110 section 5.5).
func isFieldValue(s string) bool {
	for _, c := range []byte(s) {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return strings.Trim(s, " \t") == s
}

// redirect reads a redirect in either form.
func (b *builder) redirect(f *shortOr[redirectFile]) *Redirect {
	a, to := &Redirect{Status: 308}, &f.Short
	if f.long {
		to = &f.Long.To
		if !to.set && f.Long.ok && !f.Long.odd {
			b.ps.errorAt(f.at, "add to: https://example.com", "the redirect does not say where to")
		}
		if status := &f.Long.Status; status.ok {
			if a.Status = status.Value; !slices.Contains([]int{301, 302, 303, 307, 308}, a.Status) {
				status.reject(b.ps, "308 and 307 keep the method and body; 301, 302 and 303 do not", "%s of a redirect cannot be %s", status.what, status.written)
			}
		}
	}
	if !to.ok {
		return a
	}
	target, err := parseRedirect(to.Value)
	if err != nil {
		to.rejectErr(b.ps, err)
	}
	a.To = target
	return a
}

// parseRedirect checks where a redirect leads to.
func parseRedirect(s string) (string, error) {
	example := "write https://example.com; path and query of the request are added"
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return "", &hinted{"is not a URL", example}
	case u.Scheme != "http" && u.Scheme != "https":
		return "", &hinted{"does not start with http:// or https://", example}
	case u.Host == "" || u.Opaque != "":
		return "", &hinted{"has no host", example}
	case u.User != nil:
		return "", &hinted{"has a user name or password", example}
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(s, "#"):
		return "", &hinted{"has a query or a fragment", example}
	}
	host := u.Hostname()
	if strings.HasPrefix(u.Host, "[") {
		_, err = netip.ParseAddr(host)
	} else {
		_, err = parseUpstreamHost(host)
	}
	if err != nil {
		return "", &hinted{"has a host that is none", example}
	}
	if strings.HasSuffix(u.Host, ":") {
		return "", &hinted{"has a bad port", example}
	}
	if port := u.Port(); port != "" {
		if _, err := parsePort(port, 1); err != nil {
			return "", err
		}
	}
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"<>\^{|}`+"`", c) >= 0 {
			return "", &hinted{"has a character that cannot be in a URL", "write it percent-encoded"}
		}
	}
	return strings.TrimRight(s, "/"), nil
}

// checkServed looks whether the file or directory of a route is there and can
// be read: a path that is wrong from the start is a slip, not an outage.
func (b *builder) checkServed(t *text, path string, dir bool) {
	info, err := os.Stat(path)
	if err != nil {
		err = pathless(err)
		t.ok = false
		p := t.at.problem("a relative path starts at the folder of this file", fmt.Sprintf("%s: %s %s", t.what, t.shown(), err))
		p.cause = err
		b.ps.add(p)
		return
	}
	switch {
	case dir && !info.IsDir():
		t.reject(b.ps, "for one file write `file`", "%s: %s is not a directory", t.what, t.shown())
	case !dir && info.IsDir():
		t.reject(b.ps, "for all files in it write `files`", "%s: %s is a directory", t.what, t.shown())
	case !dir && !info.Mode().IsRegular():
		t.reject(b.ps, "", "%s: %s is not a regular file", t.what, t.shown())
	default:
		f, err := os.Open(path)
		if err != nil {
			t.reject(b.ps, "let the user the edge runs as read it", "%s: %s %s", t.what, t.shown(), pathless(err))
			return
		}
		_ = f.Close() // opened to see whether it can be
	}
}

// checkNotFile rejects a data directory that is something else.
func (b *builder) checkNotFile(t *text, path string) {
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		t.reject(b.ps, "name a directory; it is made if it does not exist", "%s: %s is not a directory", t.what, t.shown())
	}
}
