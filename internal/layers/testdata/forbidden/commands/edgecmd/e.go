package edgecmd

import (
	_ "github.com/holdfast-edge/holdfast/commands/replaycmd"
	_ "github.com/holdfast-edge/holdfast/replay"
)
