package tlsgate

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Certificate is a pair in use. It is read again when its files change; what is not
// good never replaces what is. Its methods are safe for concurrent use.
type Certificate struct {
	gate  *Gate
	hosts []string // what it has to cover
	live  atomic.Pointer[inUse]

	mu      sync.Mutex     // guards what follows
	tried   [2]fs.FileInfo // the files that were read last, good or bad
	trouble string         // the last error that was returned
	said    time.Time      // when Ending was last due
}

type inUse struct {
	pair   *Pair
	config *tls.Config
}

// Certificate takes a pair into use for the hosts, which it covers. How it stands now
// is known already: Due begins a day later.
func (g *Gate) Certificate(p *Pair, hosts []string, now time.Time) *Certificate {
	c := &Certificate{gate: g, hosts: hosts, tried: p.read, said: now}
	c.live.Store(&inUse{p, g.config(p)})
	return c
}

// Pair is the one that is served now.
func (c *Certificate) Pair() *Pair { return c.live.Load().pair }

// Refresh reads the files again if they are not those that were read last, and returns
// whether another certificate is served now. An error says why the files are not used;
// the same one is returned once. It is cheap where nothing changed: two stats.
func (c *Certificate) Refresh() (renewed bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.Pair()
	now, same := c.look(was.files)
	if same {
		c.trouble = ""
		return false, nil
	}
	p, err := Load(was.files)
	if err == nil {
		now = p.read
		err = c.uncovered(p)
	}
	if err != nil {
		err = fmt.Errorf("%s %w", fileOf(was.files, err), err)
		if err.Error() == c.trouble {
			return false, nil
		}
		c.trouble = err.Error()
		return false, err
	}
	c.trouble, c.tried = "", now
	if slices.EqualFunc(p.cert.Certificate, was.cert.Certificate, bytes.Equal) {
		return false, nil // touched, or the same key written anew
	}
	c.said = time.Time{}
	c.live.Store(&inUse{p, c.gate.config(p)})
	return true, nil
}

// Readable is an error if this process could not read the files again. They may have been
// read by root, and the process be somebody else by now.
func (c *Certificate) Readable() error {
	f := c.Pair().files
	for _, path := range []string{f.Cert, f.Key} {
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		_ = file.Close() // opened to see whether it can be
	}
	return nil
}

// look asks for the two files, and whether they are those that were read last.
func (c *Certificate) look(f Files) (now [2]fs.FileInfo, same bool) {
	for i, path := range []string{f.Cert, f.Key} {
		info, err := os.Stat(path)
		if err != nil {
			return now, false
		}
		now[i] = info
		was := c.tried[i]
		if was == nil || !os.SameFile(was, info) || !was.ModTime().Equal(info.ModTime()) || was.Size() != info.Size() {
			return now, false
		}
	}
	return now, true
}

// uncovered is an error if the pair lacks a host that it is used for.
func (c *Certificate) uncovered(p *Pair) error {
	var missing []string
	for _, h := range c.hosts {
		if !p.Covers(h) {
			missing = append(missing, h)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return &FileError{Reason: "does not cover " + strings.Join(missing, ", ")}
}

// fileOf is the path that an error of Load is about.
func fileOf(f Files, err error) string {
	if bad, ok := err.(*FileError); ok && bad.Key {
		return f.Key
	}
	return f.Cert
}

// Due reports how the certificate stands if it is time to say so: once a day while it
// is not valid, or not for much longer.
func (c *Certificate) Due(now time.Time) (Validity, bool) {
	v := c.Pair().At(now)
	c.mu.Lock()
	defer c.mu.Unlock()
	if v == Valid || now.Sub(c.said) < 24*time.Hour {
		return v, false
	}
	c.said = now
	return v, true
}
