package configs

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// maxDigits bounds the arithmetic: more digits than any duration needs.
const maxDigits = 40

type unit struct {
	name string
	size int64
}

// durationUnits are in the order in which they may follow each other.
func durationUnits() []unit {
	return []unit{
		{"d", int64(24 * time.Hour)}, {"h", int64(time.Hour)}, {"m", int64(time.Minute)},
		{"s", int64(time.Second)}, {"ms", int64(time.Millisecond)}, {"us", int64(time.Microsecond)}, {"ns", 1},
	}
}

func sizeUnits() []unit {
	return []unit{
		{"TiB", 1 << 40}, {"TB", 1e12}, {"GiB", 1 << 30}, {"GB", 1e9},
		{"MiB", 1 << 20}, {"MB", 1e6}, {"KiB", 1 << 10}, {"KB", 1e3}, {"B", 1},
	}
}

// ParseDuration reads a duration as the configuration and the commands write
// it: 90d, 72h, 1h30m, 1.5s, 250ms. The units are d (24 hours), h, m, s, ms, us
// and ns, each at most once, the larger first. A number without a unit is an
// error; negative durations do not exist. The error's text leaves s out.
func ParseDuration(s string) (time.Duration, error) {
	if s == "" {
		return 0, &hinted{"is empty", "write a number and a unit, such as 30s"}
	}
	if strings.HasPrefix(s, "-") {
		return 0, &hinted{"is negative", "write a duration such as 30s"}
	}
	total := new(big.Int)
	units := durationUnits()
	for rest := s; rest != ""; {
		number, tail := cutNumber(rest)
		if number == "" {
			return 0, &hinted{"is not a duration", "write a number and a unit, such as 30s, 1h30m or 90d"}
		}
		if len(number) > maxDigits {
			return 0, &hinted{"is too long", "the longest duration is about 290 years"}
		}
		name := tail
		if i := strings.IndexAny(tail, "0123456789."); i >= 0 {
			name = tail[:i]
		}
		if name == "" {
			return 0, &hinted{"has no unit", fmt.Sprintf("did you mean %ss? The units are d, h, m, s, ms", s)}
		}
		i := indexUnit(units, name)
		if i < 0 {
			if indexUnit(durationUnits(), name) >= 0 {
				return 0, &hinted{"has its units out of order", "the larger unit comes first, each once: 1h30m"}
			}
			return 0, &hinted{"has an unknown unit", "the units are d, h, m, s, ms, each a number before it: 1h30m"}
		}
		part, ok := new(big.Rat).SetString(number)
		if !ok {
			return 0, &hinted{"is not a duration", "write a number and a unit, such as 30s, 1h30m or 90d"}
		}
		part.Mul(part, new(big.Rat).SetInt64(units[i].size))
		if !part.IsInt() {
			return 0, &hinted{"is more exact than a nanosecond", "write fewer digits"}
		}
		total.Add(total, part.Num())
		units = units[i+1:]
		rest = tail[len(name):]
	}
	if !total.IsInt64() {
		return 0, &hinted{"is too long", "the longest duration is about 290 years"}
	}
	return time.Duration(total.Int64()), nil
}

// FormatDuration writes a duration of zero or more so that ParseDuration reads
// the same: 36 hours are 1d12h.
func FormatDuration(d time.Duration) string {
	if d <= 0 {
		return "0s"
	}
	var b strings.Builder
	rest := int64(d)
	for _, u := range durationUnits() {
		if n := rest / u.size; n > 0 {
			b.WriteString(strconv.FormatInt(n, 10) + u.name)
			rest %= u.size
		}
	}
	return b.String()
}

// ParseSize reads a size in bytes: 64MiB, 10MB, 512KiB, 4096B, 0. KiB, MiB, GiB
// and TiB are powers of 1024, KB, MB, GB and TB powers of 1000. A number without
// a unit is an error, unless it is 0. The error's text leaves s out.
func ParseSize(s string) (int64, error) {
	if s == "0" {
		return 0, nil
	}
	if s == "" {
		return 0, &hinted{"is empty", "write a number and a unit, such as 64MiB"}
	}
	if strings.HasPrefix(s, "-") {
		return 0, &hinted{"is negative", "write a size such as 64MiB"}
	}
	number, name := cutNumber(s)
	if number == "" {
		return 0, &hinted{"is not a size", "write a number and a unit, such as 64MiB"}
	}
	if name == "" {
		return 0, &hinted{"has no unit", fmt.Sprintf("did you mean %sB (bytes), %sKiB or %sMiB?", number, number, number)}
	}
	if strings.Contains(number, ".") {
		return 0, &hinted{"is not a whole number", "write it in a smaller unit: 1536MiB"}
	}
	units := sizeUnits()
	i := indexUnit(units, name)
	if i < 0 {
		return 0, &hinted{"has an unknown unit", sizeHint(number, name)}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n > math.MaxInt64/units[i].size {
		return 0, &hinted{"is too large", "the largest size is 8388607TiB"}
	}
	return n * units[i].size, nil
}

// FormatSize writes bytes so that ParseSize reads the same, in the largest
// unit that leaves a whole number.
func FormatSize(n int64) string {
	if n <= 0 {
		return "0"
	}
	best := ""
	for _, u := range sizeUnits() {
		if n%u.size != 0 {
			continue
		}
		if s := strconv.FormatInt(n/u.size, 10) + u.name; best == "" || len(s) < len(best) {
			best = s
		}
	}
	return best
}

// sizeHint guesses what was meant with an unknown unit.
func sizeHint(number, name string) string {
	letter := strings.ToUpper(strings.TrimSpace(name))
	if letter != "" && strings.Contains("KMGT", letter[:1]) {
		if strings.Contains(letter, "I") {
			return fmt.Sprintf("did you mean %s%ciB?", number, letter[0])
		}
		return fmt.Sprintf("did you mean %s%ciB (powers of 1024) or %s%cB (powers of 1000)?", number, letter[0], number, letter[0])
	}
	return "the units are B, KiB, MiB, GiB, TiB, KB, MB, GB, TB"
}

// cutNumber splits leading digits, with at most one point between them, from s.
func cutNumber(s string) (number, rest string) {
	i, point := 0, false
	for ; i < len(s); i++ {
		if s[i] == '.' && !point && i > 0 && i+1 < len(s) && isDigit(s[i+1]) {
			point = true
			continue
		}
		if !isDigit(s[i]) {
			break
		}
	}
	return s[:i], s[i:]
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func indexUnit(units []unit, name string) int {
	for i, u := range units {
		if u.name == name {
			return i
		}
	}
	return -1
}
