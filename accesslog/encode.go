package accesslog

import (
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"
)

// Bounds on what a client can put into a clear line, in bytes before escaping.
// The whole of it is in the payload.
const (
	maxClearURI         = 8 << 10
	maxClearHost        = 1 << 10
	maxClearMethod      = 256
	maxClearText        = 1 << 10
	maxClearHeaderName  = 256
	maxClearHeaderValue = 8 << 10
	maxClearHeaders     = 64
)

// appendClear appends the fields of r that stand in clear, in the order of the
// contract, as a JSON object without its closing brace. It allocates nothing
// but what b needs to grow. The hash of the body is written only if hash is
// set: access lines do not carry one.
func appendClear(b []byte, r *Record, hash bool) []byte {
	b = append(b, `{"ts":"`...)
	b = appendTime(b, r.Time)
	b = append(b, `","id":"`...)
	b = append(b, r.ID[:]...)
	b = append(b, `","outcome":"`...)
	b = append(b, r.Outcome.String()...)
	b = append(b, `","status":`...)
	b = strconv.AppendInt(b, int64(r.Status), 10)
	b = append(b, `,"duration":`...)
	b = appendSeconds(b, r.Duration)
	b = append(b, `,"generation":`...)
	b = appendString(b, r.Generation, maxClearText)
	b = append(b, `,"site":`...)
	b = appendString(b, r.Site, maxClearText)
	b = append(b, `,"route":`...)
	b = appendString(b, r.Route, maxClearText)
	b = append(b, `,"app":`...)
	b = appendString(b, r.App, maxClearText)
	b = append(b, `,"upstream":`...)
	b = appendString(b, r.Upstream, maxClearText)
	b = append(b, `,"match":`...)
	b = appendString(b, r.Match, maxClearText)
	b = append(b, `,"stage":`...)
	b = appendString(b, r.Stage, maxClearText)
	if r.Reason != "" {
		b = append(b, `,"reason":`...)
		b = appendString(b, r.Reason, maxClearText)
	}
	b = appendRequest(b, r)
	b = appendUserAgent(b, &r.UserAgent)
	b = append(b, `,"bytes_read":`...)
	b = strconv.AppendInt(b, r.BytesRead, 10)
	b = append(b, `,"size":`...)
	b = strconv.AppendInt(b, r.Size, 10)
	return appendBody(b, &r.Body, hash)
}

func appendRequest(b []byte, r *Record) []byte {
	b = append(b, `,"request":{"client_ip":"`...)
	if a := clearAddress(r.Client.Addr()); a.IsValid() {
		b = a.AppendTo(b)
	}
	b = append(b, `","proto":`...)
	b = appendString(b, r.Proto, maxClearText)
	b = append(b, `,"method":`...)
	b = appendBytes(b, r.Method, maxClearMethod)
	b = append(b, `,"host":`...)
	b, wholeHost := appendHost(b, r.Host, maxClearHost)
	b = append(b, `,"uri":`...)
	b, wholeURI := appendTarget(b, r.URI, maxClearURI)
	if !wholeHost || !wholeURI || len(r.Method) > maxClearMethod {
		b = append(b, `,"cut":true`...)
	}
	b = appendHeaders(b, r.Headers)
	if r.TLSServerName != "" || r.TLSVersion != "" {
		b = append(b, `,"tls":{"server_name":`...)
		b = appendString(b, r.TLSServerName, maxClearText)
		b = append(b, `,"version":`...)
		b = appendString(b, r.TLSVersion, maxClearText)
		b = append(b, '}')
	}
	return append(b, '}')
}

// appendHeaders appends the fields as Caddy does: an object of lists under
// canonical names, fields of the same name in one list.
func appendHeaders(b []byte, headers []Header) []byte {
	b = append(b, `,"headers":{`...)
	headers = headers[:min(len(headers), maxClearHeaders)]
	first := true
	for i := range headers {
		name := headers[i].Name
		if isCredential(name) || namedBefore(headers[:i], name) {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = appendHeaderName(b, name)
		b = append(b, ':', '[')
		b = appendHeaderValue(b, name, headers[i].Value)
		for j := i + 1; j < len(headers); j++ {
			if strings.EqualFold(headers[j].Name, name) {
				b = append(b, ',')
				b = appendHeaderValue(b, name, headers[j].Value)
			}
		}
		b = append(b, ']')
	}
	return append(b, '}')
}

// appendHeaderValue appends the value of a field. One that is a URL loses its
// name and password.
func appendHeaderValue(b []byte, name string, value []byte) []byte {
	if strings.EqualFold(name, "Referer") || strings.EqualFold(name, "Origin") {
		b, _ = appendURL(b, unsafeString(value), maxClearHeaderValue)
		return b
	}
	return appendBytes(b, value, maxClearHeaderValue)
}

func namedBefore(headers []Header, name string) bool {
	for i := range headers {
		if strings.EqualFold(headers[i].Name, name) {
			return true
		}
	}
	return false
}

// isCredential tells the fields that never stand in clear.
func isCredential(name string) bool {
	switch len(name) {
	case len("Cookie"):
		return strings.EqualFold(name, "Cookie")
	case len("Set-Cookie"):
		return strings.EqualFold(name, "Set-Cookie")
	case len("Authorization"):
		return strings.EqualFold(name, "Authorization")
	case len("Proxy-Authorization"):
		return strings.EqualFold(name, "Proxy-Authorization")
	}
	return false
}

// appendHeaderName appends name with the capitals that Go, Caddy and GoAccess
// expect: at the start and after each hyphen. The name as it was sent is in the
// payload.
func appendHeaderName(b []byte, name string) []byte {
	start := len(b)
	b = appendString(b, name, maxClearHeaderName)
	upper := true
	for i := start + 1; i < len(b)-1; i++ {
		c := b[i]
		switch {
		case c == '\\': // an escape: leave the whole name as it is
			return b
		case upper && c >= 'a' && c <= 'z':
			b[i] = c - ('a' - 'A')
		case !upper && c >= 'A' && c <= 'Z':
			b[i] = c + ('a' - 'A')
		}
		upper = c == '-'
	}
	return b
}

func appendUserAgent(b []byte, u *UserAgent) []byte {
	b = append(b, `,"user_agent":{"browser":`...)
	b = appendString(b, u.Browser, maxClearText)
	b = append(b, `,"version":`...)
	b = appendString(b, u.Version, maxClearText)
	b = append(b, `,"os":`...)
	b = appendString(b, u.OS, maxClearText)
	b = append(b, `,"mobile":`...)
	b = strconv.AppendBool(b, u.Mobile)
	b = append(b, `,"bot":`...)
	b = strconv.AppendBool(b, u.Bot)
	return append(b, '}')
}

func appendBody(b []byte, body *Body, hash bool) []byte {
	b = append(b, `,"body":{"bytes":`...)
	b = strconv.AppendInt(b, body.Bytes, 10)
	b = append(b, `,"complete":`...)
	b = strconv.AppendBool(b, body.Complete)
	b = append(b, `,"truncated":`...)
	b = strconv.AppendBool(b, body.Truncated)
	if hash && body.Hashed {
		b = append(b, `,"sha256":"`...)
		b = hex.AppendEncode(b, body.SHA256[:])
		b = append(b, '"')
	}
	return append(b, '}')
}

// clearAddress is the part of a client's address that may stand in clear: the
// network, /24 for IPv4 and /48 for IPv6, with zeros for the rest.
func clearAddress(a netip.Addr) netip.Addr {
	if !a.IsValid() {
		return a
	}
	a = a.Unmap().WithZone("")
	p, err := a.Prefix(clearBits(a))
	if err != nil {
		return netip.Addr{}
	}
	return p.Addr()
}

func clearBits(a netip.Addr) int {
	if a.Is4() {
		return 24
	}
	return 48
}
