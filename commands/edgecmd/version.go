package edgecmd

import (
	"runtime"
	"runtime/debug"

	"github.com/holdfast-edge/holdfast/internal/terminal"
)

// versionCmd is `edge version`.
type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(ui *terminal.UI) error {
	ui.Printf("edge %s %s %s/%s\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}

// version is what the build says: a module version, and the commit if it was
// built in a repository.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	if v == "" || v == "(devel)" {
		v = "devel"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 && v == "devel" {
			v += "-" + s.Value[:12]
		}
	}
	return v
}
