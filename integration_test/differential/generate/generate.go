// Package generate makes HTTP/1.x messages, well-formed and ill-formed, for tests: it
// builds a message from the parts of the grammar and then breaks some of them, each in a
// way that some server has once read differently from another. The same seed and number
// always make the same message.
package generate

import (
	"math/rand/v2"
	"strings"
)

// Case is one stream of bytes and how it was made.
type Case struct {
	Stream string
	Method string   // of the request, also for the answer to one
	How    []string // the mutations, in the order they were done; none: well-formed
}

// gen draws from one source.
type gen struct{ *rand.Rand }

// one number of the seed is one case, whatever was drawn for the others.
func newGen(seed, n uint64) *gen {
	return &gen{rand.New(rand.NewPCG(seed, n*0x9e3779b97f4a7c15+1))}
}

func (g *gen) pick(of ...string) string { return of[g.IntN(len(of))] }
func (g *gen) chance(percent int) bool  { return g.IntN(100) < percent }

// letters is a random string of a length between the bounds.
func (g *gen) letters(least, most int) string {
	const from = "abcdefghijklmnopqrstuvwxyz0123456789"
	b := make([]byte, least+g.IntN(most-least+1))
	for i := range b {
		b[i] = from[g.IntN(len(from))]
	}
	return string(b)
}

func (g *gen) anyCase(s string) string {
	b := []byte(s)
	for i := range b {
		if g.chance(50) {
			b[i] = strings.ToUpper(string(b[i]))[0]
		}
	}
	return string(b)
}

// field is a field line in its parts.
type field struct{ name, sep, value, end string }

// chunk is a chunk in its parts. The last one has no data.
type chunk struct{ size, ext, end, data, dataEnd string }

// message is a request or an answer in its parts, which are only joined.
type message struct {
	lead                    string
	first, sp1, second, sp2 string // method and target, or version and status code
	third, lineEnd          string // version, or reason phrase
	fields                  []field
	headEnd                 string
	body                    string
	chunks                  []chunk
	trailers                []field
	bodyEnd                 string
	rest                    string
	host                    string // as the Host field has it
}

func (m *message) String() string {
	var b strings.Builder
	for _, s := range []string{m.lead, m.first, m.sp1, m.second, m.sp2, m.third, m.lineEnd} {
		b.WriteString(s)
	}
	lines := func(fields []field) {
		for _, f := range fields {
			b.WriteString(f.name + f.sep + f.value + f.end)
		}
	}
	lines(m.fields)
	b.WriteString(m.headEnd)
	if m.chunks == nil {
		b.WriteString(m.body)
	}
	for i, c := range m.chunks {
		b.WriteString(c.size + c.ext + c.end)
		if i < len(m.chunks)-1 {
			b.WriteString(c.data + c.dataEnd)
		}
	}
	if m.chunks != nil {
		lines(m.trailers)
		b.WriteString(m.bodyEnd)
	}
	return b.String() + m.rest
}

func line(name, value string) field { return field{name, ": ", value, "\r\n"} }

func (m *message) add(name, value string) { m.fields = append(m.fields, line(name, value)) }

// field is one of the fields; there is always one.
func (g *gen) field(m *message) *field {
	if len(m.fields) == 0 {
		m.add("X-Only", "1")
	}
	if g.chance(25) {
		return &m.fields[0]
	}
	return &m.fields[g.IntN(len(m.fields))]
}

// set replaces the value of the field, or adds the field.
func (m *message) set(name, value string) {
	for i := range m.fields {
		if strings.EqualFold(m.fields[i].name, name) {
			m.fields[i].value = value
			return
		}
	}
	m.add(name, value)
}

// drop removes all lines of the field.
func (m *message) drop(name string) {
	kept := m.fields[:0:0]
	for _, f := range m.fields {
		if !strings.EqualFold(f.name, name) {
			kept = append(kept, f)
		}
	}
	m.fields = kept
}

// shuffle puts the last field anywhere: the order must make no difference.
func (m *message) shuffle(g *gen) {
	if n := len(m.fields); n > 1 && g.chance(50) {
		i := g.IntN(n)
		m.fields[i], m.fields[n-1] = m.fields[n-1], m.fields[i]
	}
}

// A mutation breaks, or only bends, a message.
type mutation struct {
	name string
	do   func(*gen, *message)
}

// mutate applies none, one, or several mutations, and returns their names.
func (g *gen) mutate(m *message, from []mutation) (how []string) {
	n := 0
	switch p := g.IntN(100); {
	case p < 25:
	case p < 75:
		n = 1
	case p < 92:
		n = 2
	default:
		n = 3 + g.IntN(3)
	}
	for range n {
		mu := from[g.IntN(len(from))]
		mu.do(g, m)
		how = append(how, mu.name)
	}
	return how
}

// bytewise changes single bytes of a stream, as noise does that no grammar thinks of.
func (g *gen) bytewise(s string) string {
	b := []byte(s)
	for range 1 + g.IntN(3) {
		if len(b) == 0 {
			break
		}
		at := g.IntN(len(b))
		if g.chance(60) { // most of what matters is in front
			at = g.IntN(min(len(b), 120))
		}
		c := byte(g.IntN(256))
		if g.chance(60) {
			const telling = "\x00\t\n\v\f\r !\"#%,-./0:;=@\\_\x7f\x80\xa0\xff"
			c = telling[g.IntN(len(telling))]
		}
		switch g.IntN(4) {
		case 0:
			b[at] = c
		case 1:
			b = append(b[:at], append([]byte{c}, b[at:]...)...)
		case 2:
			b = append(b[:at], b[at+1:]...)
		case 3:
			end := min(len(b), at+1+g.IntN(12))
			b = append(b[:end], append([]byte(string(b[at:end])), b[end:]...)...)
		}
	}
	return string(b)
}
