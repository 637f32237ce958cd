package rfc

// Punycode is what the A-label without its "xn--" stands for (RFC 3492, 6.2; the numbers
// are those of section 5).
func Punycode(s string) (string, bool) {
	const base, tMin, tMax, skew, damp = 36, 1, 26, 38, 700
	n, i, bias := 128, 0, 72
	var out []rune
	for at := len(s) - 1; at >= 0; at-- {
		if s[at] == '-' { // the basic code points are in front of the last hyphen
			out, s = []rune(s[:at]), s[at+1:]
			break
		}
	}
	for first := true; s != ""; first = false {
		start, weight := i, 1
		for k := base; ; k += base {
			if s == "" {
				return "", false
			}
			value := 0
			switch c := s[0]; {
			case digit(c):
				value = int(c-'0') + 26
			case alpha(c):
				value = int(c | 0x20 - 'a')
			default:
				return "", false
			}
			s = s[1:]
			i += value * weight
			threshold := min(max(k-bias, tMin), tMax)
			if value < threshold {
				break
			}
			if weight *= base - threshold; i > 1<<40 || weight > 1<<40 {
				return "", false
			}
		}
		size := len(out) + 1
		delta := (i - start) / 2
		if first {
			delta = (i - start) / damp
		}
		delta += delta / size
		k := 0
		for ; delta > (base-tMin)*tMax/2; k += base {
			delta /= base - tMin
		}
		bias = k + (base-tMin+1)*delta/(delta+skew)
		n += i / size
		i %= size
		if n > 0x10ffff {
			return "", false
		}
		out = append(out[:i], append([]rune{rune(n)}, out[i:]...)...)
		i++
	}
	return string(out), true
}
