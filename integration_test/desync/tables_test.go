package desync

import "testing"

// tables are all the attacks, by theme.
func tables() []table {
	return []table{
		requestLines(),
		requestLineEnds(),
		targets(),
		fieldSyntax(),
		contentLength(),
		bodyless(),
		transferEncoding(),
		chunkSizes(),
		chunkExtensions(),
		chunkEnds(),
		trailers(),
		hostField(),
		absoluteForm(),
		hopByHop(),
		upgrades(),
		expects(),
		pipelines(),
		limits(),
		paths(),
		spoofing(),
	}
}

// minimum is the number of cases that this package promises.
const minimum = 1000

func TestTables(t *testing.T) {
	n := 0
	names := map[string]bool{}
	bytes := map[string]string{}
	for _, tb := range tables() {
		t.Logf("%4d %s", len(tb.cases), tb.name)
		for _, c := range tb.cases {
			n++
			full := tb.name + "/" + c.name
			if names[full] {
				t.Errorf("two cases are called %s", full)
			}
			names[full] = true
			if len(c.want) == 0 {
				t.Errorf("%s expects nothing", full)
			}
			key := wireKey(c)
			if other, ok := bytes[key]; ok {
				t.Errorf("%s and %s send the same", full, other)
			}
			bytes[key] = full
		}
	}
	t.Logf("%4d in all", n)
	if n < minimum {
		t.Errorf("%d cases, fewer than %d", n, minimum)
	}
}

// wireKey identifies what a case does on the wire.
func wireKey(c testCase) string {
	key := ""
	for _, w := range c.writes {
		key += w.after.String() + w.data + "\x00"
	}
	if c.halfClose {
		key += "half"
	}
	return key
}
