//go:build linux

package proxy

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// startHAProxy starts haproxy with two threads. Its log goes to a file, by way of
// stdout: of the ways that lose no line this is the cheapest for it. (A datagram
// for each line, to syslog, costs it five microseconds a request more.)
func startHAProxy(k Kind, programs Programs, at Place, dir, addr string) (*Process, error) {
	bind := addr
	if k.TLS {
		pem, err := joined(dir, at.Cert, at.Key)
		if err != nil {
			return nil, err
		}
		bind += fmt.Sprintf(" ssl crt %s ssl-min-ver TLSv1.3", pem)
	}
	path, err := write(dir, "haproxy.cfg", haproxyConfig(k, at, bind))
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "access.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close() // haproxy has it
	return launch(k.Label, dir, environment(nil), log, programs.HAProxy, "-db", "-f", path)
}

// joined writes certificate and key into one file, as haproxy wants them.
func joined(dir, cert, key string) (string, error) {
	var all []byte
	for _, path := range []string{cert, key} {
		text, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		all = append(all, text...)
	}
	path := filepath.Join(dir, "both.pem")
	return path, os.WriteFile(path, all, 0o600)
}

// haproxyConfig lets haproxy have more connections than twice its open files would
// do for: idle ones have no connection to the app.
func haproxyConfig(k Kind, at Place, bind string) string {
	proto := "http"
	if k.TLS {
		proto = "https"
	}
	return strings.NewReplacer("BIND", bind, "BACKEND", at.Backend, "HOST", Host, "PROTO", proto).Replace(`
global
  nbthread 2
  maxconn 15000
  no strict-limits
  log stdout format raw local0
defaults
  mode http
  log global
  option httplog
  option dontlognull
  option forwardfor
  http-reuse always
  timeout client 75s
  timeout server 30s
  timeout connect 2s
  timeout http-request 10s
  timeout http-keep-alive 75s
frontend in
  bind BIND
  http-request set-header X-Forwarded-Proto PROTO
  acl ours hdr(host),field(1,:) -i HOST localhost
  http-request deny deny_status 421 unless ours
  default_backend app
backend app
  server app BACKEND maxconn 4096 pool-max-conn 128
`)
}
