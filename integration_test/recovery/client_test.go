package recovery

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"time"
)

// request is one request as the client sends it.
type request struct {
	method, target string
	fields         []field // Host among them; the framing is added
	body           []byte
	chunked        bool // with chunks of odd sizes, and the trailers
	trailers       []field
	framed         bool // a Content-Length even if there is no body
	old            bool // HTTP/1.0
}

// bytes is the request as it goes over the wire.
func (r *request) bytes() []byte {
	var b bytes.Buffer
	version := "HTTP/1.1"
	if r.old {
		version = "HTTP/1.0"
	}
	fmt.Fprintf(&b, "%s %s %s\r\n", r.method, r.target, version)
	for _, f := range r.fields {
		fmt.Fprintf(&b, "%s:%s\r\n", f.name, f.value)
	}
	switch {
	case r.chunked:
		b.WriteString("Transfer-Encoding: chunked\r\n\r\n")
		size := rand.New(rand.NewPCG(uint64(len(r.body)), 1)) // the same each time
		for rest := r.body; len(rest) > 0; {
			n := min(len(rest), 1+size.IntN(1+len(r.body)/3))
			fmt.Fprintf(&b, "%x\r\n%s\r\n", n, rest[:n])
			rest = rest[n:]
		}
		b.WriteString("0\r\n")
		for _, f := range r.trailers {
			fmt.Fprintf(&b, "%s: %s\r\n", f.name, f.value)
		}
		b.WriteString("\r\n")
		return b.Bytes()
	case len(r.body) > 0 || r.framed:
		b.WriteString("Content-Length: " + strconv.Itoa(len(r.body)) + "\r\n")
	}
	b.WriteString("\r\n")
	b.Write(r.body)
	return b.Bytes()
}

// client is one keep-alive connection to an edge, made when it is needed. One
// goroutine uses it.
type client struct {
	addr  string
	from  string // the address it comes from
	dials int    // how often it had to connect

	nc net.Conn
	r  *bufio.Reader
}

// patience bounds one exchange.
const patience = 60 * time.Second

func (c *client) connect() error {
	if c.nc != nil {
		return nil
	}
	d := net.Dialer{Timeout: 10 * time.Second}
	if c.from != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(c.from)}
	}
	nc, err := d.Dial("tcp", c.addr)
	if err != nil {
		return err
	}
	c.dials++
	c.nc, c.r = nc, bufio.NewReaderSize(nc, 16<<10)
	return nil
}

func (c *client) close() {
	if c.nc != nil {
		_ = c.nc.Close()
		c.nc = nil
	}
}

// do sends a request and returns its answer. The head is told to noted, if that is
// set, the moment it has arrived: whatever comes after, the client was answered.
func (c *client) do(r *request, noted func(*answer)) (*answer, error) {
	return c.raw(r.bytes(), r.method, noted)
}

// raw is do for any bytes. It reads while it writes: an answer may come early.
func (c *client) raw(p []byte, method string, noted func(*answer)) (*answer, error) {
	if err := c.connect(); err != nil {
		return nil, err
	}
	_ = c.nc.SetDeadline(time.Now().Add(patience))
	nc, wrote := c.nc, make(chan error, 1)
	go func() {
		_, err := nc.Write(p)
		wrote <- err
	}()
	a, err := readAnswerHead(c.r)
	if err == nil {
		if noted != nil {
			noted(a)
		}
		err = a.readRest(c.r, method)
	}
	if err != nil || a.close {
		// It may still be writing what nobody reads.
		c.close()
	}
	if wErr := <-wrote; wErr != nil {
		if err != nil {
			err = errors.Join(err, wErr)
		}
		c.close()
	}
	return a, err
}
