// Package owner makes a command run as the user who owns the data directory.
//
// The records are readable by their owner alone, and what a command writes there
// (a ledger, a recovered file) must stay readable for the edge. So a command
// started by root gives its rights up for good before it touches the data, and a
// command started by anybody else is told the right way to start it.
//
// What only root may read (the configuration, a --key file) is to be read before
// Switch is called.
package owner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Error says that this user cannot work on the data directory. Its Hint is the
// command that can.
type Error struct {
	Dir   string   // the data directory
	Owner string   // its owner's name, or the user id in digits if it has none
	Args  []string // the command line that was refused, os.Args
	Err   error    // what the system said, if it was asked
}

// Error implements error.
func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("switching to %s, who owns %s: %v", e.Owner, e.Dir, e.Err)
	}
	return fmt.Sprintf("%s belongs to %s, and only they may read it", e.Dir, e.Owner)
}

// Unwrap gives what the system said.
func (e *Error) Unwrap() error { return e.Err }

// Hint is the command line to use instead.
func (e *Error) Hint() string {
	words := make([]string, len(e.Args))
	for i, a := range e.Args {
		words[i] = quote(a)
	}
	name := e.Owner
	if _, err := strconv.Atoi(name); err == nil {
		name = "'#" + name + "'" // how sudo takes a user id
	}
	return "sudo -u " + name + " " + strings.Join(words, " ")
}

// missing is the error for a data directory that is not there.
type missing struct{ err error }

func (m *missing) Error() string { return "no data directory: " + m.err.Error() }
func (m *missing) Unwrap() error { return m.err }
func (m *missing) Hint() string {
	return "it is made by the first edge run; the configuration's data: says where (-c FILE chooses the file)"
}

// Switch makes the whole process run as the owner of dir: the user, its group
// and its other groups. It does nothing when that is the case already. Errors:
// *Error (another user, or the system refused), or one wrapping fs.ErrNotExist;
// both have a Hint.
func Switch(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return &missing{err}
		}
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(st.Uid) == os.Geteuid() {
		return nil
	}
	uid := strconv.Itoa(int(st.Uid))
	refused := &Error{Dir: dir, Owner: uid, Args: os.Args}
	groups := []int{int(st.Gid)}
	if u, err := user.LookupId(uid); err == nil {
		refused.Owner = u.Username
		groups = memberOf(u, groups)
	}
	if os.Geteuid() != 0 {
		return refused
	}
	// Groups first: without root's rights they could not be given up any more.
	if err := syscall.Setgroups(groups); err != nil {
		refused.Err = err
		return refused
	}
	if err := syscall.Setgid(groups[0]); err != nil {
		refused.Err = err
		return refused
	}
	if err := syscall.Setuid(int(st.Uid)); err != nil { // real, effective and saved: no way back
		refused.Err = err
		return refused
	}
	return nil
}

// memberOf lists the groups of u, its own first; without a list it is fallback.
func memberOf(u *user.User, fallback []int) []int {
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return fallback
	}
	groups := []int{gid}
	ids, err := u.GroupIds()
	if err != nil {
		return groups
	}
	for _, id := range ids {
		if n, err := strconv.Atoi(id); err == nil && n != gid {
			groups = append(groups, n)
		}
	}
	return groups
}

// quote makes s one word for a shell.
func quote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=,@%+", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
