package accesslog

import (
	"bytes"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// What is written by hand for speed is the same as what the library writes.
func TestAppendTimeIsRFC3339(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(rapid.Int64Range(-1<<33, 1<<38).Draw(t, "seconds"), rapid.Int64Range(0, 999999999).Draw(t, "ns"))
		want := at.UTC().AppendFormat(nil, "2006-01-02T15:04:05.000000000Z")
		if got := appendTime(nil, at); !bytes.Equal(got, want) {
			t.Fatalf("%s, want %s", got, want)
		}
	})
	for day := int64(0); day < 2932897; day += 97 { // to the end of 9999
		at := time.Unix(day*86400+86399, 1)
		want := at.UTC().AppendFormat(nil, "2006-01-02T15:04:05.000000000Z")
		if got := appendTime(nil, at); !bytes.Equal(got, want) {
			t.Fatalf("%s, want %s", got, want)
		}
	}
}

// Eight bytes at a time give what one at a time gives.
func TestPlainWord(t *testing.T) {
	for c := range 256 {
		for at := range 8 {
			text := []byte("abcdefgh")
			text[at] = byte(c)
			w := uint64(0)
			for i, b := range text {
				w |= uint64(b) << (8 * i)
			}
			if plainWord(w) != plainASCII[c] {
				t.Errorf("%q: %v", text, plainWord(w))
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "text")
		w, plain := uint64(0), true
		for i, b := range text {
			w |= uint64(b) << (8 * i)
			plain = plain && plainASCII[b]
		}
		if plainWord(w) != plain {
			t.Fatalf("%q: %v", text, plainWord(w))
		}
	})
}
