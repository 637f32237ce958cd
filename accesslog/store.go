package accesslog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"filippo.io/age"
	"github.com/rs/zerolog"

	"github.com/holdfast-edge/holdfast/internal/durable"
)

// ErrClosed is returned for what is asked of a closed store.
var ErrClosed = errors.New("the record store is closed")

// ErrInUse says that another process has the data directory. OpenStore returns
// it as a pointer:
//
//	var inUse *accesslog.ErrInUse
//	if errors.As(err, &inUse) { … inUse.PID … }
type ErrInUse struct {
	Dir string
	PID int // 0 if it cannot be told
}

// Error names the directory and the process.
func (e *ErrInUse) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("the data directory %s is in use by another process", e.Dir)
	}
	return fmt.Sprintf("the data directory %s is in use by process %d", e.Dir, e.PID)
}

// StoreOptions says how to open a store. The zero value will do.
type StoreOptions struct {
	// Log takes what happens in the background: repairs at start, a failing
	// disk, dropped lines.
	Log zerolog.Logger
	// Now is the clock for the names of days; time.Now if nil.
	Now func() time.Time
	// MaxSegment is the size in bytes at which a file is finished; 64 MiB if 0.
	MaxSegment int64
	// MaxBuffered is how many bytes of access lines wait in memory for a disk
	// that does not keep up before lines are dropped and counted; 16 MiB if 0.
	MaxBuffered int64

	disk   disk                                 // for tests that make it fail
	sealed func(segment string, ordinal uint64) // sees every nonce, for tests
}

// Stats counts what a store did since it was opened.
type Stats struct {
	Lines        uint64 // access lines taken
	LinesDropped uint64 // access lines lost because the disk did not keep up
	LineFailures uint64 // failed writes or syncs of access lines, retried
	LinesWaiting int64  // bytes of access lines not yet known to be durable

	Records       uint64 // captured records made durable
	RecordBatches uint64 // writes it took: one fdatasync each
	RecordsFailed uint64 // Commits that returned an error
}

// Store is the one writer of a data directory. Its methods are safe for
// concurrent use.
type Store struct {
	dir        string
	epoch      uint32
	now        func() time.Time
	disk       disk
	recipients []*age.X25519Recipient
	lock       *durable.Lock
	log        zerolog.Logger

	committer *committer
	appender  *appender
	drops     *complaints
	troubles  []*complaints // all there are

	blobDays *dayDirs
	blobs    atomic.Uint64 // number of the last spill
	buffers  *buffers
	captures sync.Pool
	ids      *IDs
	closed   atomic.Bool
}

// OpenStore takes the lock of the data directory dir, which it makes if need be,
// makes a key pair at first start, repairs what an earlier process left
// unfinished, and starts a new epoch. The error is an *ErrInUse if another
// process has the directory.
func OpenStore(dir string, o StoreOptions) (_ *Store, err error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.disk == nil {
		o.disk = osDisk{}
	}
	if o.MaxSegment <= 0 {
		o.MaxSegment = defaultSegment
	}
	if o.MaxBuffered <= 0 {
		o.MaxBuffered = defaultMaxBuffered
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	if err := prepareDir(dir, o.Log, durable.SyncDir); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	lock, err := durable.TryLock(filepath.Join(dir, "lock"))
	if err != nil {
		if held := (*durable.LockedError)(nil); errors.As(err, &held) {
			return nil, &ErrInUse{Dir: dir, PID: held.PID}
		}
		return nil, fmt.Errorf("data directory: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, lock.Unlock())
		}
	}()
	if err := prepareRooms(dir); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	if err := warnOfNewKeys(dir, o.Log); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	recipients, err := loadRecipients(KeysDir(dir))
	if err != nil {
		return nil, err
	}
	state, err := startEpoch(dir, o.Log)
	if err != nil {
		return nil, err
	}
	epoch := state.Epoch
	s := &Store{
		dir: dir, epoch: epoch, now: o.Now, disk: o.disk, recipients: recipients, lock: lock, log: o.Log,
		buffers: newBuffers(), ids: newIDs(o.Now(), state.tag()),
		drops: newComplaints(o.Log, "access lines were dropped: the disk does not keep up"),
	}
	days := func(room string) *dayDirs { return &dayDirs{disk: o.disk, root: filepath.Join(dir, room)} }
	s.blobDays = days(filepath.Join(classCaptured, blobsName))
	s.captures.New = func() any { return &Capture{store: s} }
	captured := &series{
		disk: o.disk, days: days(classCaptured), class: classCaptured, epoch: epoch,
		maxSize: o.MaxSegment, now: o.Now, recipients: recipients, sealed: o.sealed,
	}
	failing := newComplaints(o.Log, "writing a captured record failed; trying a new file")
	s.committer = newCommitter(captured, failing.add)
	access := &series{
		disk: o.disk, days: days(classAccess), class: classAccess, epoch: epoch,
		maxSize: o.MaxSegment, now: o.Now,
	}
	stalled := newComplaints(o.Log, "writing access lines failed; trying a new file")
	s.appender = newAppender(access, o.MaxBuffered, stalled.add)
	s.troubles = []*complaints{s.drops, failing, stalled}
	return s, nil
}

// prepareDir makes the data directory. One that exists is left as it is, since
// it may be shared on purpose; what matters is below it. Its name is synced even
// then: the process that made it may have died before it had done so.
func prepareDir(dir string, log zerolog.Logger, syncDir func(string) error) error {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return durable.MkdirAll(dir)
	}
	if err != nil {
		return err
	}
	if info.IsDir() && info.Mode().Perm()&0o077 != 0 {
		log.Warn().Str("dir", dir).Stringer("mode", info.Mode().Perm()).
			Msg("others can list the data directory; chmod 700 would keep them out (its contents are the owner's only)")
	}
	if err := durable.MkdirAll(dir); err != nil {
		return err
	}
	err = syncDir(filepath.Dir(dir))
	// Who may not open the directory above did not make this one.
	if errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EROFS) {
		return nil
	}
	return err
}

// prepareRooms makes the directories below and takes away what others may do
// there.
func prepareRooms(dir string) error {
	for _, name := range []string{
		classAccess, classCaptured, filepath.Join(classCaptured, blobsName), "keys", quarantineName, ledgerName,
	} {
		room := filepath.Join(dir, name)
		if err := durable.MkdirAll(room); err != nil {
			return err
		}
		info, err := os.Stat(room)
		if err != nil {
			return err
		}
		if info.Mode().Perm() != 0o700 {
			if err := os.Chmod(room, 0o700); err != nil {
				return err
			}
		}
	}
	// One that was there may have been made by a process that died before it
	// had synced the name.
	return errors.Join(durable.SyncDir(filepath.Join(dir, classCaptured)), durable.SyncDir(dir))
}

// warnOfNewKeys says so if a new pair of keys is about to be made beside records
// that are sealed to another one: the public key was meant to stay.
func warnOfNewKeys(dir string, log zerolog.Logger) error {
	for _, pattern := range []string{"*.pub", privateKeyFile} {
		if list, err := filepath.Glob(filepath.Join(globEscape(KeysDir(dir)), pattern)); err != nil || len(list) > 0 {
			return err
		}
	}
	sealed, err := listSegments(dir, classCaptured, "")
	if err != nil || len(sealed) == 0 {
		return err
	}
	log.Error().Str("dir", KeysDir(dir)).Int("files", len(sealed)).
		Msg("both keys are gone, and there are records sealed to them; a new pair is made for what comes: " +
			"keep the old private key, only it opens the old records, and put record.pub back if it was moved by mistake")
	return nil
}

// startEpoch hands out the epoch and repairs what those before left.
func startEpoch(dir string, log zerolog.Logger) (epochState, error) {
	var files []segmentFile
	for _, class := range []string{classAccess, classCaptured} {
		list, err := listSegments(dir, class, "")
		if err != nil {
			return epochState{}, err
		}
		files = append(files, list...)
	}
	state, err := nextEpoch(dir, files)
	if err != nil {
		return state, err
	}
	found, err := recoverFiles(dir, files, state.Recovered, durable.Datasync)
	if found.Torn > 0 || found.Orphans > 0 {
		log.Warn().Int("files", found.Torn).Int64("bytes", found.Bytes).Int("bodies", found.Orphans).
			Msg("an earlier process ended in the middle of writing; the unfinished ends are in quarantine")
	}
	if err != nil {
		// Readers skip what they cannot read; the next start tries again.
		log.Error().Err(err).Msg("not everything an earlier process left could be repaired")
		return state, nil
	}
	state.Recovered = state.Epoch - 1
	return state, writeEpoch(dir, state)
}

func (s *Store) blobDir() string { return filepath.Join(s.dir, classCaptured, blobsName) }

// NewIDs returns the generator of ids of this store, the same at every call. Its
// ids carry a tag that is drawn anew, by chance, whenever the directory is opened
// and is none of the last 64 of the directory: so no id of this directory comes
// twice, whatever the clock does. Two edges with a directory each draw the same
// tag with odds of one in 1,048,576 (2^20); docs/format/access.md says what
// follows from that.
func (s *Store) NewIDs() *IDs { return s.ids }

// Commit makes a captured record durable. Once it returns nil the record, and
// the blob it names, survive a kill and a power cut. Calls that wait at the same
// time share one write and one fdatasync. If it returns an error, that wraps
// ErrNotDurable; the next call starts afresh. A record without an id is refused.
func (s *Store) Commit(r *Record) error {
	if r.ID.IsZero() {
		return fmt.Errorf("%w: it has no id", ErrNotDurable)
	}
	return s.committer.commit(r)
}

// Append takes the access line of a finished exchange. It is written within 100
// ms and synced within a second if the disk keeps up. Append never waits for the
// disk and allocates nothing; if too much waits already the line is dropped, and
// that is counted and said in the log. After Close, and without an id, it drops.
func (s *Store) Append(r *Record) {
	if !s.appender.append(r) && s.drops.due() {
		s.drops.add(fmt.Errorf("%d lines dropped so far", s.appender.dropped.Load()))
	}
}

// NewCapture returns an empty Capture that keeps at most limit bytes.
func (s *Store) NewCapture(limit int64) *Capture {
	c := s.captures.Get().(*Capture)
	c.limit = max(limit, 0)
	return c
}

// Stats returns the counts so far.
func (s *Store) Stats() Stats {
	return Stats{
		Lines:         s.appender.lines.Load(),
		LinesDropped:  s.appender.dropped.Load(),
		LineFailures:  s.appender.failures.Load(),
		LinesWaiting:  s.appender.waiting(),
		Records:       s.committer.records.Load(),
		RecordBatches: s.committer.batches.Load(),
		RecordsFailed: s.committer.failed.Load(),
	}
}

// Close writes and syncs what is waiting, finishes the files and lets go of the
// lock. Captures may still be released after it. A second call does nothing.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	err := errors.Join(s.committer.close(), s.appender.close(), s.lock.Unlock())
	for _, c := range s.troubles {
		c.flush(complainPatience)
	}
	return err
}
