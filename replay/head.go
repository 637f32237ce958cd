package replay

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/holdfast-edge/holdfast/accesslog"
)

// HeadParser reads the method, the target (origin-form or "*") and the authority of
// a recorded head, by the rules the edge reads heads with. It keeps nothing of head,
// and is safe for concurrent use. The edge's own parser is put in by who may know it.
type HeadParser func(head []byte) (method, target, host string, err error)

// errCutOff is the reason that nothing is decided by the clear text of a record.
var errCutOff = errors.New("the request line in the log is not the whole one")

// Whole is e with the method, target and host of its recorded head: what decides
// where a record goes whose clear text was cut. e itself is not changed.
func Whole(e *accesslog.Entry, head []byte, parse HeadParser) (*accesslog.Entry, error) {
	if parse == nil {
		return nil, fmt.Errorf("%w, and nothing reads its head", errCutOff)
	}
	whole := *e
	var err error
	if whole.Request.Method, whole.Request.URI, whole.Request.Host, err = parse(head); err != nil {
		return nil, fmt.Errorf("the recorded head cannot be read: %w", err)
	}
	whole.Request.Cut = false
	return &whole, nil
}

// judgeCut decides about a record whose clear text was cut: by its payload, and
// without that not by where it would go. An error is the Selection's own mistake.
func (s *Selection) judgeCut(e *accesslog.Entry, standing Standing) (Judgement, error) {
	if s.Head == nil {
		return Judgement{}, fmt.Errorf("record %s: %w, and nothing reads its head", e.ID, errCutOff)
	}
	j := s.Rules.judgeUnread(e, standing, NoReason)
	if j.Class != ToSend {
		return j, nil
	}
	opened, err := s.Records.Open(e, s.Keys)
	if err != nil {
		return s.Rules.judgeUnread(e, standing, unopened(err)), nil
	}
	if opened.Body != nil {
		_ = opened.Body.Close() // it was only read
	}
	whole, err := Whole(e, opened.Head, s.Head)
	if err != nil {
		return s.Rules.judgeUnread(e, standing, Damaged), nil
	}
	return s.Rules.Judge(whole, standing), nil
}

// judgeUnread says what becomes of e as far as that does not hang on where it would
// go; why is the reason for the rest, which NoReason leaves open as ToSend.
func (r *Rules) judgeUnread(e *accesslog.Entry, s Standing, why Reason) Judgement {
	j := Judgement{Then: then(e), Reason: why}
	switch {
	case !e.Failed() && !r.Named.ID && !r.Continue && (!r.Misrouted || why != NoReason):
		return Judgement{}
	case s.State == Delivered:
		j.Class, j.Reason = AlreadyDelivered, NoReason
		return j
	case malformedThen(e):
		j.Reason = MalformedThen
	case safeMethod(e.Request.Method) && !r.Named.ID && !r.Continue && !r.Named.Method:
		j.Reason = SafeMethod
	}
	j.Class = j.Reason.Class()
	return j
}

// unopened is the reason for a payload that Records.Open gave err for.
func unopened(err error) Reason {
	switch {
	case errors.Is(err, accesslog.ErrNoKey):
		return NoKey
	case errors.Is(err, accesslog.ErrNoPayload):
		return NoPayload
	case errors.Is(err, fs.ErrNotExist):
		return Gone
	}
	return Damaged
}
