package replaycmd

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// quickExit keeps the race detector from making every process sleep for a second
// before it ends.
const quickExit = "atexit_sleep_ms=0"

func TestMain(m *testing.M) {
	os.Setenv("GORACE", quickExit)
	testscript.Main(m, map[string]func(){
		"replay": func() { os.Exit(Main(os.Args, os.Stdout, os.Stderr, os.Stdin)) },
	})
}

// TestScripts runs testdata/script: the command as people type it, what it
// prints, and its exit codes.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("TZ", "UTC")
			env.Setenv("GORACE", quickExit)
			env.Values[appsKey{}] = map[string]*app{}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"records":   cmdRecords,
			"exits":     cmdExits,
			"app":       cmdApp,
			"arrived":   cmdArrived,
			"interrupt": cmdInterrupt,
			"admin":     cmdAdmin,
			"hold":      cmdHold,
			"sums":      cmdSums,
		},
	})
}
