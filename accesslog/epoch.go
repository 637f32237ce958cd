package accesslog

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"github.com/holdfast-edge/holdfast/internal/durable"
)

// tagsKept is of how many processes data/epoch has the tags.
const tagsKept = 64

// epochState is the file data/epoch. Every process that opens the store has an
// epoch of its own, one more than all before it; files and blobs carry it, so
// that nothing of two processes can ever have the same name.
type epochState struct {
	// Epoch is the latest that was handed out.
	Epoch uint32 `json:"epoch"`
	// Recovered: the files of this epoch and those before it need no look at
	// start any more.
	Recovered uint32 `json:"recovered"`
	// Tags are those that the ids of the latest processes carry, the last one
	// at the end.
	Tags []string `json:"tags"`
}

func epochPath(data string) string { return filepath.Join(data, "epoch") }

// nextEpoch hands out an epoch and a tag and makes both durable before anything
// carries them. If the file is lost or unreadable, the names of the files there
// are still keep an epoch from being used twice.
func nextEpoch(data string, files []segmentFile) (epochState, error) {
	state := epochState{}
	text, err := os.ReadFile(epochPath(data))
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return state, err
	default:
		if json.Unmarshal(text, &state) != nil {
			state = epochState{}
		}
	}
	for _, f := range files {
		state.Epoch = max(state.Epoch, f.epoch)
	}
	other, err := otherEpochs(data)
	if err != nil {
		return state, err
	}
	state.Epoch = max(state.Epoch, other) + 1
	if state.Epoch == 0 {
		return state, errors.New("the data directory has used all its epochs")
	}
	state.Tags = append(state.Tags, newTag(state.Tags))
	state.Tags = state.Tags[max(len(state.Tags)-tagsKept, 0):]
	return state, writeEpoch(data, state)
}

// tag is what the ids of this process carry.
func (s *epochState) tag() string { return s.Tags[len(s.Tags)-1] }

// newTag returns a random tag that is none of those before. Two data directories
// know nothing of each other; that theirs are the same has odds of one in 2^20.
func newTag(before []string) string {
	for {
		var b [8]byte
		_, _ = rand.Read(b[:]) // crypto/rand.Read never fails since Go 1.24
		var tag [idTagChars]byte
		putCrockford(tag[:], binary.LittleEndian.Uint64(b[:]))
		if !slices.Contains(before, string(tag[:])) {
			return string(tag[:])
		}
	}
}

// epochInName finds the epoch in the names of blobs and of what is in quarantine.
var epochInName = regexp.MustCompile(`^(?:blob-|[a-z]+-\d{4}-\d\d-\d\d-)?(\d{6,10})-\d{6,}\.`)

// otherEpochs returns the highest epoch in the names of bodies, finished or not,
// and of what recovery moved away.
func otherEpochs(data string) (uint32, error) {
	blobs := filepath.Join(data, classCaptured, blobsName)
	days, err := listDays(blobs)
	if err != nil {
		return 0, err
	}
	dirs := []string{blobs, filepath.Join(data, quarantineName)}
	for _, day := range days {
		dirs = append(dirs, filepath.Join(blobs, day))
	}
	var highest uint32
	for _, dir := range dirs {
		list, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, err
		}
		for _, d := range list {
			if m := epochInName.FindStringSubmatch(d.Name()); m != nil {
				if n, err := strconv.ParseUint(m[1], 10, 32); err == nil {
					highest = max(highest, uint32(n))
				}
			}
		}
	}
	return highest, nil
}

func writeEpoch(data string, state epochState) error {
	text, err := json.Marshal(state)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(epochPath(data), append(text, '\n')); err != nil {
		return fmt.Errorf("writing the epoch: %w", err)
	}
	return nil
}
