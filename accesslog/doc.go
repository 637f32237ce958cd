// Package accesslog keeps a record of every exchange the edge serves, and reads
// the records back.
//
// There are two classes of records. A captured record (Store.Commit) holds all
// that is needed to send a request again, sealed to a public key, and is on
// stable storage before Commit returns. An access line (Store.Append) is the one
// line every exchange gets; it is written within 100 ms and synced within a
// second. Both parts of one exchange carry the same ID and readers see them
// merged, as one Entry.
//
// Everything below the data directory is JSON lines and age files; the pages in
// docs/format describe them byte by byte. One Store writes, holding the lock of
// the directory; any number of Readers read beside it without a lock.
package accesslog
