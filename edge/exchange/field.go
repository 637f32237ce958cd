package exchange

// Field is one header or trailer field. Name is as received; compare with ID or
// Is, never with ==.
type Field struct {
	Name  []byte
	Value []byte // without leading and trailing white space
	ID    FieldID
}

// FieldID identifies the fields that the edge itself acts on, so that the hot
// path compares one byte in place of a name.
type FieldID uint8

// The fields the edge knows by name.
const (
	Other FieldID = iota
	Host
	ContentLength
	TransferEncoding
	Connection
	KeepAlive
	ProxyConnection
	ProxyAuthenticate
	ProxyAuthorization
	TE
	Trailer
	Upgrade
	HTTP2Settings
	Expect
	XForwardedFor
	XForwardedProto
	XForwardedHost
	XForwardedOther // any other X-Forwarded-*
	Forwarded
	XRequestID
	XEdge     // any X-Edge-*
	Nominated // named by the Connection field of its message
	Lookalike // Content_Length and Transfer_Encoding, which some apps take for the real ones
	IdempotencyKey
	UserAgent
	Referer
	ContentType
	Date
)

// Identify returns the id of a field name, whatever its case.
func Identify(name []byte) FieldID {
	switch len(name) {
	case 2:
		if Is(name, "te") {
			return TE
		}
	case 4:
		switch {
		case Is(name, "host"):
			return Host
		case Is(name, "date"):
			return Date
		}
	case 6:
		if Is(name, "expect") {
			return Expect
		}
	case 7:
		switch {
		case Is(name, "upgrade"):
			return Upgrade
		case Is(name, "trailer"):
			return Trailer
		case Is(name, "referer"):
			return Referer
		}
	case 9:
		if Is(name, "forwarded") {
			return Forwarded
		}
	case 10:
		switch {
		case Is(name, "connection"):
			return Connection
		case Is(name, "user-agent"):
			return UserAgent
		case Is(name, "keep-alive"):
			return KeepAlive
		}
	case 12:
		switch {
		case Is(name, "content-type"):
			return ContentType
		case Is(name, "x-request-id"):
			return XRequestID
		}
	case 14:
		switch {
		case Is(name, "content-length"):
			return ContentLength
		case isLike(name, "content-length"):
			return Lookalike
		case Is(name, "http2-settings"):
			return HTTP2Settings
		}
	case 15:
		switch {
		case Is(name, "x-forwarded-for"):
			return XForwardedFor
		case Is(name, "idempotency-key"):
			return IdempotencyKey
		}
	case 16:
		switch {
		case Is(name, "x-forwarded-host"):
			return XForwardedHost
		case Is(name, "proxy-connection"):
			return ProxyConnection
		}
	case 17:
		switch {
		case Is(name, "transfer-encoding"):
			return TransferEncoding
		case isLike(name, "transfer-encoding"):
			return Lookalike
		case Is(name, "x-forwarded-proto"):
			return XForwardedProto
		}
	case 18:
		if Is(name, "proxy-authenticate") {
			return ProxyAuthenticate
		}
	case 19:
		if Is(name, "proxy-authorization") {
			return ProxyAuthorization
		}
	}
	if len(name) >= 7 && name[0]|0x20 == 'x' && (name[1] == '-' || name[1] == '_') {
		return identifyOwned(name)
	}
	return Other
}

// identifyOwned identifies the fields that only the edge may set, and those that
// become the same as these where an app reads them as variables (RFC 3875, section
// 4.1.18: "X_Forwarded_For" and "X-Forwarded-For" are both HTTP_X_FORWARDED_FOR).
func identifyOwned(name []byte) FieldID {
	switch {
	case isLike(name[:7], "x-edge-"):
		return XEdge
	case isLike(name, "x-request-id"):
		return XRequestID
	case len(name) >= 12 && isLike(name[:12], "x-forwarded-"):
		return XForwardedOther
	}
	return Other
}

func isLike(name []byte, lowerName string) bool {
	if len(name) != len(lowerName) {
		return false
	}
	for i, c := range name {
		if c == '_' {
			c = '-'
		}
		if lower(c) != lowerName[i] {
			return false
		}
	}
	return true
}

// Owned reports whether a field says something that only the edge, or a proxy it
// trusts, may say to an app.
func (id FieldID) Owned() bool {
	switch id {
	case XForwardedFor, XForwardedProto, XForwardedHost, XForwardedOther, Forwarded, XRequestID, XEdge:
		return true
	}
	return false
}

// HopByHop reports whether a field concerns one connection only and is never
// passed on (RFC 9110, section 7.6.1), whatever the Connection field says. The
// fields that frame a message are among them: each side writes its own.
// Proxy-Authenticate and Proxy-Authorization are meant for the edge as a proxy,
// which it never is towards its clients.
func (id FieldID) HopByHop() bool {
	switch id {
	case Connection, KeepAlive, ProxyConnection, ProxyAuthenticate, ProxyAuthorization,
		TE, Nominated, Lookalike, TransferEncoding, ContentLength, Upgrade, HTTP2Settings:
		return true
	}
	return false
}

// Is compares a token with a lower-case one, ignoring the case of ASCII letters
// (RFC 9110, section 5.1). It does not allocate.
func Is(token []byte, lower string) bool {
	if len(token) != len(lower) {
		return false
	}
	for i, c := range token {
		if c != lower[i] && (c < 'A' || c > 'Z' || c+('a'-'A') != lower[i]) {
			return false
		}
	}
	return true
}

// EqualFold reports whether two tokens are equal but for the case of ASCII letters.
func EqualFold(a, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i, c := range a {
		if lower(c) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}
