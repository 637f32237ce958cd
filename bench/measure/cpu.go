//go:build linux

// Package measure reads what a process tree costs, and does the arithmetic that
// makes figures out of samples.
package measure

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A Tree is a process and all that it started.
type Tree struct{ Root int }

// pids lists the processes of the tree that are there now, the root first.
func (t Tree) pids() ([]int, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	children := map[int][]int{}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has just ended
		}
		if pid, parent, ok := parentOf(text); ok {
			children[parent] = append(children[parent], pid)
		}
	}
	all := []int{t.Root}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all, nil
}

// parentOf reads a line of /proc/PID/stat, proc(5): pid (comm) state ppid. The
// name may hold spaces and parentheses.
func parentOf(stat []byte) (pid, parent int, ok bool) {
	first, _, _ := bytes.Cut(stat, []byte(" "))
	pid, err := strconv.Atoi(string(first))
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if err != nil || len(fields) < 2 {
		return 0, 0, false
	}
	parent, err = strconv.Atoi(fields[1])
	return pid, parent, err == nil
}

// CPU is the time on a processor, user and system, by process.
type CPU map[int]time.Duration

// CPU reads the clocks of the tree's processes.
//
// It is the scheduler's own clock, in nanoseconds and with threads that have
// ended: utime and stime of /proc/PID/stat are the same time, rounded down to
// 10 ms for each process. The identifier of another process's clock is what
// clock_getcpuclockid(3) makes.
func (t Tree) CPU() (CPU, error) {
	pids, err := t.pids()
	if err != nil {
		return nil, err
	}
	c := CPU{}
	for _, pid := range pids {
		var ts unix.Timespec
		if err := unix.ClockGettime(int32(^pid<<3|2), &ts); err != nil {
			if pid == t.Root {
				return nil, fmt.Errorf("the clock of process %d: %w", pid, err)
			}
			continue // a child that has just ended
		}
		c[pid] = time.Duration(ts.Nano())
	}
	return c, nil
}

// Since is the time that passed between an earlier reading and c. A process
// that is new counts from its start.
func (c CPU) Since(earlier CPU) time.Duration {
	var sum time.Duration
	for pid, now := range c {
		sum += now - earlier[pid]
	}
	return sum
}

// Settle waits until the tree is quiet, at most limit: work that a proxy puts
// off until after the load belongs to the load.
func (t Tree) Settle(limit time.Duration) (CPU, error) {
	const step, quiet = 50 * time.Millisecond, 500 * time.Microsecond
	last, err := t.CPU()
	for end := time.Now().Add(limit); err == nil && time.Now().Before(end); {
		time.Sleep(step)
		var now CPU
		if now, err = t.CPU(); err == nil && now.Since(last) < quiet {
			return now, nil
		}
		last = now
	}
	return last, err
}

// Resident is the memory of the tree in bytes: what is resident, with pages that
// several of its processes share counted once.
func (t Tree) Resident() (int64, error) {
	pids, err := t.pids()
	if err != nil {
		return 0, err
	}
	field := "Rss:"
	if len(pids) > 1 {
		field = "Pss:"
	}
	var sum int64
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			if pid == t.Root {
				return 0, err
			}
			continue
		}
		n, err := kilobytes(text, field)
		if err != nil {
			return 0, fmt.Errorf("process %d: %w", pid, err)
		}
		sum += n << 10
	}
	return sum, nil
}

// kilobytes reads the value of a line like "Rss:   1234 kB".
func kilobytes(smaps []byte, field string) (int64, error) {
	for line := range bytes.Lines(smaps) {
		if rest, ok := bytes.CutPrefix(line, []byte(field)); ok {
			f := bytes.Fields(rest)
			if len(f) != 2 {
				break
			}
			return strconv.ParseInt(string(f[0]), 10, 64)
		}
	}
	return 0, fmt.Errorf("no %s in smaps_rollup", field)
}
