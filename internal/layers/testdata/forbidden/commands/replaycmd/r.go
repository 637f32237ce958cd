package replaycmd

import (
	_ "github.com/alecthomas/kong"
)
