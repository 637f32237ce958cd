// Package configs reads Holdfast's configuration: strict YAML in, one
// immutable [Config] out, or every problem of every file at once, each with
// file, line, column, the source line and a hint.
//
// The way of a file, in order, is a list of file names:
//
//	find.go      which file: -c, $EDGE_CONFIG, ./edge.yaml, /etc/holdfast/edge.yaml
//	load.go      the steps below, composed
//	source.go    bytes in; size, encoding and control characters checked first
//	parse.go     bytes to a tree, without YAML's anchors, merges, tags and duplicates
//	envfile.go   env_file and ${NAME}
//	decode.go    tree to the Go types of file.go; unknown keys and wrong types
//	include.go   the files that `include` names
//	check_*.go   what the values mean; builds the Config and the routing table
//
// The types in file.go are the only list of keys: the decoder, the "did you
// mean" hints and the JSON Schema (schema.json) are derived from them.
//
// Two rules hold everywhere. A value that came out of a variable is never read
// as YAML structure and never printed: messages show the ${NAME} the file has.
// And nothing has a silent default destination: a host reaches an app only if a
// site names it.
package configs

//go:generate go test -run ^TestSchemaFile$ . -update
