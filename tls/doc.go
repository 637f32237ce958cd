// Package tlsgate is the gate at the handshake: it reads certificates, says what is wrong
// with them, and lets in who asks for a name that has one. Nobody else is shown any
// certificate: there is no default.
//
// It is the room tls. The package is not called tls, so that nobody who reads
// tls.Config has to ask whose tls that is: it is always the standard library's.
//
// Names come in and certificates go out as plain values. Which names there are is the
// caller's business (a function from a name to a Certificate), and so are sockets,
// goroutines, logs and clocks.
package tlsgate
