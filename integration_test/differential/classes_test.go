package differential

import (
	"slices"
	"strings"
)

// A class is a disagreement that is allowed, and why. What we read and the reference reads
// otherwise, or what we send on and somebody reads otherwise, has no class: it is a defect.
type class struct {
	// who is the other reader: reference, net/http, nginx, haproxy; several with commas.
	who string
	// what names the disagreement: for a refusal of ours the reason that is recorded.
	what string
	// because are marks or flaws in the words of the reference. Where we refuse what it
	// reads, the request must have one of them.
	because []string
	// why is the explanation, with sections of RFC 9112 unless another one is named.
	why string
}

// find returns the class of what a reader does, or nil.
func find(table []class, who, what string) *class {
	for i := range table {
		if c := &table[i]; c.what == what && slices.Contains(strings.Split(c.who, ", "), who) {
			return c
		}
	}
	return nil
}

// everybody are the readers that were seen to take what we refuse.
const everybody = "reference, net/http, nginx, haproxy"

// notInDNS is why hosts of many kinds are refused.
const notInDNS = "a host that is no name of the DNS (RFC 1123, 2.1; RFC 3986, 3.2.2)"

// notASCII is a host in UTF-8, or in bytes that are not.
const notASCII = "bytes beyond ASCII in the host (RFC 3986, 3.2.2)"

// requestRefusals are what we refuse and another one reads: requests.
func requestRefusals() []class {
	return []class{
		// Lines.
		{"net/http, nginx, haproxy", "a line ends with LF alone", nil,
			"2.2 lets a recipient take a lone LF for an end of a line, or not. Where a chain has one of each, a request hides in the difference."},
		{"nginx", "a CR that does not end a line", nil,
			"2.2: a lone CR makes an element invalid, or becomes a space. nginx drops a second CR before LF."},
		{"net/http, nginx, haproxy", "a line starts with white space (obs-fold)", nil,
			"5.2: a server refuses a folded line with 400, or replaces the fold by spaces. nginx takes it for a field of its own, whose name it does not like, and drops it."},
		{everybody, "the request line is not METHOD SP TARGET SP VERSION", []string{"several empty lines before the request line (2.2)"},
			"2.2 asks to ignore one empty line before a request; we ignore one, others any number. 3: splitting at other white space is allowed, refusing is too; nginx and haproxy take several spaces, nginx HTTP/0.9 as well; net/http takes an empty target of CONNECT."},
		{everybody, "too many header fields", []string{"more than 256 fields (RFC 9110, 5.4)"},
			"Our limit is 256 field lines, as many trailers. RFC 9110, 5.4 leaves the number to the server."},
		{everybody, "the head is larger than limits.max_header", []string{"a head of more than 32 KiB (RFC 9110, 5.4)"},
			"The limit is the operator's. RFC 9110, 5.4."},
		{everybody, "the request line is longer than limits.max_header", []string{"a head of more than 32 KiB (RFC 9110, 5.4)"},
			"The limit is the operator's. 3: 414, and at least 8000 octets, which the default is above."},

		// Request line.
		{everybody, "the method has an illegal character or is too long", []string{"a method of more than 24 characters (3)"},
			"RFC 9110, 9.1 has no limit; the longest registered method has 18 characters and we take 24. 3 suggests 501, any refusal is safe. Others take characters that no token has."},
		{"reference, net/http, haproxy, nginx", "the target has an illegal character or form", []string{"a character in the target that no URI has (RFC 3986, 3.3)", notASCII},
			"RFC 3986, 2: bytes beyond ASCII must be percent-encoded; 3.2: a fragment is never sent, a target has one of four forms. Apps differ in what they make of such bytes."},
		{everybody, "the version is not HTTP/1.1 or HTTP/1.0", []string{"a minor version after 1 (RFC 9110, 2.5)"},
			"RFC 9110, 2.5: HTTP/1.2 should be taken for 1.1. It does not exist, and a chain with another idea of it is worse than 505, which we answer."},
		{"reference, net/http, haproxy", "CONNECT: this is not a forward proxy", []string{"CONNECT (RFC 9110, 9.3.6)"},
			"RFC 9110, 9.3.6: an origin server may refuse CONNECT, and we are one to our clients."},
		{everybody, "the target and the Host field name different hosts", []string{"a target and a Host field that differ (3.2.2)", "a target without a host (RFC 9110, 4.2.1)"},
			"3.2.2: the target wins. Not everybody behind us has read that, so both must say the same but for case."},

		// Hosts.
		{everybody, "no Host field", []string{"no Host field in HTTP/1.0 (3.2)"},
			"3.2: HTTP/1.0 may come without. There is no host without a name here: we never guess where a request goes."},
		{"haproxy", "more than one Host field", nil, "3.2 demands 400. haproxy takes two that are alike."},
		{everybody, "the host is empty", []string{"an empty host (3.3)", notInDNS},
			"3.3: the server may have a default host. We have none."},
		{everybody, "the host has a character that no host name has", []string{notInDNS, notASCII},
			"RFC 3986, 3.2.2 lets a registered name hold nearly anything, percent-encoded or not. No site can have such a name, and parsers differ."},
		{everybody, "a label of the host is empty", []string{notInDNS, notASCII}, "RFC 1035, 2.3.1."},
		{everybody, "a label of the host is longer than 63 characters", []string{notInDNS, notASCII}, "RFC 1035, 2.3.4."},
		{everybody, "a label of the host begins or ends with a hyphen", []string{notInDNS, notASCII}, "RFC 1123, 2.1."},
		{everybody, "a label of the host has neither a letter nor a digit", []string{notInDNS, notASCII}, "RFC 1123, 2.1."},
		{everybody, "the host is longer than 253 characters", []string{notInDNS, notASCII}, "RFC 1035, 2.3.4."},
		{everybody, "the host ends in a number but is not an IPv4 address of four plain decimal numbers", []string{notInDNS, notASCII},
			"127.1 and 0x7f.1 are names by RFC 3986, 3.2.2 and addresses to inet_aton and browsers."},
		{everybody, "the host is not an IPv6 address without zone in brackets", []string{"an address of a version that nobody knows (RFC 3986, 3.2.2)"},
			"RFC 3986, 3.2.2 defines an IPvFuture that has never come; a zone (RFC 6874) means nothing to another machine."},
		{"net/http, nginx, haproxy", "an IPv6 address needs brackets", nil, "RFC 3986, 3.2.2."},
		{everybody, "the host is not valid UTF-8", []string{notASCII}, "No reading as a name exists."},
		{everybody, "the host is not a valid internationalised name", []string{notASCII, "an A-label (RFC 5891, 4.4)"},
			"RFC 5891, 5: what cannot be registered is not looked up."},
		{everybody, "the port is not a number from 1 to 65535 without leading zeros", []string{"a port that is no number from 1 to 65535, as it is written (RFC 3986, 3.2.3)"},
			"RFC 3986, 3.2.3: a port is any number of digits, also none. 080 is another number to those who read it as octal."},

		// Fields.
		{"nginx", "a field line without a colon", nil, "5. nginx drops the line."},
		{"net/http, nginx, haproxy", "a field name with an illegal character", nil,
			"RFC 9110, 5.1 and 5.1 demand 400. nginx drops the field, net/http keeps a space in a name, haproxy takes an empty name."},
		{"reference, nginx, haproxy", "a field value with an illegal character", []string{"a control character in a field value (RFC 9110, 5.5)"},
			"RFC 9110, 5.5: other control characters than CR, LF and NUL may be kept. They have no use."},
		{everybody, "the Connection field lists too many options", []string{"more than 128 connection options (RFC 9110, 7.6.1)"},
			"Each option is compared with every field: the number is bounded."},
		{everybody, "an expectation other than 100-continue", []string{"an expectation that is not 100-continue alone (RFC 9110, 10.1.1)"},
			"RFC 9110, 10.1.1: 417 is what the section offers."},

		// Framing.
		{"reference, net/http, haproxy", "both Content-Length and Transfer-Encoding", []string{"both Transfer-Encoding and Content-Length (6.1)"},
			"6.1: a server may refuse these or go by the coding. It is the oldest way to smuggle."},
		{"reference, net/http, haproxy", "more than one Content-Length", []string{"a Content-Length that is a list of the same number (6.3)"},
			"6.3: the same number twice may be taken for one."},
		{everybody, "Content-Length is not a number", []string{"a Content-Length that is a list of the same number (6.3)", "a Content-Length of more than 18 digits (RFC 9110, 8.6)", "both Transfer-Encoding and Content-Length (6.1)"},
			"6.3: a list of the same number may be taken for one; RFC 9110, 8.6: the number has no bound, ours has 18 digits and so fits everywhere; with a coding the length does not count (6.1)."},
		{"reference, net/http, haproxy", "Transfer-Encoding is not the single coding chunked", []string{"a Transfer-Encoding that is written in another way than as one coding (RFC 9110, 5.6.1)", "a transfer coding beside chunked (6.1)"},
			"6.1: other codings than chunked are 501 to who does not know them, and nobody uses them. RFC 9110, 5.6.1: empty list elements are to be ignored, which not everybody does."},
		{"reference, net/http, haproxy", "Transfer-Encoding in HTTP/1.0", []string{"Transfer-Encoding in HTTP/1.0 (6.1)"},
			"6.1: such framing is faulty and the connection ends behind it; or it is refused."},
		{everybody, "a chunk size that is not a hexadecimal number", []string{"white space behind a chunk size (7.1.1)", "a chunk size of more than 15 digits (7.1)"},
			"7.1.1 lets white space stand before the semicolon of an extension, for the sake of old senders; 7.1 has no bound for zeros. We take 15 digits, which cannot overflow, and no white space."},
		{"nginx, haproxy", "a chunk that does not end with CR LF", nil, "7.1. They take a lone LF, haproxy a lone CR before it as well."},
		{everybody, "chunk extensions that are illegal or too long", []string{"long chunk extensions (7.1.1)"},
			"7.1.1 asks for a limit: 256 bytes in one line, 8 KiB in all."},
		{everybody, "a trailer that may not stand in a trailer section", []string{"a field that may not stand in a trailer section (RFC 9110, 6.5.1)", "more than 256 fields (RFC 9110, 5.4)"},
			"RFC 9110, 6.5.1: a recipient may ignore these. Whoever merges trailers into the head is deceived by them."},
		{"reference, nginx", "the trailers are too large", []string{"a trailer section of more than 8 KiB (RFC 9110, 5.4)", "more than 256 fields (RFC 9110, 5.4)"}, "8 KiB; RFC 9110, 5.4."},
	}
}

// requestReadings are what we read although somebody refuses it, or the grammar does not have it:
// requests, as they came and as we send them on.
func requestReadings() []class {
	return []class{
		{"reference, nginx", "a % without two hexadecimal digits in the target (RFC 3986, 2.1)", nil,
			"The target is sent on byte for byte and means the same bytes to everybody. A site with routes refuses it, since decoding has no one result."},
		{"reference", "a character in the target that no URI has (RFC 3986, 3.3)", nil,
			"Browsers send \" | { } and the like. 3.2 asks for 400 or nothing; the bytes are sent on as they are."},
		{"reference", notASCII, nil,
			"The contract has IDNA applied: the name in UTF-8 is the site of its A-label. It must be NFC, valid, and lower case but for case."},
		{"reference", "an A-label (RFC 5891, 4.4)", nil, "Valid; it is listed because an invalid one is refused."},
		{"reference", "a Connection field that is no list of tokens (RFC 9110, 7.6.1)", nil,
			"The field is for us and never sent on. An element that is no token names no field and no option."},
		{"reference", "more than 128 connection options (RFC 9110, 7.6.1)", nil, "Ours counts the elements of each line; those behind a trailing comma are none."},
		{"reference", "a chunk extension that is not name=value (7.1.1)", nil,
			"7.1.1 demands that unknown extensions are ignored, and all are unknown. They are never sent on; CR and LF cannot be in them."},
		{"reference", "an expectation that is not 100-continue alone (RFC 9110, 10.1.1)", nil,
			"100-continue on two lines is still that one expectation. The field is never sent on."},
		{"net/http", "malformed HTTP request", nil, "2.2 asks to ignore an empty line before a request; net/http does not."},
		{"net/http", "invalid URL escape", nil, "It decodes the path, and there is no result; we send the bytes on."},
		{"net/http", "suspiciously long trailer", nil, "It wants the whole trailer section in its buffer of 4 KiB; our limit is 8 KiB."},
		{"nginx", "an escaped NUL in the target", nil, "nginx decodes the path and refuses NUL in it. We send the target on as it is; a site with routes refuses it too."},
		{"nginx", "a target that climbs above the root", nil, "nginx resolves the dots and refuses to leave the root. We send the target on as it is; a site with routes decides for all readings of it at once."},
		{"nginx", "a method of other characters than capitals, - and _", nil, "RFC 9110, 9.1: a method is a token. nginx takes capitals only."},
		{"nginx", "Expect twice", nil, "nginx refuses several fields that stand there twice."},
		{"nginx", "it reads on where the connection ends", nil, "9.3: close ends the connection. nginx goes by the last of close and keep-alive; what it reads then is a request that the client has said it would not send."},
		{"nginx", "TRACE", nil, "nginx refuses TRACE, whatever it could do with it."},
		{"nginx", "the asterisk form", nil, "nginx does not serve OPTIONS of the whole server."},
		{"nginx", "a tab around a value", nil, "RFC 9110, 5.6.3: white space around a value is spaces and tabs. nginx takes tabs for a part of the value, and so an unknown coding."},
		{"haproxy", "the absolute form without a path", nil, "haproxy refuses a target like http://host?query, which RFC 9110, 4.2.1 allows."},
		{"haproxy", "a body in HTTP/1.0", nil, "haproxy answers 413 to GET, HEAD and DELETE of HTTP/1.0 with a body: old servers do not expect it."},
		{"haproxy", "the method PRI", nil, "It begins the preface of HTTP/2 (RFC 9113, 3.4), and HTTP/1.1 has no use for it."},
		{"haproxy", "an Upgrade", nil, "haproxy wants a Sec-WebSocket-Key with an upgrade to websocket, and no body with any."},
		{"haproxy", "a field name of more than 255 characters", nil, "A limit of haproxy's."},
		{"nginx", "the query of an absolute form without a path", nil, "nginx loses the query of http://host?query, which RFC 9110, 4.2.1 allows."},
		{"haproxy, nginx", "a request behind another one", nil, "Neither owes an answer to what stands behind a request on the same connection when the client has shut down its side (9.5, 9.6)."},
		{"nginx", "the target of OPTIONS without a path", nil, "3.2.4: it becomes * at the last proxy before the server, which we are. nginx makes / of it, which 4.2.3 of RFC 9110 has for other methods."},
	}
}
