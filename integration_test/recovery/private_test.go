package recovery

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// private checks that nothing below the data directory is open to others, and that
// none of the words (credentials, addresses, bodies) stands there in clear.
func private(t *testing.T, data string, words ...string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(data, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has the mode %v", path, info.Mode())
		}
		if !info.Mode().IsRegular() {
			return nil
		}
		files++
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, word := range words {
			if bytes.Contains(text, []byte(word)) {
				t.Errorf("%s has %q in clear", path, word)
			}
		}
		return nil
	})
	if err != nil || files < 3 {
		t.Errorf("looking through %d files below %s: %v", files, data, err)
	}
}
