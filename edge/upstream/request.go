package upstream

import (
	"net/netip"

	"github.com/holdfast-edge/holdfast/edge/exchange"
	"github.com/holdfast-edge/holdfast/edge/http1"
)

// Origin is what the edge tells an app about where a request came from. It is
// the same for the live try and for every replay of it.
type Origin struct {
	ID      string     // X-Request-Id
	Peer    netip.Addr // added to X-Forwarded-For
	Scheme  string     // X-Forwarded-Proto
	Host    string     // takes the place of what the client's Host field says; "": it stays
	Trusted bool       // the peer is a trusted proxy: its own X-Forwarded-*, X-Request-Id and X-Edge-* stay
	Key     bool       // send an Idempotency-Key, the id where the client sent none
	Replay  string     // the value of X-Edge-Replay; "" on the live try
}

// AppendHead appends the head of the request as it leaves for an app. Fields keep
// their order and bytes; those that concern one connection only are left out, those
// that only the edge may say are replaced, and the message is framed anew: length is
// the size of the body in bytes, or -1 for chunked.
func AppendHead(b []byte, x *exchange.Exchange, o *Origin, length int64) []byte {
	b = append(b, x.Method...)
	b = append(b, ' ')
	b = append(b, x.Target...)
	b = append(b, " HTTP/1.1\r\n"...)

	var forwardedFor []byte
	var hasProto, hasHost, hasID, hasKey, hasLength bool
	for i := range x.Fields {
		f := &x.Fields[i]
		switch f.ID {
		case exchange.ContentLength:
			hasLength = true
			continue
		case exchange.Expect:
			continue
		case exchange.Host:
			if o.Host != "" {
				b = append(append(b, f.Name...), ": "...)
				b = append(append(b, o.Host...), "\r\n"...)
				continue
			}
		case exchange.XForwardedFor:
			if o.Trusted {
				if forwardedFor != nil {
					// Several field lines are one list (RFC 9110, section 5.3).
					forwardedFor = append(append(forwardedFor[:len(forwardedFor):len(forwardedFor)], ", "...), f.Value...)
				} else {
					forwardedFor = f.Value
				}
			}
			continue
		case exchange.XForwardedProto, exchange.XForwardedHost, exchange.XForwardedOther,
			exchange.Forwarded, exchange.XRequestID, exchange.XEdge:
			if !o.Trusted || o.Replay != "" && exchange.Is(f.Name, "x-edge-replay") {
				continue
			}
			hasProto = hasProto || f.ID == exchange.XForwardedProto
			hasHost = hasHost || f.ID == exchange.XForwardedHost
			hasID = hasID || f.ID == exchange.XRequestID
		case exchange.IdempotencyKey:
			hasKey = true
		default:
			if f.ID.HopByHop() {
				continue
			}
		}
		b = http1.AppendField(b, f.Name, f.Value)
	}

	b = append(b, "X-Forwarded-For: "...)
	if len(forwardedFor) > 0 {
		b = append(b, forwardedFor...)
		b = append(b, ", "...)
	}
	b = o.Peer.AppendTo(b)
	if !hasProto {
		b = append(b, "\r\nX-Forwarded-Proto: "...)
		b = append(b, o.Scheme...)
	}
	if !hasHost {
		b = append(b, "\r\nX-Forwarded-Host: "...)
		b = append(b, x.Host...)
	}
	if !hasID {
		b = append(b, "\r\nX-Request-Id: "...)
		b = append(b, o.ID...)
	}
	if o.Key && !hasKey {
		b = append(b, "\r\nIdempotency-Key: "...)
		b = append(b, o.ID...)
	}
	if o.Replay != "" {
		b = append(b, "\r\nX-Edge-Replay: "...)
		b = append(b, o.Replay...)
	}
	b = append(b, "\r\n"...)
	switch {
	case length < 0:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	case length > 0 || hasLength:
		b = http1.AppendLength(b, length)
	}
	if x.Upgrade != nil {
		b = append(b, "Connection: Upgrade\r\nUpgrade: "...)
		b = append(b, x.Upgrade...)
		b = append(b, "\r\n"...)
	}
	return append(b, "\r\n"...)
}

// KeyFor reports whether a request with the method carries an Idempotency-Key to an
// app that recognises one.
func KeyFor(method []byte) bool {
	return string(method) != "GET" && string(method) != "HEAD"
}

// IdempotentMethod reports whether a method may be sent again without asking
// (RFC 9110, section 9.2.2).
func IdempotentMethod(method []byte) bool {
	switch string(method) {
	case "GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE":
		return true
	}
	return false
}
