// Package differential compares the edge's reading of HTTP/1.x messages with those of
// others: a reference written after the RFCs (package rfc), net/http, and over sockets nginx
// and haproxy, each in front of a backend that keeps what arrives. The messages are made by
// package generate, from a seed.
//
// What we accept must be what the reference reads, and what we send on must be one message,
// the same one, to all of them. Other disagreements have classes, each with an explanation
// (classes_test.go, docs/http1-strictness.md); one without fails the test and prints the
// request.
//
//	HOLDFAST_SEED=n        other messages
//	HOLDFAST_TORTURE=full  1,000,000 of them, and 100,000 over sockets
package differential
