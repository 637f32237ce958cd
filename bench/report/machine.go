//go:build linux

package report

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A Machine is what the figures were measured on.
type Machine struct {
	CPU    string        `json:"cpu"`
	Cores  int           `json:"cores"`  // that we may use
	Memory int64         `json:"memory"` // bytes
	Kernel string        `json:"kernel"`
	System string        `json:"system"`
	Disk   string        `json:"disk"` // file system of the data
	Sync   time.Duration `json:"sync"` // ns: the median of a hundred fdatasync of 4 KiB
	Load   string        `json:"load"` // average of one minute before the start
}

// Look describes this machine; dir is where the data will be.
func Look(dir string) (Machine, error) {
	m := Machine{Cores: runtime.NumCPU()}
	m.CPU = field("/proc/cpuinfo", "model name", ":")
	m.System = strings.Trim(field("/etc/os-release", "PRETTY_NAME", "="), `"`)
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return m, fmt.Errorf("sysinfo: %w", err)
	}
	m.Memory = int64(info.Totalram) * int64(info.Unit)
	m.Load = fmt.Sprintf("%.2f", float64(info.Loads[0])/65536)
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return m, fmt.Errorf("uname: %w", err)
	}
	m.Kernel = unix.ByteSliceToString(name.Release[:]) + " " + unix.ByteSliceToString(name.Machine[:])
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return m, fmt.Errorf("statfs: %w", err)
	}
	names := map[int64]string{unix.EXT4_SUPER_MAGIC: "ext4", unix.XFS_SUPER_MAGIC: "xfs", unix.BTRFS_SUPER_MAGIC: "btrfs", unix.OVERLAYFS_SUPER_MAGIC: "overlay"}
	if m.Disk = names[int64(fs.Type)]; m.Disk == "" {
		m.Disk = fmt.Sprintf("file system %#x", fs.Type)
	}
	var err error
	m.Sync, err = syncTime(dir)
	return m, err
}

// facts are what is shown, in order.
func (m Machine) facts() []Version {
	return []Version{
		{"machine", fmt.Sprintf("%s, %d cores, %.0f GiB", m.CPU, m.Cores, float64(m.Memory)/(1<<30))},
		{"system", m.System + ", kernel " + m.Kernel},
		{"disk", fmt.Sprintf("%s, one fdatasync %v", m.Disk, m.Sync.Round(time.Microsecond))},
		{"load before", m.Load},
	}
}

// field is the value of the first line of a file that begins with name.
func field(path, name, separator string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	for line := range bytes.Lines(text) {
		key, value, ok := strings.Cut(string(line), separator)
		if ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// syncTime measures what one commit waits for.
func syncTime(dir string) (time.Duration, error) {
	path := filepath.Join(dir, "sync")
	f, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer os.Remove(path)
	defer f.Close()
	block, all := make([]byte, 4096), make([]time.Duration, 100)
	for i := range all {
		start := time.Now()
		if _, err := f.Write(block); err != nil {
			return 0, err
		}
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			return 0, fmt.Errorf("fdatasync: %w", err)
		}
		all[i] = time.Since(start)
	}
	slices.Sort(all)
	return all[len(all)/2], nil
}
