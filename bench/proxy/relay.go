//go:build linux

package proxy

import "os"

// Backend is the role of this program in which it is the app.
const Backend = "backend"

// Relay is the role of this program in which it is the floor, backend.Relay.
const Relay = "relay"

// startRelay starts this program as the floor: what the system calls alone cost.
func startRelay(k Kind, _ Programs, at Place, dir, addr string) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return launch(k.Label, dir, environment(nil), nil, self, Relay, addr, at.Backend)
}
