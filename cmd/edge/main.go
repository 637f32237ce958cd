// Command edge is the server in front of the apps. See edge --help.
package main

import (
	"os"

	"github.com/holdfast-edge/holdfast/commands/edgecmd"
)

func main() {
	os.Exit(edgecmd.Main(os.Args, os.Stdout, os.Stderr, os.Stdin))
}
