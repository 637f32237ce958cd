package replay

import (
	"testing"

	"github.com/holdfast-edge/holdfast/accesslog"
	"github.com/holdfast-edge/holdfast/routing"
)

// TestTodayOverTLS: what was refused for the name of its connection is judged as the edge
// judges it today: the same site, or the same certificate.
func TestTodayOverTLS(t *testing.T) {
	cfg := loadConfig(t, `
listen: {http: ":80", https: ":443"}
apps: {app: "http://127.0.0.1:4000"}
sites:
  - {hosts: [a.test, "*.a.test"], app: app, certificate: {cert: one.pem, key: one.key}}
  - {hosts: [b.test], app: app, certificate: {cert: ./one.pem, key: one.key}}
  - {hosts: [c.test], app: app, certificate: {cert: two.pem, key: two.key}}
  - {hosts: [d.test], app: app, https_redirect: false}
`)
	for _, test := range []struct {
		sni, host string
		served    bool
	}{
		{"a.test", "a.test", true},
		{"a.test", "x.a.test", true},
		{"a.test", "b.test:443", true},
		{"b.test", "x.a.test", true},
		{"a.test", "c.test", false},
		{"c.test", "a.test", false},
		{"a.test", "d.test", false},
		{"gone.test", "a.test", false},
		{"a.test", "gone.test", false},
	} {
		e := accesslog.Entry{Outcome: accesslog.SNIMismatch}
		e.Request.Host, e.Request.Method, e.Request.URI = test.host, "POST", "/"
		e.Request.TLS = &accesslog.TLS{ServerName: test.sni, Version: "1.3"}
		if d := Today(cfg, &e); (d.Verdict == routing.Served) != test.served {
			t.Errorf("%s for %s: %v, %s", test.sni, test.host, d.Verdict, d.Reason)
		}
	}
}
