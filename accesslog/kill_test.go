package accesslog

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	victimDir   = "HOLDFAST_TEST_VICTIM"
	tortureVar  = "HOLDFAST_TORTURE" // "full", "rounds" or "rounds,seed"
	victimCount = 6                  // goroutines that commit
)

// tortureBody is the body of a record, so that both sides can tell it.
func tortureBody(id ID, size int) []byte { return repeatTo(id.String()+"\x00\n\xff", size) }

// victim commits records from several goroutines until it is killed, and prints
// a line for each that was acknowledged. Some bodies are big enough for a file
// of their own, some captures are never finished.
func victim(dir string) {
	s, err := OpenStore(dir, StoreOptions{MaxSegment: 256 << 10})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	ids := s.NewIDs()
	for w := range victimCount {
		go func() {
			for i := 0; ; i++ {
				id := ids.Next(time.Now())
				size := 10 + rand.IntN(3000)
				if (i+w)%7 == 0 {
					size = memoryLimit + rand.IntN(3*memoryLimit)
				}
				if err := commitCaptured(s, id, size); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				os.Stdout.WriteString(fmt.Sprintln(id, size))
			}
		}()
	}
	select {}
}

func commitCaptured(s *Store, id ID, size int) error {
	body := tortureBody(id, size)
	c := s.NewCapture(1 << 20)
	defer c.Release()
	for len(body) > 0 {
		n, _ := c.Write(body[:min(len(body), 10_000)])
		body = body[n:]
	}
	rec := newRecord(id, time.Now(), nil)
	var err error
	rec.Body, rec.Payload.Body, rec.Payload.Blob, err = c.Seal(true)
	if err != nil {
		return err
	}
	if err := s.Commit(rec); err != nil {
		return err
	}
	s.Append(rec)
	return nil
}

// A process that commits under load is killed at a random moment, many times on
// the same directory. Every record it acknowledged must be there, whole.
//
// HOLDFAST_TORTURE=ROUNDS[,SEED] sets how long and how; "full" is 300 rounds.
func TestKill(t *testing.T) {
	rounds, seed := 8, uint64(time.Now().UnixNano())
	if testing.Short() {
		rounds = 5
	}
	if v := os.Getenv(tortureVar); v == "full" {
		rounds = 300
	} else if v != "" {
		first, second, _ := strings.Cut(v, ",")
		n, err := strconv.Atoi(first)
		if err != nil {
			t.Fatalf("%s=%s: %v", tortureVar, v, err)
		}
		rounds = n
		if second != "" {
			if seed, err = strconv.ParseUint(second, 10, 64); err != nil {
				t.Fatalf("%s=%s: %v", tortureVar, v, err)
			}
		}
	}
	t.Logf("%d rounds, %s=%d,%d", rounds, tortureVar, rounds, seed)
	random := rand.New(rand.NewPCG(seed, 1))
	dir := t.TempDir()
	acked := map[ID]int{}
	for round := range rounds {
		wait := time.Duration(random.IntN(120)) * time.Millisecond
		fresh := runVictim(t, dir, wait)
		r, keys := openReader(t, dir), loadKeys(t, dir)
		// Beside nobody, before anything is repaired.
		checkAcked(t, r, keys, fresh)
		for id, size := range fresh {
			acked[id] = size
		}
		if t.Failed() {
			t.Fatalf("round %d", round)
		}
	}
	// After the repairs of the last start, all of them.
	s := openStore(t, dir, StoreOptions{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	checkAcked(t, openReader(t, dir), loadKeys(t, dir), acked)
	if left := files(t, dir, "captured", blobsName, "*"+spillSuffix); len(left) > 0 {
		t.Errorf("unfinished bodies are left: %v", left)
	}
	torn := files(t, dir, quarantineName, "*")
	t.Logf("%d records acknowledged, %d pieces in quarantine", len(acked), len(torn))
	if len(acked) == 0 {
		t.Error("nothing was acknowledged: the test shows nothing")
	}
}

func checkAcked(t *testing.T, r *Reader, keys Keys, acked map[ID]int) {
	t.Helper()
	found := byID(t, r)
	for id, size := range acked {
		e := found[id]
		if e == nil {
			t.Errorf("%s was acknowledged and is lost", id)
			continue
		}
		_, body, err := readPayload(r, e, keys)
		if err != nil || !bytes.Equal(body, tortureBody(id, size)) {
			t.Errorf("%s: %d bytes of %d: %v", id, len(body), size, err)
		}
	}
}

// runVictim returns what the victim acknowledged until it was killed.
func runVictim(t *testing.T, dir string, wait time.Duration) map[ID]int {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victimDir+"="+filepath.Clean(dir))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	acked := map[ID]int{}
	lines := bufio.NewReader(out)
	var killed bool
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			break // a last line without its end counts for nothing
		}
		var text string
		var size int
		if _, err := fmt.Sscan(line, &text, &size); err != nil {
			t.Fatalf("victim said %q", line)
		}
		id, err := ParseID(text)
		if err != nil {
			t.Fatal(err)
		}
		acked[id] = size
		if !killed {
			killed = true
			time.AfterFunc(wait, func() { cmd.Process.Kill() })
		}
	}
	_ = cmd.Wait() // it was killed
	if !killed {
		t.Fatalf("the victim never began: %s", stderr.Bytes())
	}
	return acked
}
