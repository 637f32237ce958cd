package accesslog

import (
	"os"
	"slices"
)

// openFiles keeps a few of the files of a search open: matches in order of id
// come from few files at a time.
type openFiles struct {
	files []searchFile
	open  [8]struct {
		file  *os.File
		index int32
		used  uint64
	}
	clock uint64
	buf   []byte
}

func (o *openFiles) decode(v *view, id ID, at location) error {
	f, err := o.get(at.file)
	if err != nil {
		return err
	}
	o.buf = slices.Grow(o.buf[:0], int(at.length))[:at.length]
	if _, err := f.ReadAt(o.buf, at.offset); err != nil {
		return err
	}
	if err := v.decode(o.buf); err != nil {
		return err
	}
	if v.id != id {
		return errSyntax
	}
	return nil
}

func (o *openFiles) get(index int32) (*os.File, error) {
	o.clock++
	oldest := 0
	for i := range o.open {
		slot := &o.open[i]
		if slot.file != nil && slot.index == index {
			slot.used = o.clock
			return slot.file, nil
		}
		if slot.used < o.open[oldest].used {
			oldest = i
		}
	}
	f, err := os.Open(o.files[index].path)
	if err != nil {
		return nil, err
	}
	slot := &o.open[oldest]
	if slot.file != nil {
		_ = slot.file.Close()
	}
	slot.file, slot.index, slot.used = f, index, o.clock
	return f, nil
}

func (o *openFiles) close() {
	for i := range o.open {
		if f := o.open[i].file; f != nil {
			_ = f.Close()
		}
	}
}
