//go:build linux

package measure

import (
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSummarise(t *testing.T) {
	for _, c := range []struct {
		samples []float64
		want    Figure
	}{
		{[]float64{3}, Figure{3, 3, 3}},
		{[]float64{3, 1}, Figure{2, 1, 3}},
		{[]float64{9, 1, 2}, Figure{2, 1, 9}},
		{[]float64{4, 1, 3, 2}, Figure{2.5, 1, 4}},
	} {
		before := slices.Clone(c.samples)
		if got := Summarise(c.samples); got != c.want {
			t.Errorf("%v: %v, want %v", before, got, c.want)
		}
		if !slices.Equal(before, c.samples) {
			t.Errorf("%v was put into another order", before)
		}
	}
	if f := Summarise(nil); f.Known() || f.Median <= 1 || f.Median >= 1 {
		t.Errorf("no samples: %v", f)
	}
}

func TestRatios(t *testing.T) {
	nan := math.NaN()
	for name, c := range map[string]struct {
		ours       []float64
		references [][]float64
		want       []float64
	}{
		"one":                     {[]float64{8, 9}, [][]float64{{10, 10}}, []float64{0.8, 0.9}},
		"the better of its round": {[]float64{6, 6}, [][]float64{{10, 12}, {12, 8}}, []float64{0.6, 0.75}},
		"a round is missing":      {[]float64{6, 6, 6}, [][]float64{{12, nan, 0}}, []float64{0.5}},
		"one of two is missing":   {[]float64{6, 6}, [][]float64{{nan, 12}, {12, nan}}, []float64{0.5, 0.5}},
		"one has fewer rounds":    {[]float64{6, 6}, [][]float64{{12}, {24, 24}}, []float64{0.5, 0.25}},
		"ours is missing":         {[]float64{nan, 0}, [][]float64{{12, 12}}, nil},
		"no references":           {[]float64{6}, nil, nil},
	} {
		if diff := cmp.Diff(c.want, Ratios(c.ours, c.references...)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestPercentile(t *testing.T) {
	var hundred []int
	for i := range 100 {
		hundred = append(hundred, i+1)
	}
	for _, c := range []struct {
		sorted []int
		p      float64
		want   int
	}{
		{hundred, 50, 50}, {hundred, 99, 99}, {hundred, 99.9, 100}, {hundred, 100, 100}, {hundred, 0, 1},
		{[]int{7}, 1, 7}, {[]int{7}, 99.9, 7}, {[]int{1, 2}, 50, 1}, {[]int{1, 2}, 51, 2}, {nil, 50, 0},
	} {
		if got := Percentile(c.sorted, c.p); got != c.want {
			t.Errorf("p%v of %d values: %d, want %d", c.p, len(c.sorted), got, c.want)
		}
	}
}

func TestFigureJSON(t *testing.T) {
	for want, f := range map[string]Figure{"null": Summarise(nil), `{"median":2,"min":1,"max":3}`: {2, 1, 3}} {
		if got, err := json.Marshal(f); string(got) != want || err != nil {
			t.Errorf("%v: %s, %v", f, got, err)
		}
	}
}

func TestParentOf(t *testing.T) {
	for line, want := range map[string][2]int{
		"42 (nginx) S 7 42 42 0":          {42, 7},
		"43 (a (b) c) ) R 8 43":           {43, 8},
		"44 (nginx: worker) S 42 42 42 0": {44, 42},
	} {
		pid, parent, ok := parentOf([]byte(line))
		if !ok || pid != want[0] || parent != want[1] {
			t.Errorf("%q: %d, %d, %v", line, pid, parent, ok)
		}
	}
	for _, line := range []string{"", "42", "42 (x", "42 (x) S", "x (x) S 1", "42 (x) S y"} {
		if pid, parent, ok := parentOf([]byte(line)); ok {
			t.Errorf("%q: %d, %d", line, pid, parent)
		}
	}
}

func TestKilobytes(t *testing.T) {
	const smaps = "00400000-7ff [rollup]\nRss:                8152 kB\nPss:                1234 kB\nPss_Dirty:          1 kB\n"
	if n, err := kilobytes([]byte(smaps), "Pss:"); n != 1234 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := kilobytes([]byte(smaps), "Swap:"); err == nil {
		t.Errorf("a field that is not there: %d", n)
	}
}

func TestSince(t *testing.T) {
	before := CPU{1: 10, 2: 20, 3: 5}
	after := CPU{1: 15, 2: 20, 4: 7} // 3 has ended, 4 is new
	if got := after.Since(before); got != 12 {
		t.Errorf("%d, want 12", got)
	}
}

// TestTree watches a process and its child: what they used is seen, and quiet is noticed.
func TestTree(t *testing.T) {
	cmd := exec.Command("sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo; sleep 60 & wait")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tree := Tree{Root: cmd.Process.Pid}
	t.Cleanup(func() {
		pids, _ := tree.pids()
		for _, pid := range slices.Backward(pids) {
			if p, err := os.FindProcess(pid); err == nil {
				_ = p.Kill()
			}
		}
		_ = cmd.Wait()
	})
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	for range 500 { // until sleep is there
		if pids, _ := tree.pids(); len(pids) == 2 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	c, err := tree.Settle(5 * time.Second)
	if err != nil || len(c) != 2 || c[tree.Root] < time.Millisecond {
		t.Errorf("%v, %v", c, err)
	}
	if n, err := tree.Resident(); err != nil || n < 100<<10 || n > 100<<20 {
		t.Errorf("%d bytes are resident, %v", n, err)
	}
	if c, err := (Tree{Root: 1 << 22}).CPU(); err == nil {
		t.Errorf("a process that cannot be there (the largest number is 1<<22-1) used %v", c)
	}
}
