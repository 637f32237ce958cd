package https

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-edge/holdfast/integration_test/edgetest"
)

// TestKeyOfRoot: an edge that root starts reads a key that it cannot read again once it
// has given up root. It says so at once, and a reload refuses and serves on.
func TestKeyOfRoot(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give up its rights")
	}
	const nobody = 65534
	app, ca := edgetest.NewApp(t), edgetest.NewAuthority(t)
	e := edgetest.New(t, "listen: {https: TLSADDR}\ndata: data\napps: {app: \""+app.URL+
		"\"}\nsites: [{hosts: [a.test], app: app, certificate: "+ca.Certificate(t, "a", "a.test")+"}]\n")
	t.Cleanup(func() { e.Sound(t) })
	data := filepath.Join(e.Dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(data, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	_, key := ca.Files("a")
	for _, start := range []string{e.Dir, filepath.Dir(key)} { // the test's own directories on the way
		for dir := start; dir != "/"; dir = filepath.Dir(dir) {
			if info, err := os.Stat(dir); err == nil && info.Mode().Perm()&0o001 == 0 {
				if err := os.Chmod(dir, info.Mode().Perm()|0o011); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if err := os.Chown(e.Config, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	e.Start()
	e.WaitLog(0, "cannot be read again", patience)
	e.Reload("reload refused")
	if res, err := ca.Client(t, e.Secure).Get("https://a.test/"); err != nil || res.StatusCode != 200 {
		t.Errorf("%v %v", res, err)
	}
	if err := os.Chown(key, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	e.Reload("reloaded")
	e.Stop()
	from := len(e.Log())
	e.Start()
	if strings.Contains(e.Log()[from:], "cannot be read again") {
		t.Error("a key that can be read is complained of")
	}
}
