package routing

import "strconv"

// maxQuoted bounds how many bytes of a foreign string a message repeats.
const maxQuoted = 80

// quote is s in double quotes for a message, with everything unprintable
// escaped, so that it can be shown on a terminal, and cut if it is long.
func quote[T ~string | ~[]byte](s T) string {
	if len(s) > maxQuoted {
		return strconv.Quote(string(s[:maxQuoted])) + "…"
	}
	return strconv.Quote(string(s))
}
