package x

import (
	_ "flag"
	_ "github.com/holdfast-edge/holdfast/replay"
)
