package recovery

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// targets are request targets as real clients send them, odd ones among them.
var targets = []string{
	"/event",
	"/",
	"/?",
	"/a%20b/%e2%82%ac?x=%C3%A9",
	"/@scope%2Fpkg/-/pkg-1.0.0.tgz",
	"/api/v4/projects/group%2Fproject/issues?per_page=100&state=opened",
	"//double//slash/",
	"/a/./b/../c",
	"/x;v=1;w=2/y;z?a;b",
	"/~user/!$&'()*+,=:@-._",
	"/?a=b?c=d&&&==",
	"/nul%00byte",
	"/bad%zzescape%",
	"/back\\slash|pipe{brace}^`quote\"",
	"/long?q=" + longQuery,
	"/matomo.php?action_name=Caf%C3%A9&idsite=1&rec=1&r=123456&h=12&m=0&s=59&url=https%3A%2F%2Fshop.example%2F%3Fa%3Db%26c",
}

var longQuery = strings.Repeat("0123456789abcdef%20", 300)

// extras are fields that a client may add. Values stand as on the wire: the white
// space in front is part of it.
var extras = []field{
	{"ACCEPT", " */*"},
	{"accept-language", " is-IS,is;q=0.9,  en;q=0.1"},
	{"User-Agent", " Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36"},
	{"Referer", " https://shop.example/a?b=c"},
	{"cookie", " a=b; c=\"d e\""},
	{"Cookie", " second=1"},
	{"AUTHORIZATION", " Basic dXNlcjpwYXNzd29yZA=="},
	{"X-Obs-Text", " \xe4\xf6\xfc \xff\x80"},
	{"X-Empty", ""},
	{"X-Empty-Too", " "},
	{"x-repeated", " one"},
	{"X-REPEATED", " two"},
	{"X-Repeated", " one"},
	{"X-Tab", " a\tb  c"},
	{"X-Padded", " \t  value in the middle \t "},
	{"X-No-Space", "value:with:colons"},
	{"DNT", " 1"},
	{"sec-GPC", " 1"},
	{"!#$%&'*+-.^_`|~name", " token"},
	{"X-Comma", " a,b,, c ,"},
	{"Via", " 1.0 fred"},
	{"Origin", " https://shop.example"},
	{"Content-Encoding", " gzip"},
	{"X-Long", " " + strings.Repeat("v", 3000)},
}

// unseen are fields that no app sees: they concern the connection to the edge only,
// or claim what only the edge may say (CONTRACT, section 3).
var unseen = []field{
	{"Keep-Alive", " timeout=5"},
	{"Proxy-Connection", " keep-alive"},
	{"TE", " trailers"},
	{"X-Forwarded-For", " 6.6.6.6"},
	{"x-forwarded-proto", " https"},
	{"X-Forwarded-Host", " evil.example"},
	{"X-Request-Id", " 00000000000000000A"},
	{"X-Edge-Replay", " id=1; recorded-at=2001-01-01T00:00:00Z; attempt=9"},
	{"X-Edge-Anything", " 1"},
	{"Proxy-Authorization", " Basic eDp5"},
}

// sizes of bodies, in bytes. Some are at the edges of what is kept in memory.
var sizes = []int{0, 1, 2, 100, 512, 4095, 4096, 4097, 16 << 10, 64<<10 - 1, 64 << 10}

// largeSizes are above what is kept in memory, and for unmatched hosts at all.
var largeSizes = []int{64<<10 + 1, 100_000, 128 << 10, 200_000, 1 << 20, 5 << 20}

// shape says what requests are to be made.
type shape struct {
	hosts   []string
	methods []string
	sizes   []int
}

var writing = []string{"POST", "PUT", "PATCH", "DELETE"}

// make makes a request. Number i decides what must occur for certain; all else is
// drawn.
func (s *shape) make(rng *rand.Rand, i int) *request {
	r := &request{
		method: s.methods[i%len(s.methods)],
		target: targets[i%len(targets)],
		body:   random(rng, s.sizes[i%len(s.sizes)]),
		framed: rng.IntN(2) == 0,
	}
	host := s.hosts[i%len(s.hosts)]
	if rng.IntN(4) == 0 {
		host = strings.ToUpper(host[:1]) + host[1:] + ":80"
	}
	fields := []field{{pick(rng, "Host", "host", "HOST"), " " + host}, {"X-Case", fmt.Sprintf(" %d", i)}}
	for _, f := range extras {
		if rng.IntN(3) == 0 {
			fields = append(fields, f)
		}
	}
	for _, f := range unseen {
		if rng.IntN(8) == 0 {
			fields = append(fields, f)
		}
	}
	if i%5 == 1 {
		fields = append(fields, field{"idempotency-KEY", fmt.Sprintf(" \"client-%d\"", i)})
	}
	if i%7 == 2 {
		fields = append(fields, field{"Connection", " keep-alive, x-hop"}, field{"X-Hop", " for the edge only"})
	}
	if i%11 == 3 && len(r.body) > 0 {
		fields = append(fields, field{"Expect", " 100-continue"})
	}
	if i%3 == 2 && r.method != "GET" {
		r.chunked = true
		if i%2 == 0 {
			r.trailers = []field{{"X-Checksum", fmt.Sprintf("%x", rng.Uint64())}, {"x-CHECKSUM-2", "\xe4 obs"}}
			fields = append(fields, field{"Trailer", " X-Checksum"})
		}
	}
	rng.Shuffle(len(fields), func(a, b int) { fields[a], fields[b] = fields[b], fields[a] })
	r.fields = fields
	return r
}

// forwarded are the fields an app sees of a request, less those of the contract.
func (r *request) forwarded() []field {
	hop := false
	for _, f := range r.fields {
		hop = hop || f.is("Connection")
	}
	var out []field
next:
	for _, f := range r.fields {
		for _, p := range unseen {
			if f.is(p.name) {
				continue next
			}
		}
		if f.is("Connection") || f.is("Expect") || hop && f.is("X-Hop") {
			continue
		}
		out = append(out, field{f.name, strings.Trim(f.value, " \t")})
	}
	return out
}

func (r *request) field(name string) (string, bool) {
	v, ok := one(r.fields, name)
	return strings.Trim(v, " \t"), ok
}

func random(rng *rand.Rand, n int) []byte {
	p := make([]byte, n)
	for i := 0; i < n; i += 8 {
		v := rng.Uint64()
		for k := i; k < min(n, i+8); k++ {
			p[k] = byte(v)
			v >>= 8
		}
	}
	return p
}

func pick[T any](rng *rand.Rand, of ...T) T { return of[rng.IntN(len(of))] }
