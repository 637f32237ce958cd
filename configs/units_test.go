package configs

import (
	"math"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseDuration(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"90d": 90 * 24 * time.Hour, "72h": 72 * time.Hour, "1h30m": 90 * time.Minute, "250ms": 250 * time.Millisecond,
		"1.5s": 1500 * time.Millisecond, "0s": 0, "1d12h": 36 * time.Hour, "5us": 5 * time.Microsecond, "7ns": 7,
		"1m1ms": time.Minute + time.Millisecond, "0.5d": 12 * time.Hour, "106751d": 106751 * 24 * time.Hour, "007s": 7 * time.Second,
		"9223372036854775807ns": math.MaxInt64,
	} {
		if got, err := ParseDuration(s); got != want || err != nil {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
	for s, want := range map[string]string{
		"": "is empty", "30": "has no unit", "1h30": "has no unit", "1.5": "has no unit", "-1s": "is negative", "+1s": "is not a duration",
		"s": "is not a duration", "1 s": "has an unknown unit", "1S": "has an unknown unit", "1w": "has an unknown unit", "1M": "has an unknown unit",
		"1m1h": "has its units out of order", "1s1s": "has its units out of order", ".5s": "is not a duration", "1.s": "has no unit",
		"1..5s": "has no unit", "1.2.3s": "has no unit", "1e3s": "has an unknown unit", "0x1s": "has an unknown unit", "106752d": "is too long",
		"9223372036854775808ns": "is too long", "0.5ns": "is more exact than a nanosecond", "forever": "is not a duration", "1s ": "has an unknown unit",
		"１s": "is not a duration",
	} {
		if got, err := ParseDuration(s); err == nil || err.Error() != want || got != 0 || hintOf(err) == "" {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
}

func TestParseSize(t *testing.T) {
	for s, want := range map[string]int64{
		"0": 0, "64MiB": 64 << 20, "10MB": 10e6, "512KiB": 512 << 10, "4096B": 4096, "1TiB": 1 << 40, "2GB": 2e9, "1GiB": 1 << 30, "3TB": 3e12, "1KB": 1000,
		"0B": 0, "8388607TiB": 8388607 << 40, "9223372036854775807B": math.MaxInt64,
	} {
		if got, err := ParseSize(s); got != want || err != nil {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
	for s, want := range map[string]string{
		"": "is empty", "64": "has no unit", "-1MiB": "is negative", "1.5GiB": "is not a whole number", "64M": "has an unknown unit", "64 MiB": "has an unknown unit",
		"64mib": "has an unknown unit", "64kB": "has an unknown unit", "MiB": "is not a size", "1e6B": "has an unknown unit", "8388608TiB": "is too large",
		"9223372036854775808B": "is too large", "+1B": "is not a size", "80%": "has an unknown unit", "00": "has no unit",
	} {
		if got, err := ParseSize(s); err == nil || err.Error() != want || got != 0 || hintOf(err) == "" {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
}

func TestSizeHints(t *testing.T) {
	for s, want := range map[string]string{
		"64":     "did you mean 64B (bytes), 64KiB or 64MiB?",
		"64M":    "did you mean 64MiB (powers of 1024) or 64MB (powers of 1000)?",
		"64mib":  "did you mean 64MiB?",
		"64 MiB": "did you mean 64MiB?",
		"80%":    "the units are B, KiB, MiB, GiB, TiB, KB, MB, GB, TB",
	} {
		if _, err := ParseSize(s); hintOf(err) != want {
			t.Errorf("%q: %q", s, hintOf(err))
		}
	}
}

// Every duration and size comes back from its text, and the text is the
// shortest that says so.
func TestUnitsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.OneOf(rapid.Int64Min(0), rapid.Int64Range(0, 1e12)).Draw(t, "duration"))
		if got, err := ParseDuration(FormatDuration(d)); got != d || err != nil {
			t.Fatalf("%s: %d, %v", FormatDuration(d), got, err)
		}
		n := rapid.OneOf(rapid.Int64Min(0), rapid.Int64Range(0, 1<<20)).Draw(t, "size")
		unit := rapid.SampledFrom(sizeUnits()).Draw(t, "unit")
		if n < math.MaxInt64/unit.size {
			n *= unit.size
		}
		if got, err := ParseSize(FormatSize(n)); got != n || err != nil {
			t.Fatalf("%s: %d, %v", FormatSize(n), got, err)
		}
	})
	for d, want := range map[time.Duration]string{0: "0s", 75 * time.Second: "1m15s", 36 * time.Hour: "1d12h", 90 * 24 * time.Hour: "90d", -1: "0s"} {
		if got := FormatDuration(d); got != want {
			t.Errorf("%d: %s", d, got)
		}
	}
	for n, want := range map[int64]string{0: "0", 64 << 20: "64MiB", 10e6: "10MB", 4097: "4097B", -1: "0"} {
		if got := FormatSize(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}

// Every text made of numbers and units in order is read as the sum of its parts.
func TestDurationIsASum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text, want := "", time.Duration(0)
		for _, u := range durationUnits() {
			if rapid.Bool().Draw(t, u.name) {
				n := rapid.Int64Range(0, 100).Draw(t, "n")
				text += rapid.SampledFrom([]string{"", "0"}).Draw(t, "zero") + strconv.FormatInt(n, 10) + u.name
				want += time.Duration(n * u.size)
			}
		}
		if got, err := ParseDuration(text); text != "" && (got != want || err != nil) {
			t.Fatalf("%q: %v, %v", text, got, err)
		}
	})
}
