package accesslog

import (
	"encoding/json"
	"fmt"
	"time"
)

// Seconds is a duration that JSON shows as a number of seconds.
type Seconds time.Duration

// MarshalJSON writes the seconds, exact to the nanosecond.
func (s Seconds) MarshalJSON() ([]byte, error) { return appendSeconds(nil, time.Duration(s)), nil }

// UnmarshalJSON reads a number of seconds.
func (s *Seconds) UnmarshalJSON(data []byte) error {
	d, ok := parseSeconds(data)
	if !ok {
		var f float64
		if err := json.Unmarshal(data, &f); err != nil {
			return fmt.Errorf("duration: %w", err)
		}
		d = time.Duration(f * float64(time.Second))
	}
	*s = Seconds(d)
	return nil
}

// TLS is the part of a record about the TLS connection.
type TLS struct {
	ServerName string `json:"server_name"`
	Version    string `json:"version"`
}

// Request is the part of a record about the request as it was received. Texts
// are valid UTF-8: a byte that was not is shown as the Latin-1 character of the
// same number. The exact bytes are in the payload.
type Request struct {
	ClientIP string `json:"client_ip"` // truncated to /24 or /48
	Proto    string `json:"proto"`
	Method   string `json:"method"`
	Host     string `json:"host"`
	URI      string `json:"uri"`
	// Cut: Method, Host or URI is not the whole of what was received. It was
	// too long for a clear line, or had a name and a password in it. Nothing
	// may be decided by them then; the payload has the exact bytes.
	Cut     bool                `json:"cut,omitempty"`
	Headers map[string][]string `json:"headers"`
	TLS     *TLS                `json:"tls,omitempty"`
}

// Entry is a record as it is read back, captured part and access line merged.
// It belongs to whom it was handed and is not changed any more.
type Entry struct {
	Time       time.Time `json:"ts"`
	ID         ID        `json:"id"`
	Outcome    Outcome   `json:"outcome"`
	Status     int       `json:"status"`
	Duration   Seconds   `json:"duration"`
	Generation string    `json:"generation"`
	Site       string    `json:"site"`
	Route      string    `json:"route"`
	App        string    `json:"app"`
	Upstream   string    `json:"upstream"`
	Match      string    `json:"match"`
	Stage      string    `json:"stage"`
	Reason     string    `json:"reason,omitempty"`
	Request    Request   `json:"request"`
	UserAgent  UserAgent `json:"user_agent"`
	BytesRead  int64     `json:"bytes_read"`
	Size       int64     `json:"size"`
	Body       Body      `json:"body"`

	// payload is where the sealed part is; file is empty if there is none.
	payload place
}

// place is one line of one file.
type place struct {
	file   string // path
	offset int64
	length int // without the newline
}

// Captured reports whether the record has a sealed payload that Reader.Open can
// open.
func (e *Entry) Captured() bool { return e.payload.file != "" }

// Failed reports whether the exchange failed.
func (e *Entry) Failed() bool { return Failed(e.Outcome, e.Status) }
