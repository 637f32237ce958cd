// Package layers holds the rules of the house: which package may import which,
// and what each binary may be made of. It has no code that runs, only tests; its
// tables are the place to look when a test refuses an import, and to change, with
// a reason, when the rule was wrong.
package layers
