//go:build linux

package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	o, err := parse(strings.Fields("-run get,post -against edge,edge@/tmp/x -duration 2s -rounds 3 -edge-env GOGC=200,A=b -json j"))
	if err != nil || !slices.Equal(o.run, []string{"get", "post"}) || !slices.Equal(o.against, []string{"edge", "edge@/tmp/x"}) ||
		o.duration != 2*time.Second || o.rounds != 3 || !slices.Equal(o.edgeEnv, []string{"GOGC=200", "A=b"}) || o.json != "j" || o.connections != 64 {
		t.Errorf("%+v, %v", o, err)
	}
	for _, bad := range []string{"get", "-duration 500ms", "-duration 1500ms", "-rounds 0", "-connections 1", "-duration 3", "-what"} {
		if _, err := parse(strings.Fields(bad)); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
