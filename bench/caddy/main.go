// Caddy with its standard modules and nothing else, as its own cmd/caddy is. It
// is a module of its own so that its dependencies are not ours.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddyserver/caddy/v2/modules/standard" // what the configuration uses
)

func main() { caddycmd.Main() }
