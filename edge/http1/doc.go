// Package http1 is HTTP/1.1 on the wire (RFC 9112): the syntax of messages in
// both directions, and the connections of clients. Package upstream uses the same
// syntax towards apps.
//
// The parser is strict where the RFC leaves room, because two readings of one
// message are how requests get smuggled. What it accepts is re-framed when it is
// passed on, never copied through.
//
// A head is parsed in place: fields alias the connection's buffer, which stays
// where it is until the exchange is over.
package http1
