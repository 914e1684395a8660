// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// perSegment is how many records a segment has when it is full: 512 KiB.
const perSegment = 1024

// lockFile is locked by who writes.
const lockFile = "lock"

// Writer appends to the chain of a directory. It is not safe for concurrent use.
type Writer struct {
	dir  string
	last *Report
	// segment is the file that records are appended to, at offset; nil before the first one of this writer.
	segment *os.File
	index   int
	offset  int64
	lock    *os.File
}

// Open continues the chain of a directory, or begins one. Of what is torn at the end, as after a crash, nothing stays; the
// report says how much that was. The error says what else is wrong: such a chain is not continued, so that nobody takes it
// for whole, and none that another process writes. The caller must Close the writer.
func Open(dir string) (*Writer, *Report, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, nil, fmt.Errorf("open the chain: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return nil, nil, fmt.Errorf("open the chain: %w", err)
	}
	w := &Writer{dir: dir, lock: lock}
	report, err := w.open()
	if err != nil {
		return nil, report, errors.Join(fmt.Errorf("open the chain in %s: %w", dir, err), lock.Close())
	}
	return w, report, nil
}

func (w *Writer) open() (*Report, error) {
	if err := syscall.Flock(int(w.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, fmt.Errorf("another process writes it: %w", err)
	}
	report, err := Verify(w.dir)
	if err != nil {
		return nil, err
	}
	if report.Lost > 0 || report.Foreign > 0 || report.Torn > 0 && !report.tail {
		return report, report.Err(0)
	}
	if err := w.truncate(report); err != nil {
		return report, err
	}
	last := *report
	w.last = &last
	if last.Records == 0 {
		w.last.Chain = rand.Uint64()
	}
	return report, nil
}

// truncate removes what is after the last whole record, and opens the segment that it is in.
func (w *Writer) truncate(report *Report) error {
	names, err := segments(w.dir)
	if err != nil || len(names) == 0 {
		return err
	}
	for _, name := range names[report.end.segment+1:] {
		if err := os.Remove(filepath.Join(w.dir, name)); err != nil {
			return err
		}
	}
	w.index, w.offset = report.end.segment+1, report.end.offset
	if w.segment, err = os.OpenFile(w.path(), os.O_RDWR, 0); err != nil {
		return err
	}
	if err := w.segment.Truncate(w.offset); err != nil {
		return err
	}
	return w.segment.Sync()
}

func (w *Writer) path() string {
	return filepath.Join(w.dir, fmt.Sprintf("%08d%s", w.index, segmentSuffix))
}

// Append writes the next record and returns it once it is on disk.
func (w *Writer) Append(now time.Time) (Record, error) {
	if w.segment == nil || w.offset >= perSegment*Size {
		if err := w.begin(); err != nil {
			return Record{}, fmt.Errorf("begin a segment: %w", err)
		}
	}
	record := Record{Sequence: w.last.Last + 1, Time: now.UTC(), Chain: w.last.Chain, Previous: w.last.LastHash}
	block, hash := record.Encode()
	if _, err := w.segment.WriteAt(block, w.offset); err != nil {
		return Record{}, fmt.Errorf("write record %d: %w", record.Sequence, err)
	}
	if err := w.segment.Sync(); err != nil {
		return Record{}, fmt.Errorf("write record %d: %w", record.Sequence, err)
	}
	w.offset += Size
	w.last.Last, w.last.LastHash = record.Sequence, hash
	return record, nil
}

// begin makes the next segment.
func (w *Writer) begin() error {
	if w.segment != nil {
		if err := w.segment.Close(); err != nil {
			return err
		}
	}
	w.index++
	w.offset = 0
	var err error
	if w.segment, err = os.OpenFile(w.path(), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o640); err != nil {
		return err
	}
	return syncDir(w.dir)
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Close lets others write.
func (w *Writer) Close() error {
	var err error
	if w.segment != nil {
		err = w.segment.Close()
	}
	return errors.Join(err, w.lock.Close())
}
