package accesslog

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestUserAgents(t *testing.T) {
	u := NewUserAgents()
	for in, want := range map[string]UserAgent{
		"": {},
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_9_1) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/32.0.1700.77 Safari/537.36": {
			Browser: "Chrome", Version: "32.0.1700.77", OS: "Intel Mac OS X 10_9_1"},
		"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)": {Browser: "Googlebot", Version: "2.1", Bot: true},
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Mobile/15E148 Safari/604.1": {
			Browser: "Safari", Version: "17.0", OS: "CPU iPhone OS 17_0 like Mac OS X", Mobile: true},
	} {
		for range 2 { // parsed, then from the cache
			if got := u.Parse([]byte(in)); got != want {
				t.Errorf("%q is %+v", in, got)
			}
		}
	}
}

func TestUserAgentsKeepsNoReference(t *testing.T) {
	u := NewUserAgents()
	buf := []byte("Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0")
	same := string(buf)
	first := u.Parse(buf)
	for i := range buf {
		buf[i] = 'x'
	}
	if got := u.Parse([]byte(same)); got != first || got.Browser != "Firefox" {
		t.Errorf("after the buffer changed: %+v", got)
	}
}

func TestUserAgentsIsBounded(t *testing.T) {
	u := NewUserAgents()
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 3000 {
				u.Parse([]byte(fmt.Sprintf("agent-%d/%d %s", w, i, strings.Repeat("x", 2000))))
			}
		})
	}
	wg.Wait()
	if n := u.cache.Len(); n != agentCacheSize {
		t.Errorf("%d agents in the cache", n)
	}
	for _, key := range u.cache.Keys() {
		if len(key) > agentMaxLength {
			t.Fatalf("key of %d bytes", len(key))
		}
	}
}

func TestUserAgentHitDoesNotAllocate(t *testing.T) {
	u := NewUserAgents()
	agent := []byte("Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0")
	u.Parse(agent)
	if n := testing.AllocsPerRun(1000, func() { u.Parse(agent) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// The agents of real traffic, odd and broken ones included.
func TestUserAgentsOfRealTraffic(t *testing.T) {
	path := filepath.Join("..", "..", "shared", "data", "access-combined-10k.log")
	file, err := os.Open(path)
	if err != nil {
		t.Skipf("the log of real traffic is not here: %v", err)
	}
	defer file.Close()
	u := NewUserAgents()
	agents, unknown, bots := map[string]UserAgent{}, 0, 0
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		// The agent is the third quoted part; one line is cut in the middle of it.
		if parts := strings.Split(lines.Text(), `"`); len(parts) > 5 {
			agents[parts[5]] = u.Parse([]byte(parts[5]))
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	for _, a := range agents {
		if a == (UserAgent{}) {
			unknown++
		}
		if a.Bot {
			bots++
		}
	}
	t.Logf("%d agents: %d bots, nothing known of %d", len(agents), bots, unknown)
	if len(agents) != 559 || bots == 0 || unknown > len(agents)/10 {
		t.Errorf("%d agents, %d bots, %d unknown", len(agents), bots, unknown)
	}
}

func FuzzUserAgent(f *testing.F) {
	for _, seed := range []string{
		"", "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0", "(", "()", "[", "a/ (", "Opera/9 (; )",
		"Mozilla/5.0 (compatible; ", "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1)", "\xff/\x00 (\xff)", "Mozilla/5.0 ()",
		"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36", "Mozilla (iPhone; ", "Dalvik/1.6.0 (Linux; U; )",
	} {
		f.Add([]byte(seed))
	}
	u := NewUserAgents()
	f.Fuzz(func(t *testing.T, agent []byte) {
		parsed := u.Parse(agent)
		if remembered := u.Parse(agent); remembered != parsed {
			t.Errorf("parsed %+v, remembered %+v", parsed, remembered)
		}
	})
}

func BenchmarkUserAgentHit(b *testing.B) {
	u := NewUserAgents()
	agent := []byte("Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0")
	b.ReportAllocs()
	for b.Loop() {
		u.Parse(agent)
	}
}
