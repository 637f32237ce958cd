package accesslog

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// view is one line as a search sees it. Its texts point into the line.
type view struct {
	time                                                 time.Time
	timed                                                bool // the line has a ts
	id                                                   ID
	outcome                                              Outcome
	status                                               int
	duration                                             time.Duration
	generation, site, route, app, upstream, match, stage string
	reason                                               string
	clientIP, proto, method, host, uri                   string
	cut                                                  bool
	headers                                              []byte // the JSON object
	tls                                                  bool
	tlsName, tlsVersion                                  string
	agent                                                UserAgent
	bytesRead, size                                      int64
	body                                                 Body
	sealed                                               bool
	ordinal                                              int64
	blob                                                 string
	box                                                  []byte // base64
}

// isControl reports whether a line is one of the lines that are not records:
// {"segment":...}, {"end":...}, and {"batch":...}, which later formats have.
func isControl(line []byte) bool {
	return bytes.HasPrefix(line, []byte(`{"segment":`)) || bytes.HasPrefix(line, []byte(`{"end":`)) ||
		bytes.HasPrefix(line, []byte(`{"batch":`))
}

// decode reads a line. Keys it does not know are skipped; ts and id must be
// there. v is reused: what the line does not say is zero.
func (v *view) decode(line []byte) error {
	*v = view{}
	s := jsonScanner{b: line}
	if s.peek() != '{' {
		return errSyntax
	}
	s.object(func(key string) { v.field(&s, key) })
	s.end()
	if s.err != nil {
		return s.err
	}
	if !v.timed || v.id.IsZero() {
		return fmt.Errorf("%w: no ts or id", errSyntax)
	}
	return nil
}

func (v *view) field(s *jsonScanner, key string) {
	switch key {
	case "ts":
		v.time, v.timed = scanTime(s), true
	case "id":
		id, err := ParseID(s.str())
		if err != nil {
			s.fail()
		}
		v.id = id
	case "outcome":
		// A name that a later version knows is better read as "unknown" than
		// the record not at all.
		if err := v.outcome.UnmarshalText([]byte(s.str())); err != nil {
			v.outcome = 0
		}
	case "status":
		v.status = s.smallInteger()
	case "duration":
		d, ok := parseSeconds(s.number())
		if !ok {
			s.fail()
		}
		v.duration = d
	case "generation":
		v.generation = s.str()
	case "site":
		v.site = s.str()
	case "route":
		v.route = s.str()
	case "app":
		v.app = s.str()
	case "upstream":
		v.upstream = s.str()
	case "match":
		v.match = s.str()
	case "stage":
		v.stage = s.str()
	case "reason":
		v.reason = s.str()
	case "request":
		s.object(func(key string) { v.requestField(s, key) })
	case "user_agent":
		s.object(func(key string) { v.agentField(s, key) })
	case "bytes_read":
		v.bytesRead = s.integer()
	case "size":
		v.size = s.integer()
	case "body":
		s.object(func(key string) { v.bodyField(s, key) })
	case "sealed":
		v.sealed = true
		s.object(func(key string) { v.sealedField(s, key) })
	default:
		s.skip()
	}
}

func (v *view) requestField(s *jsonScanner, key string) {
	switch key {
	case "client_ip":
		v.clientIP = s.str()
	case "proto":
		v.proto = s.str()
	case "method":
		v.method = s.str()
	case "host":
		v.host = s.str()
	case "uri":
		v.uri = s.str()
	case "cut":
		v.cut = s.boolean()
	case "headers":
		// Walked through here too, so that what a search accepts can be read.
		s.space()
		start := s.i
		scanHeaders(s, func(string, string) {})
		if s.err == nil {
			v.headers = s.b[start:s.i]
		}
	case "tls":
		v.tls = s.peek() != 'n'
		s.object(func(key string) {
			switch key {
			case "server_name":
				v.tlsName = s.str()
			case "version":
				v.tlsVersion = s.str()
			default:
				s.skip()
			}
		})
	default:
		s.skip()
	}
}

func (v *view) agentField(s *jsonScanner, key string) {
	switch key {
	case "browser":
		v.agent.Browser = s.str()
	case "version":
		v.agent.Version = s.str()
	case "os":
		v.agent.OS = s.str()
	case "mobile":
		v.agent.Mobile = s.boolean()
	case "bot":
		v.agent.Bot = s.boolean()
	default:
		s.skip()
	}
}

func (v *view) bodyField(s *jsonScanner, key string) {
	switch key {
	case "bytes":
		v.body.Bytes = s.integer()
	case "complete":
		v.body.Complete = s.boolean()
	case "truncated":
		v.body.Truncated = s.boolean()
	case "sha256":
		text := s.str()
		if text == "" {
			return
		}
		if len(text) != 2*len(v.body.SHA256) {
			s.fail()
			return
		}
		if _, err := hex.Decode(v.body.SHA256[:], []byte(text)); err != nil {
			s.fail()
			return
		}
		v.body.Hashed = true
	default:
		s.skip()
	}
}

func (v *view) sealedField(s *jsonScanner, key string) {
	switch key {
	case "n":
		v.ordinal = s.integer()
	case "blob":
		v.blob = s.str()
	case "box":
		raw, plain := s.rawString()
		if !plain {
			s.fail()
			return
		}
		v.box = raw
	default:
		s.skip()
	}
}

func scanHeaders(s *jsonScanner, field func(name, value string)) {
	s.object(func(name string) {
		s.array(func() {
			value := s.str()
			if s.err == nil {
				field(name, value)
			}
		})
	})
}

// scanTime reads the time as appendTime writes it, or as RFC 3339 in general.
func scanTime(s *jsonScanner) time.Time {
	text := s.str()
	if s.err != nil {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		s.fail()
		return time.Time{}
	}
	return t.UTC()
}

// entry makes a copy of v that is independent of the line.
func (v *view) entry() *Entry {
	e := &Entry{
		Time: v.time, ID: v.id, Outcome: v.outcome, Status: v.status, Duration: Seconds(v.duration),
		Generation: strings.Clone(v.generation), Site: strings.Clone(v.site), Route: strings.Clone(v.route),
		App: strings.Clone(v.app), Upstream: strings.Clone(v.upstream), Match: strings.Clone(v.match),
		Stage: strings.Clone(v.stage), Reason: strings.Clone(v.reason),
		Request: Request{
			ClientIP: strings.Clone(v.clientIP), Proto: strings.Clone(v.proto), Method: strings.Clone(v.method),
			Host: strings.Clone(v.host), URI: strings.Clone(v.uri), Cut: v.cut,
			Headers: make(map[string][]string),
		},
		UserAgent: UserAgent{
			Browser: strings.Clone(v.agent.Browser), Version: strings.Clone(v.agent.Version),
			OS: strings.Clone(v.agent.OS), Mobile: v.agent.Mobile, Bot: v.agent.Bot,
		},
		BytesRead: v.bytesRead, Size: v.size, Body: v.body,
	}
	if v.tls {
		e.Request.TLS = &TLS{ServerName: strings.Clone(v.tlsName), Version: strings.Clone(v.tlsVersion)}
	}
	if v.headers != nil {
		s := jsonScanner{b: v.headers}
		scanHeaders(&s, func(name, value string) {
			name = strings.Clone(name)
			e.Request.Headers[name] = append(e.Request.Headers[name], strings.Clone(value))
		})
	}
	return e
}
