package exchange

// maxOptions bounds the elements of all Connection fields of a message, empty ones
// included: each is compared with every field, once.
const maxOptions = 128

// MarkNominated marks the fields that the Connection fields name as hop-by-hop for
// this message (RFC 9110, section 7.6.1). Host, Content-Type and the like are never
// dropped on somebody's word: only fields the edge does not know by name are. It
// returns false if more options are listed than is sane.
func MarkNominated(fields []Field) bool {
	options := 0
	for i := range fields {
		if fields[i].ID != Connection {
			continue
		}
		for rest := fields[i].Value; len(rest) > 0; {
			var token []byte
			token, rest = nextToken(rest)
			if options++; options > maxOptions {
				return false
			}
			if len(token) == 0 || Is(token, "close") || Is(token, "keep-alive") || Is(token, "upgrade") {
				continue
			}
			for k := range fields {
				if f := &fields[k]; f.ID == Other && EqualFold(token, f.Name) {
					f.ID = Nominated
				}
			}
		}
	}
	return true
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
