// Command replay brings failed requests to the app they should have reached. See
// replay --help.
package main

import (
	"os"

	"github.com/holdfast-edge/holdfast/commands/replaycmd"
)

func main() {
	os.Exit(replaycmd.Main(os.Args, os.Stdout, os.Stderr, os.Stdin))
}
