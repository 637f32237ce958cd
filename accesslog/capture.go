package accesslog

import (
	"bytes"
	"crypto/sha256"
	"io"
	"os"
	"sync"
)

// The sizes of the buffers a Capture grows through. What does not fit the last
// goes to the disk.
const (
	smallBuffer  = 4 << 10
	middleBuffer = 16 << 10
	memoryLimit  = 64 << 10
)

// buffers are pooled by size.
type buffers struct{ small, middle, large sync.Pool }

func newBuffers() *buffers {
	b := new(buffers)
	b.small.New = func() any { return new([smallBuffer]byte) }
	b.middle.New = func() any { return new([middleBuffer]byte) }
	b.large.New = func() any { return new([memoryLimit]byte) }
	return b
}

// get returns an empty buffer with room for n bytes, at most memoryLimit.
func (b *buffers) get(n int) []byte {
	switch {
	case n <= smallBuffer:
		return b.small.Get().(*[smallBuffer]byte)[:0]
	case n <= middleBuffer:
		return b.middle.Get().(*[middleBuffer]byte)[:0]
	}
	return b.large.Get().(*[memoryLimit]byte)[:0]
}

func (b *buffers) put(p []byte) {
	switch cap(p) {
	case smallBuffer:
		b.small.Put((*[smallBuffer]byte)(p[:smallBuffer]))
	case middleBuffer:
		b.middle.Put((*[middleBuffer]byte)(p[:middleBuffer]))
	case memoryLimit:
		b.large.Put((*[memoryLimit]byte)(p[:memoryLimit]))
	}
}

// Capture keeps the body of one request while it passes: in memory up to 64 KiB,
// beyond that in a sealed file that is written as the body arrives. It never
// fails the exchange: what it cannot keep is counted, and the capture is
// truncated.
//
// Release must be called once, at the end. A Capture is used by one goroutine at
// a time.
type Capture struct {
	store *Store
	limit int64

	arrived int64
	kept    int64
	alias   []byte // the caller's bytes, instead of mem
	// mem holds all that was kept, or, once there is a spill, the part of it
	// that the spill has not written yet.
	mem   []byte
	spill *spill
	err   error

	sealed bool
	body   Body
	blob   *Blob
}

// Alias gives the capture the first bytes of the body without copying them. The
// bytes must stay as they are until Release. If something was captured before,
// or the bytes are more than fit in memory, it does what Write does.
func (c *Capture) Alias(p []byte) {
	if c.arrived > 0 || len(p) > memoryLimit {
		_, _ = c.Write(p)
		return
	}
	c.arrived = int64(len(p))
	c.alias = p[:min(int64(len(p)), c.limit)]
	c.kept = int64(len(c.alias))
}

// Write captures p. It always takes all of p and returns no error, so that it
// can stand in the path of a copy; Err tells whether something went wrong.
// Nothing may be written after Seal.
func (c *Capture) Write(p []byte) (int, error) {
	n := len(p)
	c.arrived += int64(n)
	if room := c.limit - c.kept; int64(len(p)) > room {
		p = p[:max(room, 0)]
	}
	if len(p) == 0 || c.err != nil || c.sealed {
		return n, nil
	}
	if c.spill == nil && c.kept+int64(len(p)) <= memoryLimit {
		c.grow(int(c.kept) + len(p))
		c.mem = append(c.mem, p...)
		c.kept += int64(len(p))
		return n, nil
	}
	if err := c.writeSpill(p); err != nil {
		c.fail(err)
	}
	return n, nil
}

// grow gives mem room for n bytes in all, and moves an alias into it.
func (c *Capture) grow(n int) {
	if cap(c.mem) >= n && c.alias == nil {
		return
	}
	bigger := append(c.store.buffers.get(n), c.memory()...)
	c.store.buffers.put(c.mem)
	c.mem, c.alias = bigger, nil
}

func (c *Capture) memory() []byte {
	if c.alias != nil {
		return c.alias
	}
	return c.mem
}

// writeSpill writes p to the spill, which it makes out of what is in memory if
// there is none yet. From then on mem mirrors what the age writer holds back:
// it writes a chunk of 64 KiB only when more comes after it.
func (c *Capture) writeSpill(p []byte) error {
	if c.spill == nil {
		s, err := c.store.newSpill()
		if err != nil {
			return err // what is in memory stays
		}
		c.grow(memoryLimit)
		c.spill = s
		if err := s.write(c.mem); err != nil {
			return err
		}
	}
	for len(p) > 0 {
		if len(c.mem) == memoryLimit {
			c.mem = c.mem[:0]
		}
		part := p[:min(len(p), memoryLimit-len(c.mem))]
		c.mem = append(c.mem, part...)
		if err := c.spill.write(part); err != nil {
			return err
		}
		c.kept += int64(len(part))
		p = p[len(part):]
	}
	return nil
}

// fail notes the first error. A spill that failed cannot be read to its end, so
// it is given up, and with it the room it takes.
func (c *Capture) fail(err error) {
	c.err = err
	if c.spill != nil {
		c.spill.remove()
		c.spill = nil
		c.mem = c.mem[:0]
		c.kept = 0
	}
}

// Err returns what kept the capture from keeping all, other than its limit.
func (c *Capture) Err() error { return c.err }

// Len returns how many bytes of the body arrived, kept or not.
func (c *Capture) Len() int64 { return c.arrived }

// Truncated reports whether some of the bytes that arrived were not kept.
func (c *Capture) Truncated() bool { return c.kept < c.arrived }

// Memory returns the whole body so far, if all of it was kept and is in memory.
// The bytes are valid until the next Write or Release.
func (c *Capture) Memory() ([]byte, bool) {
	if c.spill != nil || c.Truncated() {
		return nil, false
	}
	return c.memory(), true
}

// Open reads what was kept from its beginning, wherever it is. It can be called
// several times, before and after Seal; the reader must be closed before the
// next Write, Seal or Release.
func (c *Capture) Open() (io.ReadCloser, error) {
	if c.spill == nil {
		return io.NopCloser(bytes.NewReader(c.memory())), nil
	}
	if c.sealed {
		return c.spill.open(c.kept, nil)
	}
	return c.spill.open(c.kept-int64(len(c.mem)), c.mem)
}

// Seal ends the capture. complete says whether the client sent the whole body.
// It returns what a record needs: the Body for the clear line, and the bytes, or
// the file that holds them, durable with its directory by then. The bytes are
// valid until Release. If the file could not be made durable, the body is marked
// truncated, there is neither, and the error says why; the record can be
// committed all the same.
//
// A second call returns what the first did.
func (c *Capture) Seal(complete bool) (Body, []byte, *Blob, error) {
	if c.sealed {
		return c.result()
	}
	if c.spill == nil {
		c.body.SHA256 = sha256.Sum256(c.memory())
	} else if name, err := c.spill.seal(&c.body.SHA256); err != nil {
		c.fail(err)
		c.body.SHA256 = sha256.Sum256(nil)
	} else {
		c.blob = &Blob{Name: name, Bytes: c.kept}
	}
	c.sealed = true
	c.body.Hashed = true
	c.body.Bytes = c.arrived
	c.body.Complete = complete
	c.body.Truncated = c.Truncated()
	return c.result()
}

func (c *Capture) result() (Body, []byte, *Blob, error) {
	if c.blob != nil {
		return c.body, nil, c.blob, c.err
	}
	return c.body, c.memory(), nil, c.err
}

// Release gives the memory back and removes the file, unless a record names it
// that is durable, or may have reached the disk in a Commit that failed. The Capture, and what it handed out, must not be used after.
func (c *Capture) Release() {
	if c.spill != nil && (c.blob == nil || !c.blob.named) {
		c.spill.remove()
	}
	c.store.buffers.put(c.mem)
	*c = Capture{store: c.store}
	c.store.captures.Put(c)
}

// openChain reads a file and then some bytes from memory.
type openChain struct {
	io.Reader
	file *os.File
}

func (o openChain) Close() error { return o.file.Close() }
