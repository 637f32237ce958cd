package terminal

import (
	"bytes"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Cell is one field of a table row.
type Cell struct {
	Text  string
	Color Color
}

// A Table writes rows in aligned columns, two spaces apart. Rows are held until
// Flush; flushing several times is fine, the columns then only ever get wider.
// A Table is for one goroutine.
type Table struct {
	w       io.Writer
	color   bool
	headers []string
	widths  []int
	right   []bool
	rows    [][]Cell
	headed  bool // the header line has been written
}

// Table starts a table on standard output. Without headers there is no header line.
func (u *UI) Table(headers ...string) *Table { return NewTable(u.Out, u.colorOut, headers...) }

// NewTable starts a table on w; color says whether cells keep their colours.
func NewTable(w io.Writer, color bool, headers ...string) *Table {
	t := &Table{w: w, color: color, headers: headers}
	t.grow(len(headers))
	for i, h := range headers {
		t.widths[i] = Width(h)
	}
	return t
}

// Right aligns these columns, counted from 0, to the right: numbers.
func (t *Table) Right(columns ...int) *Table {
	for _, c := range columns {
		t.grow(c + 1)
		t.right[c] = true
	}
	return t
}

// Widths sets the least width of the columns from the left, for a table that is
// flushed before all its rows are known.
func (t *Table) Widths(least ...int) *Table {
	t.grow(len(least))
	for i, w := range least {
		t.widths[i] = max(t.widths[i], w)
	}
	return t
}

// Row adds a row of plain cells.
func (t *Table) Row(cells ...string) {
	row := make([]Cell, len(cells))
	for i, c := range cells {
		row[i].Text = c
	}
	t.Cells(row...)
}

// Cells adds a row. Texts are made safe with Clean.
func (t *Table) Cells(cells ...Cell) {
	t.grow(len(cells))
	row := make([]Cell, len(cells))
	for i, c := range cells {
		c.Text = Clean(c.Text)
		t.widths[i] = max(t.widths[i], Width(c.Text))
		row[i] = c
	}
	t.rows = append(t.rows, row)
}

// Len is the number of rows waiting to be flushed.
func (t *Table) Len() int { return len(t.rows) }

// Flush writes the header line, if it was not written yet, and all rows.
func (t *Table) Flush() error {
	var b bytes.Buffer
	if !t.headed && len(t.headers) > 0 {
		head := make([]Cell, len(t.headers))
		for i, h := range t.headers {
			head[i] = Cell{Text: h, Color: Bold}
		}
		t.line(&b, head)
	}
	t.headed = true
	for _, row := range t.rows {
		t.line(&b, row)
	}
	t.rows = t.rows[:0]
	_, err := t.w.Write(b.Bytes())
	return err
}

func (t *Table) grow(n int) {
	for len(t.widths) < n {
		t.widths = append(t.widths, 0)
		t.right = append(t.right, false)
	}
}

// line writes one row; spaces at its end are left out.
func (t *Table) line(b *bytes.Buffer, row []Cell) {
	last := len(row) - 1
	for last >= 0 && row[last].Text == "" {
		last--
	}
	for i := 0; i <= last; i++ {
		pad := strings.Repeat(" ", max(0, t.widths[i]-Width(row[i].Text)))
		text := Paint(t.color, row[i].Color, row[i].Text)
		switch {
		case t.right[i]:
			b.WriteString(pad + text)
		case i == last:
			b.WriteString(text)
		default:
			b.WriteString(text + pad)
		}
		if i < last {
			b.WriteString("  ")
		}
	}
	b.WriteByte('\n')
}

// Width is the number of columns s takes: one per rune, none for a combining
// mark. (East Asian wide characters count as one; a host name in the log is in
// its ASCII form, so this is seldom seen.)
func Width(s string) int {
	n := utf8.RuneCountInString(s)
	if n == len(s) {
		return n
	}
	for _, r := range s {
		if unicode.In(r, unicode.Mn, unicode.Me) {
			n--
		}
	}
	return n
}
