//go:build linux

package proxy

import "errors"

func startCaddy(Kind, Programs, Place, string, string) (*Process, error) {
	return nil, errors.New("not built")
}
