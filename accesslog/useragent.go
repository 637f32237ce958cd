package accesslog

import (
	"strings"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/mssola/useragent"
)

const (
	agentCacheSize = 4096 // different agents remembered
	agentMaxLength = 512  // bytes of a User-Agent field that are looked at
)

// UserAgents tells browsers from bots by their User-Agent field and remembers
// the latest 4,096 different ones, at most about 4 MiB. It is safe for concurrent
// use.
type UserAgents struct {
	cache *lru.Cache[string, UserAgent]
}

// NewUserAgents returns an empty cache.
func NewUserAgents() *UserAgents {
	cache, err := lru.New[string, UserAgent](agentCacheSize)
	if err != nil {
		panic(err) // only for a size of 0 or less
	}
	return &UserAgents{cache: cache}
}

// Parse returns what can be told from the value of a User-Agent field. Only its
// first 512 bytes are looked at. It does not keep agent, and allocates nothing
// if the same agent was seen lately.
func (u *UserAgents) Parse(agent []byte) UserAgent {
	if len(agent) == 0 {
		return UserAgent{}
	}
	agent = agent[:min(len(agent), agentMaxLength)]
	// The string made without a copy is used for the look-up only; the key that
	// stays in the cache is a copy.
	if known, ok := u.cache.Get(unsafeString(agent)); ok {
		return known
	}
	key := string(agent)
	parsed := parseAgent(key)
	u.cache.Add(key, parsed)
	return parsed
}

// parseAgent is the only place that calls the parser, which is dormant and has
// panicked on odd input before: then nothing is known of the agent.
func parseAgent(agent string) (result UserAgent) {
	defer func() {
		if recover() != nil {
			result = UserAgent{}
		}
	}()
	p := useragent.New(agent)
	name, version := p.Browser()
	return UserAgent{
		Browser: strings.Clone(name),
		Version: strings.Clone(version),
		OS:      strings.Clone(p.OS()),
		Mobile:  p.Mobile(),
		Bot:     p.Bot(),
	}
}
