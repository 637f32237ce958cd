package accesslog

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	blobsName      = "blobs"
	quarantineName = "quarantine"
	ledgerName     = "ledger"
	segmentSuffix  = ".jsonl"
)

// segmentFile is a file of records by its name alone.
type segmentFile struct {
	class         string
	day           string
	epoch, number uint32
	path          string
}

// compareFiles puts files in the order in which they were written.
func compareFiles(a, b segmentFile) int {
	if a.epoch != b.epoch {
		return compareUint(a.epoch, b.epoch)
	}
	return compareUint(a.number, b.number)
}

func compareUint(a, b uint32) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// listDays returns the names of the days a class has, in order. A class without
// a directory has none.
func listDays(root string) ([]string, error) {
	list, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var days []string
	for _, d := range list {
		if d.IsDir() && isDay(d.Name()) {
			days = append(days, d.Name())
		}
	}
	return days, nil // ReadDir sorts
}

func isDay(name string) bool {
	_, err := time.Parse(dayLayout, name)
	return err == nil
}

// listSegments returns the files of a class from the given day on (all if it is
// ""), in the order in which they were written. Only directories are read.
func listSegments(data, class, fromDay string) ([]segmentFile, error) {
	root := filepath.Join(data, class)
	days, err := listDays(root)
	if err != nil {
		return nil, err
	}
	var files []segmentFile
	for _, day := range days {
		if day < fromDay {
			continue
		}
		list, err := os.ReadDir(filepath.Join(root, day))
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		for _, d := range list {
			epoch, number, ok := parseSegmentName(d.Name())
			if ok {
				files = append(files, segmentFile{class, day, epoch, number, filepath.Join(root, day, d.Name())})
			}
		}
	}
	slices.SortFunc(files, compareFiles)
	return files, nil
}

// parseSegmentName reads EPOCH-NUMBER.jsonl.
func parseSegmentName(name string) (epoch, number uint32, ok bool) {
	name, ok = strings.CutSuffix(name, segmentSuffix)
	if !ok {
		return 0, 0, false
	}
	left, right, ok := strings.Cut(name, "-")
	if !ok || len(left) < 6 || len(right) < 6 {
		return 0, 0, false
	}
	e, err1 := strconv.ParseUint(left, 10, 32)
	n, err2 := strconv.ParseUint(right, 10, 32)
	return uint32(e), uint32(n), err1 == nil && err2 == nil
}
