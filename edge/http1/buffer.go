package http1

import (
	"io"
	"sync"

	"github.com/holdfast-edge/holdfast/edge/socket"
)

// Sizes of pooled buffers, in bytes. Heads and small bodies fit the small one;
// streams use the large one, where a system call moves more.
const (
	smallBuffer = 8 << 10
	largeBuffer = 128 << 10
)

var (
	smallPool = sync.Pool{New: func() any { p := make([]byte, smallBuffer); return &p }}
	largePool = sync.Pool{New: func() any { p := make([]byte, largeBuffer); return &p }}
)

// GetBuffer returns a pooled buffer of at least n bytes. PutBuffer takes it back.
func GetBuffer(n int) *[]byte {
	switch {
	case n <= smallBuffer:
		return smallPool.Get().(*[]byte)
	case n <= largeBuffer:
		return largePool.Get().(*[]byte)
	}
	p := make([]byte, n)
	return &p
}

// PutBuffer gives a buffer back. Nothing may use it afterwards.
func PutBuffer(p *[]byte) {
	switch cap(*p) {
	case smallBuffer:
		smallPool.Put(p)
	case largeBuffer:
		largePool.Put(p)
	}
}

// Buffer reads a connection through a pooled buffer. Bytes before the mark are
// pinned: they hold a parsed head and stay where they are. Not safe for concurrent use.
type Buffer struct {
	src  io.Reader
	mem  *[]byte
	mark int // nothing before it moves
	r, w int // unread bytes are mem[r:w]
	// full is set when the last read filled the buffer: a stream that would gain
	// from a larger one.
	full bool
	// Moves counts how often unread bytes changed their place: what aliases them
	// must then be parsed again.
	Moves int
}

// Reset makes the buffer read from src. Unread bytes are lost.
func (b *Buffer) Reset(src io.Reader) {
	b.Free()
	b.src = src
}

// Unread returns what was read from the connection and not consumed. It is valid
// until the next Fill.
func (b *Buffer) Unread() []byte {
	if b.mem == nil {
		return nil
	}
	return (*b.mem)[b.r:b.w]
}

// Consume marks n unread bytes as used.
func (b *Buffer) Consume(n int) { b.r += n }

// Pin consumes n unread bytes and keeps them in place until Unpin.
func (b *Buffer) Pin(n int) {
	b.r += n
	b.mark = b.r
}

// Unpin lets pinned bytes go.
func (b *Buffer) Unpin() {
	b.mark = 0
	if b.r == b.w {
		b.r, b.w = 0, 0
	}
}

// Room returns how many bytes, the unread ones included, fit from the first unread one on.
func (b *Buffer) Room() int {
	if b.mem == nil {
		return smallBuffer
	}
	return len(*b.mem) - b.r
}

// Fill reads once from the connection. It returns nil if at least one byte was
// added. Unread bytes may move, and the buffer grows when it is full.
func (b *Buffer) Fill() error {
	if b.mem == nil {
		b.mem = GetBuffer(smallBuffer)
	}
	switch {
	case b.r == b.w && b.full && b.mark == 0 && len(*b.mem) < largeBuffer:
		PutBuffer(b.mem)
		b.mem, b.r, b.w = GetBuffer(largeBuffer), 0, 0
	case b.r == b.w:
		b.r, b.w = b.mark, b.mark
	}
	if b.w == len(*b.mem) {
		b.makeRoom()
	}
	n, err := b.src.Read((*b.mem)[b.w:])
	b.w += n
	b.full = b.w == len(*b.mem)
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// tryFill reads once into the empty buffer, in a step of s.Drive; room is how much
// it could have read.
func (b *Buffer) tryFill(s *socket.Conn) (n, room int, again bool, err error) {
	if b.mem == nil {
		b.mem = GetBuffer(smallBuffer)
	}
	b.r, b.w = b.mark, b.mark
	p := (*b.mem)[b.w:]
	n, again, err = s.TryRead(p)
	b.w += n
	return n, len(p), again, err
}

// makeRoom moves the unread bytes to the front of what is not pinned and, where
// that is not enough, to a larger buffer. Pinned bytes are never moved to another
// buffer while they are pinned: the old one is left to those who alias it.
func (b *Buffer) makeRoom() {
	b.Moves++
	unread := b.w - b.r
	if b.r > b.mark && unread <= (len(*b.mem)-b.mark)/2 {
		copy((*b.mem)[b.mark:], (*b.mem)[b.r:b.w])
		b.r, b.w = b.mark, b.mark+unread
		return
	}
	size := largeBuffer
	if n := 2 * unread; n > size {
		size = n
	}
	grown := GetBuffer(size)
	copy(*grown, (*b.mem)[b.r:b.w])
	if b.mark == 0 {
		PutBuffer(b.mem)
	}
	b.mem, b.mark, b.r, b.w = grown, 0, 0, unread
}

// empty forgets unread bytes, and gives the memory back if it is more than a small buffer.
func (b *Buffer) empty() {
	if b.mem != nil && cap(*b.mem) != smallBuffer {
		PutBuffer(b.mem)
		b.mem = nil
	}
	b.mark, b.r, b.w, b.full = 0, 0, 0, false
}

// Free gives the memory back and forgets unread bytes.
func (b *Buffer) Free() {
	if b.mem != nil {
		PutBuffer(b.mem)
	}
	b.mem, b.mark, b.r, b.w, b.full = nil, 0, 0, 0, false
}
