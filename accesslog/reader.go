package accesslog

import (
	"crypto/cipher"
	"fmt"
	"os"
	"path/filepath"

	lru "github.com/hashicorp/golang-lru/v2"
)

const openKeys = 256 // data keys a Reader remembers

// Reader reads the records of a data directory, also while an edge writes them:
// it takes no lock and changes nothing. A line that is not whole yet is not
// there yet. It is safe for concurrent use.
type Reader struct {
	dir  string
	keys *lru.Cache[string, segmentKey]
	// searchRefs is how many records a search knows the places of at a time.
	searchRefs int
}

type segmentKey struct {
	id   string
	aead cipher.AEAD
}

// OpenReader opens the data directory dir for reading. It need not hold any
// record yet, but it must exist.
func OpenReader(dir string) (*Reader, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("record store: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("record store: %s is not a directory", dir)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	keys, err := lru.New[string, segmentKey](openKeys)
	if err != nil {
		return nil, err
	}
	return &Reader{dir: dir, keys: keys, searchRefs: searchRefs}, nil
}
