package accesslog

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/holdfast-edge/holdfast/internal/durable"
)

// epochState is the file data/epoch. Every process that opens the store has an
// epoch of its own, one more than all before it; files, blobs and ids carry it,
// so that nothing of two processes can ever have the same name.
type epochState struct {
	// Epoch is the latest that was handed out.
	Epoch uint32 `json:"epoch"`
	// Recovered: the files of this epoch and those before it need no look at
	// start any more.
	Recovered uint32 `json:"recovered"`
}

func epochPath(data string) string { return filepath.Join(data, "epoch") }

// nextEpoch hands out an epoch and makes that durable before anything carries
// it. If the file is lost or unreadable, the names of the files there are still
// keep an epoch from being used twice.
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
	state.Epoch++
	if state.Epoch == 0 {
		return state, errors.New("the data directory has used all its epochs")
	}
	return state, writeEpoch(data, state)
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
