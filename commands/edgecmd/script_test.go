package edgecmd

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"edge": func() { os.Exit(Main(os.Args, os.Stdout, os.Stderr, os.Stdin)) },
	})
}

// TestScripts runs testdata/script: the commands as people type them, what they
// print, and their exit codes.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("TZ", "UTC")
			env.Setenv("NO_COLOR", "")
			env.Setenv("GORACE", "atexit_sleep_ms=0") // a race-enabled binary waits a second before it exits
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"records":  cmdRecords,
			"exits":    cmdExits,
			"ask":      cmdAsk,
			"freeport": cmdFreeport,
			"await":    cmdAwait,

			"certificate": cmdCertificate,
		},
	})
}
