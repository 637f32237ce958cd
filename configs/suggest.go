package configs

import (
	"fmt"
	"slices"
	"strings"
)

// maxCandidates bounds the work of nearest.
const maxCandidates = 2000

// nearest returns the candidate that word is a slip of the finger away from,
// or "".
func nearest(word string, candidates []string) string {
	candidates = candidates[:min(len(candidates), maxCandidates)]
	best, bestDistance := "", 1+min(3, max(1, len([]rune(word))/3))
	for _, c := range candidates {
		if d := editDistance(strings.ToLower(word), strings.ToLower(c), bestDistance); d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

// editDistance counts insertions, deletions, replacements and swaps of
// neighbours (optimal string alignment) between a and b; limit is returned for
// anything that is at least that far apart.
func editDistance(a, b string, limit int) int {
	x, y := []rune(a), []rune(b)
	if len(x)-len(y) >= limit || len(y)-len(x) >= limit {
		return limit
	}
	before, last, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return min(limit, last[len(y)])
}

// didYouMean is the hint for a word that is none of the candidates; quote is
// put around names.
func didYouMean(word string, candidates []string, quote, what string) string {
	if c := nearest(word, candidates); c != "" {
		return fmt.Sprintf("did you mean %s%s%s?", quote, c, quote)
	}
	if len(candidates) == 0 || len(candidates) > 20 {
		return ""
	}
	sorted := slices.Sorted(slices.Values(candidates))
	return what + " " + strings.Join(sorted, ", ")
}
