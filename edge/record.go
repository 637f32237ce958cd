package edge

import (
	"bytes"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/accesslog"
	"github.com/holdfast-edge/holdfast/edge/exchange"
	"github.com/holdfast-edge/holdfast/edge/http1"
)

// clientOf is who asked: the peer, or whom a trusted proxy names.
type clientOf struct {
	addr   netip.AddrPort
	scheme string
	proxy  netip.Addr // the peer, if it is a trusted proxy
}

// findClient believes X-Forwarded-For and X-Forwarded-Proto of trusted peers: the
// client is the last address in the list that is not a trusted proxy itself.
func (f *flight) findClient() {
	x := f.x
	f.client = clientOf{addr: x.Remote, scheme: x.Scheme}
	if len(f.gen.cfg.TrustedProxies) == 0 || !f.gen.trusts(x.Remote.Addr()) {
		return
	}
	f.client.proxy = x.Remote.Addr()
	scheme := false
	unclear := false // an element that names nobody: what is left of it may be made up
	for i := len(x.Fields) - 1; i >= 0; i-- {
		field := &x.Fields[i]
		switch field.ID {
		case exchange.XForwardedProto:
			// Of several the last was added by the proxy; others may be its client's.
			switch {
			case scheme:
			case exchange.Is(field.Value, "https"):
				f.client.scheme = "https"
			case exchange.Is(field.Value, "http"):
				f.client.scheme = "http"
			}
			scheme = true
		case exchange.XForwardedFor:
			if unclear || !f.gen.trusts(f.client.addr.Addr()) {
				continue
			}
			list := bytes.Split(field.Value, []byte(","))
			for k := len(list) - 1; k >= 0 && f.gen.trusts(f.client.addr.Addr()); k-- {
				a, ok := parseForwarded(string(bytes.TrimSpace(list[k])))
				if unclear = !ok; unclear {
					break
				}
				f.client.addr = a
			}
		}
	}
}

// parseForwarded reads an element of X-Forwarded-For: an address, and a port where
// the proxy wrote one.
func parseForwarded(s string) (netip.AddrPort, bool) {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return netip.AddrPortFrom(a.Unmap().WithZone(""), 0), true
	}
	a, err := netip.ParseAddrPort(s)
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port()), err == nil
}

// commit puts the captured record on disk: the rest of the body is read, the
// payload sealed, and the record written and synced. It returns when that is so,
// or when it has been said that it could not be.
func (f *flight) commit() {
	if f.committed {
		return
	}
	f.readRest()
	f.committed = true
	f.fillRecord()
	r := &f.record
	complete := f.bodyErr == io.EOF && f.x.Malformed == nil
	body, kept, blob, err := f.capture.Seal(complete)
	if err != nil {
		f.edge.unrecorded(f, err)
	}
	r.Body = body
	f.payload = accesslog.Payload{Client: f.client.addr, Scheme: f.client.scheme, Peer: f.client.proxy,
		Head: f.x.Head, Body: kept, Blob: blob}
	if complete {
		for _, t := range f.x.Body.Trailers() {
			f.payload.Trailer = http1.AppendField(f.payload.Trailer, t.Name, t.Value)
		}
	}
	r.Payload = &f.payload
	if err := f.edge.store.Commit(r); err != nil {
		f.edge.unrecorded(f, err)
	}
	r.Payload = nil
}

// fillRecord writes down what is known of the exchange now.
func (f *flight) fillRecord() {
	x, r := f.x, &f.record
	r.ID, r.Time, r.Duration = f.id, x.Arrival, time.Since(x.Arrival)
	x.Now = x.Arrival.Add(r.Duration)
	r.Outcome, r.Status, r.Reason = f.outcome, f.status, f.reason
	r.Generation, r.Stage = f.gen.id, "stable"
	r.Match = f.decision.Match.String()
	if s := f.decision.Site; s != nil {
		r.Site = s.Name
	}
	if rt := f.decision.Route; rt != nil {
		r.Route = rt.Path
	}
	r.App, r.Upstream = f.decision.App, f.upstream
	r.Client = f.client.addr
	r.Proto, r.Method, r.Host, r.URI = x.Proto, x.Method, x.Host, x.Target
	if x.TLS != nil {
		r.TLSServerName, r.TLSVersion = x.TLS.ServerName, x.TLS.Version
	}
	r.Headers = f.headers[:0]
	for i := range x.Fields {
		field := &x.Fields[i]
		var name string
		switch field.ID {
		case exchange.UserAgent:
			name = "User-Agent"
			r.UserAgent = f.edge.agents.Parse(field.Value)
		case exchange.Referer:
			name = "Referer"
		case exchange.ContentType:
			name = "Content-Type"
		default:
			continue
		}
		if len(r.Headers) < len(f.headers) {
			r.Headers = append(r.Headers, accesslog.Header{Name: name, Value: field.Value})
		}
	}
	r.BytesRead = int64(len(x.Head)) + f.capture.Len() + f.tunnelRead
	r.Size = x.Answer.Sent() + f.tunnelSent
	if !f.committed {
		r.Body = accesslog.Body{Bytes: f.capture.Len(), Complete: f.bodyErr == io.EOF || f.bodyErr == nil && x.Length == 0}
	}
}

func statusText(status int) string {
	if t := http.StatusText(status); t != "" {
		return t
	}
	return "Refused"
}
