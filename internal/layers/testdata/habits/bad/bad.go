package bad

type Exported struct{}

var Value = 1

type private struct{}

func (*Exported) Method() {}

func (private) Fine() {}

func init() { _ = private{}.Fine }
