package http1

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/holdfast-edge/holdfast/edge/exchange"
	"github.com/holdfast-edge/holdfast/integration_test/differential/generate"
	"github.com/holdfast-edge/holdfast/integration_test/differential/rfc"
)

// seeds are how many generated messages a fuzz target begins with.
const seeds = 300

// sameFields reports whether fields are those of the reference.
func sameFields(ours []exchange.Field, theirs []rfc.Field) bool {
	return slices.EqualFunc(ours, theirs, func(a exchange.Field, b rfc.Field) bool {
		return string(a.Name) == b.Name && string(a.Value) == b.Value
	})
}

// hostsAreRouted: what is a host is decided by package routing.
func hostsAreRouted(why string) bool {
	return strings.HasPrefix(why, "a Host field that is no host") || strings.HasPrefix(why, "user information in the target") ||
		strings.HasPrefix(why, "a target without a host")
}

// A head is read as the RFC reads it, or refused, and refused only if something about it
// is wrong or rare. Byte by byte it is the same head. Written again it is the same request.
func FuzzRequest(f *testing.F) {
	for i := range uint64(seeds) {
		f.Add([]byte(generate.Request(1, i).Stream))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var r, slow Request
		n, bad := r.Parse(data)
		for i := 0; i <= len(data); i++ {
			m, badNow := slow.Parse(data[:i])
			if m > 0 || badNow != nil {
				if m != n || badNow != bad {
					t.Fatalf("whole: %d %v; after %d bytes: %d %v", n, bad, i, m, badNow)
				}
				break
			}
		}
		ref := rfc.ReadRequestHead(string(data))
		if bad != nil {
			if ref.Fate == rfc.Read && len(ref.Marks)+len(ref.Flaws) == 0 {
				t.Fatalf("refused (%v), but valid: %q", bad, data)
			}
			return
		}
		switch {
		case n == 0 && ref.Fate == rfc.Read:
			t.Fatalf("waits for more of a complete head: %q", data)
		case n == 0:
			return
		case ref.Fate == rfc.Refused && hostsAreRouted(ref.Why):
			return
		case ref.Fate != rfc.Read:
			t.Fatalf("read, but %v: %s: %q", ref.Fate, ref.Why, data)
		}
		length := int64(ref.Length)
		if ref.Framing == rfc.Chunked {
			length = -1
		}
		if n != ref.HeadSize || string(r.Method) != ref.Method || string(r.Target) != ref.Target || !strings.EqualFold(string(r.Host), ref.Authority) ||
			r.Length != length || r.Close == ref.Persist || r.Expect != ref.Expect || !sameFields(r.Fields, ref.Fields) {
			t.Fatalf("%q\nis read as %+v\nreference %+v", data, r, ref)
		}
		out := append(append(append([]byte{}, r.Method...), ' '), r.Target...)
		out = append(out, " HTTP/1.1\r\n"...)
		for i := range r.Fields {
			out = AppendField(out, r.Fields[i].Name, r.Fields[i].Value)
		}
		out = append(out, "\r\n"...)
		var again Request
		if _, err := again.Parse(out); err != nil && r.Minor == 1 {
			t.Fatalf("%q is refused when it is written again: %v", data[:n], err)
		}
	})
}

// An answer is read as the RFC reads it, or refused, and refused only if something about
// it is wrong or rare.
func FuzzResponse(f *testing.F) {
	for i := range uint64(seeds) {
		c := generate.Response(1, i)
		f.Add([]byte(c.Stream), c.Method == "HEAD")
	}
	f.Fuzz(func(t *testing.T, data []byte, head bool) {
		method := "GET"
		if head {
			method = "HEAD"
		}
		var r Response
		n, bad := r.Parse(data)
		ref := rfc.ReadResponse(string(data), method)
		plain := ref.Fate == rfc.Read && len(ref.Marks)+len(ref.Flaws) == 0
		if n == 0 {
			if ref.Fate == rfc.Read && bad == nil || plain {
				t.Fatalf("%v, but valid: %q", bad, data)
			}
			return
		}
		var buf Buffer
		buf.Reset(bytes.NewReader(data[n:]))
		var d Decoder
		r.Body(&d, &buf, []byte(method))
		body, err := io.ReadAll(&d)
		if err != nil {
			if plain {
				t.Fatalf("%v, but valid: %q", err, data)
			}
			return
		}
		rest, _ := io.ReadAll(io.MultiReader(bytes.NewReader(buf.Unread()), buf.src))
		if ref.Fate != rfc.Read || r.Status != ref.Status || string(body) != string(ref.Body) || string(rest) != string(data[ref.Size:]) ||
			r.Close == ref.Persist || !sameFields(r.Fields, ref.Fields) || !sameFields(d.Trailers(), ref.Trailers) {
			t.Fatalf("%q\nis read as %+v with %q\nreference %+v", data, r, body, ref)
		}
	})
}

// A chunked body is read as the RFC reads it, or refused, and refused only if something
// about it is wrong or rare. In whatever pieces it comes, Read and Next agree and take the
// same bytes.
func FuzzDecoder(f *testing.F) {
	for i := range uint64(seeds) {
		f.Add([]byte(generate.Chunked(1, i)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		a, d, buf, errA := decodeAll(bytes.NewReader(data), bodyChunked, 0, true)
		b, slow, _, errB := decodeAll(iotest.OneByteReader(bytes.NewReader(data)), bodyChunked, 0, false)
		if a != b || (errA == nil) != (errB == nil) || len(d.Trailers()) != len(slow.Trailers()) {
			t.Fatalf("at once %q %v, byte by byte %q %v", a, errA, b, errB)
		}
		ref := rfc.ReadChunked(string(data))
		if errA != nil {
			if ref.Fate == rfc.Read && len(ref.Marks)+len(ref.Flaws) == 0 {
				t.Fatalf("refused (%v), but valid: %q", errA, data)
			}
			return
		}
		rest, _ := io.ReadAll(io.MultiReader(bytes.NewReader(buf.Unread()), buf.src))
		if ref.Fate != rfc.Read || a != string(ref.Body) || string(rest) != string(data[ref.Size:]) || !sameFields(d.Trailers(), ref.Trailers) {
			t.Fatalf("%q\nis read as %q %v\nreference %+v", data, a, d.Trailers(), ref)
		}
	})
}
