// Package good breaks no habit.
package good

// The kinds of things.
const (
	A = iota
	B
)

var C = 1 // C has its comment behind it
