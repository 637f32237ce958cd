package routing

import (
	_ "github.com/holdfast-edge/holdfast/configs"
	_ "golang.org/x/net/idna"
	_ "net"
	_ "net/netip"
	_ "os"
)
