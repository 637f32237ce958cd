package recovery

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/holdfast-edge/holdfast/integration_test/edgetest"
)

// An edge that root starts on another user's data runs as that user: nothing of
// root's is left there to lock the owner out.
func TestRootGivesUpItsRights(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give up its rights")
	}
	const nobody = 65534
	queue := newApp(t)
	e := edgetest.New(t, simple(queue, ""))
	data := filepath.Join(e.Dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(data, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	for dir := e.Dir; dir != "/"; dir = filepath.Dir(dir) { // the test's own directories on the way
		if info, err := os.Stat(dir); err == nil && info.Mode().Perm()&0o001 == 0 {
			if err := os.Chmod(dir, info.Mode().Perm()|0o011); err != nil {
				t.Fatal(err)
			}
		}
	}
	e.Start()
	queue.down()
	answered(t, send(t, e.Addr, posts(2, "queue.example.com")), 502)
	e.Stop()
	err := filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Sys().(*syscall.Stat_t).Uid != nobody {
			t.Errorf("%s belongs to user %d", path, info.Sys().(*syscall.Stat_t).Uid)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(e.Records()); n != 2 {
		t.Errorf("%d records", n)
	}
}
