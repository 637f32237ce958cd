//go:build linux

package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/holdfast-edge/holdfast/bench/proxy"
	"github.com/holdfast-edge/holdfast/bench/report"
	"github.com/holdfast-edge/holdfast/bench/suite"
)

// find builds what the workloads need of ours, and Caddy, and looks for the
// others. Without Caddy its rows are left out; it may not be downloadable here.
func find(ctx context.Context, o options, workloads []suite.Workload, dir string, say func(string)) (proxy.Programs, error) {
	p := proxy.Programs{Edge: o.edge, EdgeEnv: o.edgeEnv}
	needs := func(f func(proxy.Kind) bool) bool {
		for _, w := range workloads {
			for _, e := range w.Entries {
				if f(e.Kind) {
					return true
				}
			}
		}
		return false
	}
	build := func(to *string, name, folder string, args ...string) error {
		say("building " + name)
		*to = filepath.Join(dir, name)
		cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-o", *to}, args...)...)
		cmd.Dir = folder
		out, err := cmd.CombinedOutput()
		if err != nil {
			*to = ""
			return errors.Join(ctx.Err(), fmt.Errorf("building %s (is this the repository's folder?): %w\n%s", name, err, out))
		}
		return nil
	}
	if p.Edge == "" {
		if err := build(&p.Edge, "edge-binary", ".", "./cmd/edge"); err != nil {
			return p, err
		}
	}
	var err error
	if p.Edge, err = filepath.Abs(p.Edge); err != nil {
		return p, err
	}
	if needs(func(k proxy.Kind) bool { return k.NoSync }) {
		if err := build(&p.EdgeNoSync, "edge-nosync", ".", "-tags", "nosync", "./cmd/edge"); err != nil {
			return p, err
		}
	}
	if needs(func(k proxy.Kind) bool { return k.Program == "caddy" }) {
		if err := build(&p.Caddy, "caddy-binary", "bench/caddy", "."); ctx.Err() != nil {
			return p, ctx.Err()
		} else if err != nil {
			say("")
			fmt.Fprintln(os.Stderr, "bench: without Caddy:", err)
		}
	}
	if _, err := exec.LookPath("wrk"); err != nil {
		return p, errors.New("wrk is not there: make install-tools")
	}
	p.Nginx, p.HAProxy = look("nginx"), look("haproxy")
	return p, nil
}

// look finds a server's program; Debian has them where users do not look.
func look(name string) string {
	for _, n := range []string{name, "/usr/sbin/" + name} {
		if path, err := exec.LookPath(n); err == nil {
			return path
		}
	}
	return ""
}

// versions asks each program what it is. An edge that was given is not of the
// commit that stands there; it is named.
func versions(ctx context.Context, p proxy.Programs, given string) []report.Version {
	all := []report.Version{{Name: "Go", Version: firstLine(ctx, "go", "env", "GOVERSION")}}
	if given != "" {
		all = append(all, report.Version{Name: "edge", Version: given})
	}
	for _, v := range []struct{ name, path, flag, cut string }{
		{"nginx", p.Nginx, "-v", "nginx version: nginx/"}, {"haproxy", p.HAProxy, "-v", "HAProxy version "},
		{"Caddy", p.Caddy, "version", ""}, {"wrk", "wrk", "-v", "wrk "},
	} {
		if v.path != "" {
			line := strings.TrimPrefix(firstLine(ctx, v.path, v.flag), v.cut)
			line, _, _ = strings.Cut(line, " ") // dates, hashes, addresses
			all = append(all, report.Version{Name: v.name, Version: line})
		}
	}
	return all
}

// firstLine is what a program says first, whatever its exit code is.
func firstLine(ctx context.Context, program string, args ...string) string {
	out, _ := exec.CommandContext(ctx, program, args...).CombinedOutput()
	line, _, _ := strings.Cut(string(out), "\n")
	return line
}

// commit is of the repository in whose folder we are.
func commit(ctx context.Context) string {
	hash := firstLine(ctx, "git", "rev-parse", "--short=12", "HEAD")
	if firstLine(ctx, "git", "status", "--porcelain", "--untracked-files=no") != "" {
		hash += "+changes"
	}
	return hash
}

// certificate makes one for all of them: ECDSA P-256, as most have today.
func certificate(dir string) (cert, key string, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", err
	}
	now := time.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "localhost"},
		DNSNames: []string{"localhost", proxy.Host}, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(0, 1, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		return "", "", err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return "", "", err
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	return cert, key, errors.Join(
		os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644),
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
}
