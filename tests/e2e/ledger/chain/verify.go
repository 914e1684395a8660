// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// segmentSuffix is that of segments; the rest of their name counts them from 1.
const segmentSuffix = ".seg"

// maxProblems is how many a report lists; all are counted.
const maxProblems = 20

// Report is what is found of a chain.
type Report struct {
	// Records counts those that are whole.
	Records uint64 `json:"records"`
	// First and Last are numbers of records, 0 if there is none.
	First    uint64    `json:"first"`
	Last     uint64    `json:"last"`
	LastTime time.Time `json:"lastTime"`
	LastHash Hash      `json:"lastHash"`
	// Chain is the number of the chain.
	Chain uint64 `json:"chain"`
	// Segments counts files.
	Segments int `json:"segments"`
	// Torn counts what should be a record and is none. Lost counts records that are missing before others. Foreign counts
	// records that do not follow from the one before: of another chain, or twice.
	Torn    uint64 `json:"torn"`
	Lost    uint64 `json:"lost"`
	Foreign uint64 `json:"foreign"`
	// Problems say where, the first of them.
	Problems []string `json:"problems,omitempty"`

	// end is where the last whole record ends: in which segment, and at which offset.
	end position
	// tail says that what is torn is at the end and nowhere else.
	tail bool
}

// position is a place in the segments.
type position struct {
	segment int
	offset  int64
}

// Err returns what is wrong, nil if nothing is. atLeast is the number of a record that has to be there.
func (r *Report) Err(atLeast uint64) error {
	var errs []error
	if r.Torn > 0 || r.Lost > 0 || r.Foreign > 0 {
		errs = append(errs, fmt.Errorf("%d torn, %d lost, %d foreign of %d records: %s", r.Torn, r.Lost, r.Foreign, r.Records,
			strings.Join(r.Problems, "; ")))
	}
	if r.Last < atLeast {
		errs = append(errs, fmt.Errorf("%d lost at the end: the last record is %d, and %d was there", atLeast-r.Last, r.Last, atLeast))
	}
	return errors.Join(errs...)
}

// Verify reads the chain of a directory, which may be written meanwhile. One that does not exist has no records. The error is
// that of reading: what is wrong with the records is in the report.
func Verify(dir string) (*Report, error) {
	names, err := segments(dir)
	if err != nil {
		return nil, err
	}
	r := &Report{Segments: len(names), tail: true}
	for i, name := range names {
		if err := r.readSegment(i, filepath.Join(dir, name)); err != nil {
			return nil, fmt.Errorf("verify the chain: %w", err)
		}
	}
	return r, nil
}

// segments returns the names of segments in their order.
func segments(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list segments: %w", err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), segmentSuffix) {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

func (r *Report) readSegment(index int, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	block := make([]byte, Size)
	for offset := int64(0); ; offset += Size {
		n, err := io.ReadFull(file, block)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		record, hash, err := Parse(block[:n])
		if err != nil {
			r.Torn++
			r.problem("%s at %d: %v", filepath.Base(path), offset, err)
			continue
		}
		r.add(record, hash, filepath.Base(path), offset)
		r.end = position{index, offset + Size}
	}
}

// add counts a record.
func (r *Report) add(record Record, hash Hash, name string, offset int64) {
	if r.Torn > 0 {
		r.tail = false
	}
	r.Records++
	if r.Records == 1 {
		r.First, r.Chain = record.Sequence, record.Chain
		if record.Sequence == 1 && record.Previous != (Hash{}) {
			r.foreign("%s at %d: the first record follows another one", name, offset)
		}
	}
	switch expected := r.Last + 1; {
	case record.Chain != r.Chain:
		r.foreign("%s at %d: record %d of the chain %x, not %x", name, offset, record.Sequence, record.Chain, r.Chain)
	case record.Sequence < expected:
		r.foreign("%s at %d: record %d after %d", name, offset, record.Sequence, r.Last)
	case record.Sequence > expected:
		r.Lost += record.Sequence - expected
		r.problem("%s at %d: record %d after %d", name, offset, record.Sequence, r.Last)
	case r.Records > 1 && record.Previous != r.LastHash:
		r.foreign("%s at %d: record %d does not follow from the one before", name, offset, record.Sequence)
	}
	r.Last, r.LastTime, r.LastHash = max(r.Last, record.Sequence), record.Time, hash
}

func (r *Report) foreign(format string, args ...any) {
	r.Foreign++
	r.problem(format, args...)
}

func (r *Report) problem(format string, args ...any) {
	if len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
	}
}

// Entry is a record with its hash.
type Entry struct {
	Record
	Hash Hash
}

// Read returns the records of a directory in their order, to compare them with those of another one. What is none is not
// among them: Verify finds that.
func Read(dir string) ([]Entry, error) {
	names, err := segments(dir)
	if err != nil {
		return nil, err
	}
	var all []Entry
	for _, name := range names {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, fmt.Errorf("read the chain: %w", err)
		}
		for block := range slices.Chunk(content, Size) {
			if record, hash, err := Parse(block); err == nil {
				all = append(all, Entry{record, hash})
			}
		}
	}
	return all, nil
}
