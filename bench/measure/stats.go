//go:build linux

package measure

import (
	"encoding/json"
	"math"
	"slices"
)

// A Figure is what several rounds say about one thing.
type Figure struct{ Median, Min, Max float64 }

// Known says whether there is a figure.
func (f Figure) Known() bool { return !math.IsNaN(f.Median) }

// MarshalJSON writes null for a figure of no samples: JSON has no NaN.
func (f Figure) MarshalJSON() ([]byte, error) {
	if !f.Known() {
		return []byte("null"), nil
	}
	return json.Marshal(struct {
		Median float64 `json:"median"`
		Min    float64 `json:"min"`
		Max    float64 `json:"max"`
	}{f.Median, f.Min, f.Max})
}

// Summarise makes a figure of the samples. No samples make NaN, which no target meets.
func Summarise(samples []float64) Figure {
	if len(samples) == 0 {
		return Figure{math.NaN(), math.NaN(), math.NaN()}
	}
	s := slices.Sorted(slices.Values(samples))
	median := s[len(s)/2]
	if len(s)%2 == 0 {
		median = (s[len(s)/2-1] + s[len(s)/2]) / 2
	}
	return Figure{Median: median, Min: s[0], Max: s[len(s)-1]}
}

// Ratios divides, round by round, ours by the least of the references: the
// neighbours in time are compared, so that a machine that changes its speed
// changes both. A round in which a value is missing (NaN or zero) is left out.
func Ratios(ours []float64, references ...[]float64) []float64 {
	var ratios []float64
	for i, v := range ours {
		least := math.NaN()
		for _, r := range references {
			if i < len(r) && r[i] > 0 && !(least <= r[i]) {
				least = r[i]
			}
		}
		if q := v / least; !math.IsNaN(q) && !math.IsInf(q, 0) && v > 0 {
			ratios = append(ratios, q)
		}
	}
	return ratios
}

// Percentile is the smallest value that at least p percent of the sorted
// values do not exceed (the nearest rank). Empty input gives 0.
func Percentile[T any](sorted []T, p float64) (v T) {
	if len(sorted) == 0 {
		return v
	}
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}
