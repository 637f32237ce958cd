// Package dataplane tries the HTTP/1.1 data plane of a real edge process at the level
// of bytes: the client is a raw socket, and so is the app, which answers as a script of
// the test says: malformed, cut short, early, late, in trickles or not at all.
//
// A test states what the client sees, what the app got and how often, and what the
// record says. Records are looked at once per suite, after its cases, because they are
// read by the shipped `edge logs`.
package dataplane

import (
	"testing"

	"github.com/holdfast-edge/holdfast/integration_test/edgetest"
)

func TestMain(m *testing.M) { edgetest.MainFast(m) }
