package replaycmd

import (
	"errors"

	"github.com/holdfast-edge/holdfast/edge/http1"
)

// readHead reads a recorded head with the parser that read it when it was live. It
// is a replay.HeadParser.
func readHead(head []byte) (method, target, host string, err error) {
	var r http1.Request
	n, bad := r.Parse(head)
	switch {
	case bad != nil:
		return "", "", "", bad
	case n != len(head):
		return "", "", "", errors.New("the recorded head is incomplete")
	}
	return string(r.Method), string(r.Target), string(r.Host), nil
}
