//go:build !linux || portable

package socket

import "errors"

// Lot is where idle connections wait without a goroutine, on systems that have it.
type Lot struct{}

// NewLot fails here.
func NewLot() (*Lot, error) { return nil, errors.ErrUnsupported }

// Park always returns false.
func (*Lot) Park(*Conn, func()) (ticket uint64, ok bool) { return 0, false }

// Take always returns false.
func (*Lot) Take(uint64) bool { return false }

// Len is 0.
func (*Lot) Len() int { return 0 }

// Close does nothing.
func (*Lot) Close() {}
