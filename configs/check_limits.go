package configs

import (
	"math"
	"time"
)

// The defaults of the contract, section 1.
const (
	defaultConnect       = 2 * time.Second
	defaultResponse      = 30 * time.Second
	defaultHealth        = 5 * time.Second
	defaultHeaderTimeout = 10 * time.Second
	defaultBodyTimeout   = 30 * time.Second
	defaultIdleTimeout   = 75 * time.Second
	defaultMaxHeader     = 32 << 10
	defaultMaxBody       = 64 << 20
)

// Every connection has a buffer for the head of a request: the bounds keep it
// useful and affordable.
const (
	leastMaxHeader = 1 << 10
	mostMaxHeader  = 1 << 20
)

// checkLimits reads limits, log and unmatched.
func (b *builder) checkLimits(f *mainFile) {
	l := &b.cfg.Limits
	l.HeaderTimeout = b.timeout(&f.Limits.HeaderTimeout, defaultHeaderTimeout)
	l.BodyTimeout = b.timeout(&f.Limits.BodyTimeout, defaultBodyTimeout)
	l.IdleTimeout = b.timeout(&f.Limits.IdleTimeout, defaultIdleTimeout)

	l.MaxHeader = defaultMaxHeader
	if s := &f.Limits.MaxHeader; s.ok {
		if l.MaxHeader = s.Value; s.Value < leastMaxHeader || s.Value > mostMaxHeader {
			s.reject(b.ps, "the default is "+FormatSize(defaultMaxHeader), "%s must be from %s to %s", s.what, FormatSize(leastMaxHeader), FormatSize(mostMaxHeader))
		}
	}
	l.MaxBody = defaultMaxBody
	if s := &f.Limits.MaxBody; s.ok {
		if l.MaxBody = s.Value; s.Value == 0 {
			s.reject(b.ps, "the default is "+FormatSize(defaultMaxBody), "%s is 0: every request with a body would be refused", s.what)
		}
	}
	if n := &f.Limits.MaxConnections; n.ok {
		if l.MaxConnections = n.Value; n.Value < 0 || n.Value > math.MaxInt32 {
			n.reject(b.ps, "0 means no limit", "%s cannot be negative", n.what)
		}
	}

	b.cfg.Log.MaxBody = l.MaxBody
	if s := &f.Log.MaxBody; s.ok {
		b.cfg.Log.MaxBody = s.Value
		if s.Value < l.MaxBody {
			most := FormatSize(l.MaxBody)
			if f.Limits.MaxBody.expanded {
				most = f.Limits.MaxBody.written
			}
			least := FormatSize(s.Value)
			if s.expanded {
				least = s.written
			}
			b.ps.warnAt(s.at, "raise log.max_body to "+most+", or lower limits.max_body",
				"bodies over %s are accepted up to %s but not kept whole: such a request cannot be replayed when it fails", least, most)
		}
	}

	b.cfg.Unmatched.Respond = b.unmatched(&f.Unmatched.Respond)
}

// unmatched reads the answer to hosts that no site names.
func (b *builder) unmatched(w *word) int {
	if !w.ok {
		return 421
	}
	switch w.Value {
	case "421":
		return 421
	case "404":
		return 404
	case "drop":
		return 444
	}
	if b.appAt[string(w.Value)].src != nil && !w.expanded {
		w.reject(b.ps, "write 421, 404 or drop; to serve a host, name it in a site",
			"`unmatched` never goes to an app: a host that no site names is refused, %s must not answer for it", w.shown())
	} else {
		w.reject(b.ps, "write 421, 404 or drop (close without an answer)", "%s cannot be %s", w.what, w.shown())
	}
	return 0
}
