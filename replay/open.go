package replay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/holdfast-edge/holdfast/accesslog"
)

// open opens a payload and reads it once to its end, so that damage is found
// before a connection is made and never in the middle of a request. A small body
// is kept for the sending, a big one is opened again.
func (e *Engine) open(ctx context.Context, id accesslog.ID) (*Recorded, error) {
	rec, err := e.Payloads.Open(ctx, id)
	if err != nil {
		return nil, err
	}
	if rec.Payload.Body == nil {
		rec.Payload.Body = io.NopCloser(bytes.NewReader(nil))
	}
	if rec.Payload.Bytes <= inMemory {
		body, err := readAll(rec.Payload)
		if err != nil {
			return nil, err
		}
		rec.Payload.Body = io.NopCloser(bytes.NewReader(body))
		return rec, nil
	}
	n, err := io.Copy(io.Discard, rec.Payload.Body)
	if err := errors.Join(err, rec.Payload.Body.Close()); err != nil {
		return nil, err
	}
	if n != rec.Payload.Bytes {
		return nil, wrongLength(n, rec.Payload.Bytes)
	}
	return e.Payloads.Open(ctx, id)
}

func readAll(p *accesslog.Opened) ([]byte, error) {
	body := make([]byte, 0, p.Bytes+1) // one more, so that a longer body is noticed
	buf := bytes.NewBuffer(body)
	_, err := io.Copy(buf, io.LimitReader(p.Body, p.Bytes+1))
	if err := errors.Join(err, p.Body.Close()); err != nil {
		return nil, err
	}
	if n := int64(buf.Len()); n != p.Bytes {
		return nil, wrongLength(n, p.Bytes)
	}
	return buf.Bytes(), nil
}

func wrongLength(got, want int64) error {
	return fmt.Errorf("%w: %d bytes where %d were recorded", accesslog.ErrPayload, got, want)
}

func isDelivered(err error) bool { return errors.Is(err, ErrDelivered) }

// kindOf is ErrNotSent, ErrUnsendable or ErrUnknown: what err means when the
// intent was or was not written. Before the intent nothing can have been sent,
// whatever the error says; after it, only what says so was not.
func kindOf(err error, intended bool) error {
	switch {
	case errors.Is(err, ErrUnsendable):
		return ErrUnsendable
	case errors.Is(err, ErrNotSent), !intended:
		return ErrNotSent
	}
	return ErrUnknown
}
