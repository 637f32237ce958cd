package replay

import (
	_ "github.com/holdfast-edge/holdfast/edge/http1"
	_ "pgregory.net/rapid"
	_ "testing"
)
