package exchange

import "bytes"

// maxOptions bounds the elements of all Connection fields of a message, empty ones
// included: each is compared with every field.
const maxOptions = 32

// TooManyOptions reports whether the Connection fields list more than is sane.
func TooManyOptions(fields []Field) bool {
	n := 0
	for i := range fields {
		if fields[i].ID == Connection {
			n += 1 + bytes.Count(fields[i].Value, []byte{','})
		}
	}
	return n > maxOptions
}

// HasOption reports whether a Connection field has the option, in lower case.
func HasOption(fields []Field, option string) bool {
	for i := range fields {
		if fields[i].ID != Connection {
			continue
		}
		rest := fields[i].Value
		for len(rest) > 0 {
			var token []byte
			token, rest = nextToken(rest)
			if Is(token, option) {
				return true
			}
		}
	}
	return false
}

// Nominated reports whether a Connection field names the field, which makes
// it hop-by-hop for this message. Host, Content-Type and the like are never
// dropped on a client's word: only fields the edge does not know by name are.
func Nominated(fields []Field, f *Field) bool {
	if f.ID != Other {
		return false
	}
	for i := range fields {
		if fields[i].ID != Connection {
			continue
		}
		rest := fields[i].Value
		for len(rest) > 0 {
			var token []byte
			token, rest = nextToken(rest)
			if EqualFold(token, f.Name) {
				return true
			}
		}
	}
	return false
}

// nextToken splits a comma-separated list at its first comma and trims the
// white space around the element.
func nextToken(list []byte) (token, rest []byte) {
	token = list
	for i, c := range list {
		if c == ',' {
			token, rest = list[:i], list[i+1:]
			break
		}
	}
	for len(token) > 0 && (token[0] == ' ' || token[0] == '\t') {
		token = token[1:]
	}
	for len(token) > 0 && (token[len(token)-1] == ' ' || token[len(token)-1] == '\t') {
		token = token[:len(token)-1]
	}
	return token, rest
}
