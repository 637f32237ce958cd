// Package desync attacks a running edge over raw sockets with more than a thousand
// malformed, ambiguous or hostile requests, and holds it to two promises: none of them
// reaches an app it should not, and none makes an app see a different number of requests
// than the edge does.
//
// # How a case is judged
//
// A case is the exact bytes of one client connection and what may come of them: a sequence
// of answers, each made by the edge itself or by an app to exactly one forwarded request.
// Where the RFCs leave room, a case allows more than one outcome (oneOf). Whatever the
// outcome, these hold for every case:
//
//  1. Every app counts with a reader of its own (reader_test.go), which shares no code with
//     the edge and forgives nothing. Each complete request gets a serial number that
//     travels back in the answer, so requests seen by apps and answers seen by clients are
//     matched one to one: a request nobody was answered for, or an answer delivered twice
//     or to another connection, is a desync. What was forwarded is framed by at most one of
//     Content-Length and Transfer-Encoding and carries none of the client's hop-by-hop or
//     edge-owned fields.
//  2. The app named gamma is never contacted: its host appears only where it must not count.
//  3. The connection is answered or closed within a time limit.
//  4. The edge lives and serves an ordinary request on a new connection after the case, and
//     its answer belongs to that request (a poisoned upstream connection would show here).
//  5. Each answer has one record, with the status the client saw, and for forwarded
//     requests the app, method and target that the app saw. A request whose client left
//     inside its body has one too, and no malformed or short body is called complete.
//
// Refusals of malformed requests are followed, in the same write, by a well-formed request
// (the tail). If it is ever served, the edge resynchronised on bytes it had refused.
//
// # Environment
//
//	HOLDFAST_EDGE_KIND=nginx   put Debian's nginx where the edge would be. nginx is laxer, so
//	                           differences are counted and listed, not failed: it shows that
//	                           the harness sees them.
//	HOLDFAST_DESYNC_ONLY=RE    run only cases whose table/name matches.
package desync
