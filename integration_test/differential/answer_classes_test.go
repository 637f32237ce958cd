package differential

// bodiless is framing of an answer that has no body, which the reference does not look at.
const bodiless = "framing that cannot be read, of an answer without a body (6.3)"

// answerRefusals are what we refuse and another one reads: answers of apps.
func answerRefusals() []class {
	return []class{
		{"net/http", "a line ends with LF alone", nil, "2.2 lets a recipient take a lone LF for an end of a line, or not."},
		{"net/http", "a line starts with white space (obs-fold)", nil,
			"5.2: a proxy replaces a fold by spaces, or discards the answer and says 502, as we do."},
		{"reference, net/http", "the status line is not HTTP/1.x SP CODE", []string{"a status code outside 100 to 599 (RFC 9110, 15)", "a minor version after 1 (RFC 9110, 2.5)", "a control character in the reason phrase (4)"},
			"RFC 9110, 15: a client may take 999 for 5xx; sent on it would be another thing to every client. RFC 9110, 2.5: HTTP/1.2 does not exist. net/http takes any version and nearly any reason."},
		{"reference, net/http", "too many header fields", []string{"more than 256 fields (RFC 9110, 5.4)"}, "Our limit is 256 field lines."},
		{"net/http", "a field name with an illegal character", nil, "5.1: a proxy must remove white space before a colon, or refuse. net/http keeps it in the name."},
		{"reference", "a field value with an illegal character", []string{"a control character in a field value (RFC 9110, 5.5)"},
			"RFC 9110, 5.5: other control characters than CR, LF and NUL may be kept. They have no use."},
		{"reference, net/http", "the Connection field lists too many options", []string{"more than 128 connection options (RFC 9110, 7.6.1)"}, "The number is bounded."},
		{"reference, net/http", "both Content-Length and Transfer-Encoding", []string{"both Transfer-Encoding and Content-Length (6.1)"},
			"6.3: the coding wins, and it ought to be handled as an error; an app behind another proxy may have been led to say this."},
		{"reference, net/http", "more than one Content-Length", []string{"a Content-Length that is a list of the same number (6.3)", bodiless},
			"6.3: the same number twice may be taken for one; where there is no body nobody needs the number."},
		{"reference, net/http", "Content-Length is not a number", []string{"a Content-Length that is a list of the same number (6.3)", "a Content-Length of more than 18 digits (RFC 9110, 8.6)", "both Transfer-Encoding and Content-Length (6.1)", bodiless},
			"As with requests; and we look at it even where there is no body."},
		{"reference, net/http", "Transfer-Encoding is not the single coding chunked", []string{"a Transfer-Encoding that is written in another way than as one coding (RFC 9110, 5.6.1)", "a transfer coding beside chunked (6.1)", bodiless},
			"6.1: we never offer another coding (TE is not sent on), so an app may not use one. 6.3: without chunked at its end such an answer ends with its connection, and nobody can tell whether it is whole."},
		{"reference, net/http", "Transfer-Encoding in HTTP/1.0", []string{"Transfer-Encoding in HTTP/1.0 (6.1)"}, "6.1: such framing is faulty."},
		{"reference, net/http", "a chunk size that is not a hexadecimal number", []string{"white space behind a chunk size (7.1.1)", "a chunk size of more than 15 digits (7.1)"}, "As with requests."},
		{"reference, net/http", "chunk extensions that are illegal or too long", []string{"long chunk extensions (7.1.1)"}, "7.1.1 asks for a limit."},
		{"reference, net/http", "a trailer that may not stand in a trailer section", []string{"a field that may not stand in a trailer section (RFC 9110, 6.5.1)", "more than 256 fields (RFC 9110, 5.4)"}, "RFC 9110, 6.5.1."},
		{"reference", "the trailers are too large", []string{"a trailer section of more than 8 KiB (RFC 9110, 5.4)", "more than 256 fields (RFC 9110, 5.4)"}, "8 KiB."},
	}
}

// answerReadings are what we read although somebody refuses it, or the grammar does not
// have it: answers of apps.
func answerReadings() []class {
	return []class{
		{"reference", "no space behind the status code (4)", nil, "4 has a space even before an empty reason. Many apps leave it out, and nothing hangs on it: the reason is not sent on."},
		{"reference", "framing of an answer that cannot have a body (RFC 9110, 8.6; 6.1)", nil,
			"204 and 1xx have no body, whatever the fields say (6.3). The fields are not sent on."},
		{"reference", "a Connection field that is no list of tokens (RFC 9110, 7.6.1)", nil, "The field is never sent on."},
		{"reference", "more than 128 connection options (RFC 9110, 7.6.1)", nil, "Ours counts the elements of each line; those behind a trailing comma are none."},
		{"reference", "a chunk extension that is not name=value (7.1.1)", nil, "Extensions are ignored and never sent on."},
		{"net/http", "suspiciously long trailer", nil, "It wants the whole trailer section in its buffer of 4 KiB; our limit is 8 KiB."},
	}
}
