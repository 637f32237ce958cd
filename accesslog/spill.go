package accesslog

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"

	"filippo.io/age"
)

const spillSuffix = ".part"

// spill is the file of one body that is too big for memory: an age file to the
// recipients, data/captured/blobs/EPOCH-NNNNNNNN.age.part while it is written
// and data/captured/blobs/DAY/EPOCH-NNNNNNNN.age once sealed.
//
// The process has to read the file back, for another try upstream, and must not
// need the private key for it. So it remembers the file's own key, which age
// made, in memory, until the capture is released. Nothing of that is in the file:
// it is a plain age file, and nobody but the owners of the private keys and this
// process, while it lives, can read it.
type spill struct {
	store  *Store
	number uint64
	file   file // nil once closed
	path   string
	age    io.WriteCloser
	key    *fileKeyKeeper
}

func (s *Store) newSpill() (*spill, error) {
	number := s.blobs.Add(1)
	name := filepath.Join(s.blobDir(), blobName(s.epoch, number)+spillSuffix)
	f, err := s.disk.Create(name)
	if err != nil {
		return nil, fmt.Errorf("spilling a body: %w", err)
	}
	sp := &spill{store: s, number: number, file: f, path: name}
	recipients := asRecipients(s.recipients)
	sp.key = &fileKeyKeeper{Recipient: recipients[0]}
	recipients[0] = sp.key
	if sp.age, err = age.Encrypt(fullWriter{f}, recipients...); err != nil {
		sp.remove()
		return nil, fmt.Errorf("spilling a body: %w", err)
	}
	return sp, nil
}

func blobName(epoch uint32, number uint64) string { return fmt.Sprintf("%06d-%08d.age", epoch, number) }

func (s *spill) write(p []byte) error {
	if _, err := s.age.Write(p); err != nil {
		return fmt.Errorf("spilling a body: %w", err)
	}
	return nil
}

// seal makes the file whole and durable under its final name, which it returns
// relative to the directory of blobs, with slashes, and sets sum to the SHA-256 of
// the body:
//
//	write(last chunk) read all of it back; fdatasync close; mkdir blobs/DAY, fsync blobs (the first time)
//	rename(blobs/X.part, blobs/DAY/X) fsync blobs/DAY
//
// The old name needs no sync: if it comes back after a power cut, it is a second
// name of the same file, and recovery moves it to the quarantine.
//
// The sum is made by reading the file back, not while it is written: most bodies are
// of requests that succeed, and nobody asks for theirs.
func (s *spill) seal(sum *[sha256.Size]byte) (string, error) {
	err := s.age.Close()
	if err == nil {
		err = s.sum(sum)
	}
	if err == nil {
		err = s.file.Datasync()
	}
	if closed := s.file.Close(); err == nil {
		err = closed
	}
	s.file = nil
	if err != nil {
		return "", fmt.Errorf("sealing a body: %w", err)
	}
	day := s.store.now().UTC().Format(dayLayout)
	dir, err := s.store.blobDays.ensure(day)
	if err != nil {
		return "", fmt.Errorf("sealing a body: %w", err)
	}
	name := blobName(s.store.epoch, s.number)
	final := filepath.Join(dir, name)
	if err := s.store.disk.Rename(s.path, final); err != nil {
		_ = s.store.disk.Remove(final) // should it have happened all the same
		s.store.blobDays.forget()
		return "", fmt.Errorf("sealing a body: %w", err)
	}
	s.path = final
	if err := s.store.disk.SyncDir(dir); err != nil {
		return "", fmt.Errorf("sealing a body: %w", err)
	}
	return path.Join(day, name), nil
}

// sum hashes the finished file's plaintext.
func (s *spill) sum(sum *[sha256.Size]byte) error {
	r, err := s.open(math.MaxInt64, nil)
	if err != nil {
		return err
	}
	h := sha256.New()
	_, err = io.Copy(h, r)
	h.Sum(sum[:0])
	return errors.Join(err, r.Close())
}

// open reads the first n bytes of the body from the file and then tail.
func (s *spill) open(n int64, tail []byte) (io.ReadCloser, error) {
	if n == 0 {
		return io.NopCloser(bytes.NewReader(tail)), nil
	}
	f, err := os.Open(s.path)
	if err != nil {
		return nil, err
	}
	r, err := age.Decrypt(f, age.NewInjectedFileKeyIdentity(s.key.fileKey))
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return openChain{io.MultiReader(io.LimitReader(r, n), bytes.NewReader(tail)), f}, nil
}

// remove gives the file up. The name may come back after a power cut; then
// recovery, or retention, deals with it.
func (s *spill) remove() {
	if s.file != nil {
		_ = s.file.Close()
		s.file = nil
	}
	_ = s.store.disk.Remove(s.path)
}

// fileKeyKeeper is a recipient that keeps a copy of the key it is given to wrap.
type fileKeyKeeper struct {
	age.Recipient
	fileKey []byte
}

// Wrap is called once per file.
func (k *fileKeyKeeper) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	k.fileKey = slices.Clone(fileKey)
	return k.Recipient.Wrap(fileKey)
}

// fullWriter makes a short write an error, which age does not check.
type fullWriter struct{ file file }

func (w fullWriter) Write(p []byte) (int, error) {
	n, err := w.file.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return n, err
}
