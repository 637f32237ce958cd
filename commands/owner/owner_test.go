package owner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestMain lets the test binary be the process that gives up its rights, which
// cannot be taken back.
func TestMain(m *testing.M) {
	if dir := os.Getenv("OWNER_TEST_SWITCH"); dir != "" {
		os.Exit(switched(dir, os.Getenv("OWNER_TEST_THEN")))
	}
	os.Exit(m.Run())
}

// switched switches to the owner of dir, tries to get back, and then tries to
// work on then, which is root's.
func switched(dir, then string) int {
	if err := Switch(dir); err != nil {
		fmt.Println("error:", err)
		return 1
	}
	groups, _ := os.Getgroups()
	fmt.Printf("uid %d %d gid %d groups %v\n", os.Getuid(), os.Geteuid(), os.Getgid(), groups)
	fmt.Println("back:", syscall.Setuid(0))
	err := Switch(then)
	fmt.Println("then:", err)
	var refused *Error
	if errors.As(err, &refused) {
		fmt.Println("hint:", refused.Hint())
	}
	return 0
}

func TestSwitchGivesUpRootForGood(t *testing.T) {
	if os.Geteuid() != 0 { // somebody without rights to give up is refused at once
		var refused *Error
		if err := Switch("/"); !errors.As(err, &refused) || refused.Owner != "root" {
			t.Errorf("got %v", err)
		}
		return
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	var uid, gid int
	fmt.Sscan(nobody.Uid, &uid)
	fmt.Sscan(nobody.Gid, &gid)
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "logs", "--host", "a b's")
	cmd.Env = append(os.Environ(), "OWNER_TEST_SWITCH="+dir, "OWNER_TEST_THEN=/")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		fmt.Sprintf("uid %d %d gid %d groups [%d]\n", uid, uid, gid, gid),
		"back: operation not permitted\n",
		"then: / belongs to root, and only they may read it\n",
		"hint: sudo -u root " + os.Args[0] + ` logs --host 'a b'\''s'` + "\n",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("output lacks %q:\n%s", want, out)
		}
	}
}

func TestSwitchToOneself(t *testing.T) {
	if err := Switch(t.TempDir()); err != nil {
		t.Error(err)
	}
}

func TestSwitchWithoutADirectory(t *testing.T) {
	err := Switch(filepath.Join(t.TempDir(), "absent"))
	var hint interface{ Hint() string }
	if !errors.Is(err, fs.ErrNotExist) || !errors.As(err, &hint) || !strings.Contains(hint.Hint(), "edge run") {
		t.Errorf("got %v", err)
	}
}

func TestHintForAnOwnerWithoutAName(t *testing.T) {
	e := &Error{Dir: "/d", Owner: "12345", Args: []string{"replay", "--since", "7d", ""}}
	if want := "sudo -u '#12345' replay --since 7d ''"; e.Hint() != want {
		t.Errorf("hint %q, want %q", e.Hint(), want)
	}
}
