package replay

import (
	_ "github.com/holdfast-edge/holdfast/accesslog"
	_ "github.com/holdfast-edge/holdfast/edge"
	_ "testing"
)
