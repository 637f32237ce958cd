package configs

import (
	"net"
	"net/netip"
	"strings"

	"github.com/holdfast-edge/holdfast/routing"
)

// Values of App.Host that are not a name.
const (
	HostKeep     = "keep"     // the app is told the host that the client asked for
	HostUpstream = "upstream" // the app is told the authority of its upstream's URL
)

// maxSocketPath is the longest path of a unix socket in bytes: sockaddr_un.sun_path
// has 108 with its NUL (unix(7)).
const maxSocketPath = 107

// Upstream is one address of an app.
type Upstream struct {
	Scheme    string // "http", "https" or "unix", which is HTTP over a unix socket
	Address   string // what to dial: host:port, lower-case, IPv6 in brackets; of unix the path
	Authority string // what to call it in a Host field: host[:port], the scheme's own port left out; of unix "localhost"
	URL       string // what to show: scheme and Authority; of unix "unix:" and the path
	Origin    routing.Origin
}

// ParseUpstream reads http://host[:port], https://host[:port] or unix:PATH. A relative
// path stays relative. Its errors may have a Hint, and leave s out.
func ParseUpstream(s string) (Upstream, error) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		return parseSocket(path)
	}
	scheme, rest, found := strings.Cut(s, "://")
	if !found {
		meant := "http://" + s
		if scheme, rest, ok := strings.Cut(s, ":/"); ok {
			meant = scheme + "://" + rest
		} else if strings.HasPrefix(s, "/") {
			meant = "unix:" + s
		}
		return Upstream{}, &hinted{"has no scheme", "did you mean " + meant + "?"}
	}
	scheme = strings.ToLower(scheme)
	port := ""
	switch scheme {
	case "http":
		port = "80"
	case "https":
		port = "443"
	case "h2c":
		return Upstream{}, &hinted{"has a scheme that is not built yet", "write http://host:port; most servers that speak h2c also speak HTTP/1.1"}
	default:
		return Upstream{}, &hinted{"has an unknown scheme", "write http://host:port, https://host:port or unix:PATH"}
	}
	if path, ok := strings.CutPrefix(rest, "unix:"); ok { // as nginx writes it
		path, _, _ = strings.Cut(path, ":")
		return Upstream{}, &hinted{"is a unix socket with a scheme before it", "did you mean unix:" + path + "?"}
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		part := map[byte]string{'/': "a path", '?': "a query", '#': "a fragment"}[rest[i]]
		short := scheme + "://" + rest[:i]
		if strings.Contains(rest, "@") { // what is before it may be half a password
			short = scheme + "://host:port"
		}
		return Upstream{}, &hinted{"has " + part, "write " + short + ": an upstream is an address, the path is the request's"}
	}
	if i := strings.LastIndex(rest, "@"); i >= 0 {
		return Upstream{}, &hinted{"has a user name or password", "write " + scheme + "://" + rest[i+1:]}
	}
	host, port, err := parseAuthority(rest, port)
	if err != nil {
		return Upstream{}, err
	}
	u := Upstream{Scheme: scheme, Address: net.JoinHostPort(host, port)}
	u.Authority = u.Address
	if scheme == "http" && port == "80" || scheme == "https" && port == "443" {
		u.Authority = strings.TrimSuffix(u.Address, ":"+port)
	}
	u.URL = scheme + "://" + u.Authority
	return u, nil
}

// parseSocket checks the path of a unix socket.
func parseSocket(path string) (Upstream, error) {
	switch {
	case path == "":
		return Upstream{}, &hinted{"has no path", "write unix:/run/app.sock"}
	case strings.HasPrefix(path, "//"):
		return Upstream{}, &hinted{"has slashes like a URL", "did you mean unix:/" + strings.TrimLeft(path, "/") + "? A relative path is unix:run/app.sock"}
	case !isPath(path):
		return Upstream{}, &hinted{"has a character that no path has", "write unix:/run/app.sock"}
	case strings.HasSuffix(path, "/"):
		return Upstream{}, &hinted{"is a directory", "name the socket itself: unix:/run/app.sock"}
	}
	u := Upstream{Scheme: "unix", Authority: "localhost"}
	u.socket(path)
	return u, nil
}

// socket sets the path of a unix socket.
func (u *Upstream) socket(path string) { u.Address, u.URL = path, "unix:"+path }

// parseAuthority reads host[:port] and returns the host in lower case, IPv6
// without brackets. port is what it is if none is written.
func parseAuthority(s, port string) (host, portOf string, err error) {
	host = s
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return "", "", &hinted{"has a bracket that is not closed", "write http://[::1]:3000"}
		}
		addr, err := netip.ParseAddr(s[1:end])
		if err != nil || addr.Is4() {
			return "", "", &hinted{"has no IPv6 address between its brackets", "write http://[::1]:3000"}
		}
		host, s = addr.String(), s[end+1:]
		if s != "" {
			if s[0] != ':' {
				return "", "", &hinted{"has something after its address", "write http://[::1]:3000"}
			}
			port = s[1:]
		}
	} else {
		if i := strings.IndexByte(s, ':'); i >= 0 {
			host, port = s[:i], s[i+1:]
			if strings.Contains(port, ":") {
				return "", "", &hinted{"has an IPv6 address without brackets", "write http://[::1]:3000"}
			}
		}
		if host, err = parseUpstreamHost(host); err != nil {
			return "", "", err
		}
	}
	if _, err := parsePort(port, 1); err != nil {
		return "", "", err
	}
	return host, port, nil
}

// parseUpstreamHost checks an IPv4 address or a name for the resolver. Labels
// may have underscores, as the names of containers do.
func parseUpstreamHost(host string) (string, error) {
	if host == "" {
		return "", &hinted{"has no host", "write http://127.0.0.1:3000"}
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.String(), nil
	}
	host = strings.ToLower(host)
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || len(host) > 253 {
			return "", &hinted{"has a host name with an empty or too long part", "write http://host:port"}
		}
		for _, c := range []byte(label) {
			if !isDigit(c) && (c < 'a' || c > 'z') && c != '-' && c != '_' {
				return "", &hinted{"has a character that no host name has", "a name has letters, digits, `-`, `_` and dots; write others as xn--…"}
			}
		}
	}
	// "127.1" and "0x7f.1" are addresses to some resolvers and names to others.
	if last := labels[len(labels)-1]; isDigit(last[0]) {
		return "", &hinted{"has a host that ends like an IP address but is none", "write all four numbers, in decimal"}
	}
	return host, nil
}
