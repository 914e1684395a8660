// SPDX-License-Identifier: Apache-2.0

// Package writer is the application of end-to-end tests: it writes the chain and the tree of directories, tells over HTTP what
// is safely there, and verifies what there is.
package writer

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/e2e/ledger/chain"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/e2e/ledger/tree"
)

// The directories below that of a volume, which may have others at its root (lost+found).
const (
	// ChainDir has the chain.
	ChainDir = "ledger/chain"
	treeDir  = "ledger/tree"
)

// treeEvery is after how many records the tree changes.
const treeEvery = 8

// Report is what is found in a directory.
type Report struct {
	Directory string `json:"directory"`
	OK        bool   `json:"ok"`
	// Error says what is wrong.
	Error string `json:"error,omitempty"`
	chain.Report
	Tree tree.Report `json:"tree"`
}

// Verify reads what is in a directory, also while it is written. atLeast is the number of a record that has to be there.
func Verify(dir string, atLeast uint64) Report {
	r := Report{Directory: dir}
	err := r.read()
	if err == nil {
		err = errors.Join(r.Err(atLeast), r.Tree.Err())
	}
	if r.OK = err == nil; !r.OK {
		r.Error = err.Error()
	}
	if r.Last < atLeast {
		r.Lost += atLeast - r.Last
	}
	return r
}

func (r *Report) read() error {
	records, err := chain.Verify(filepath.Join(r.Directory, ChainDir))
	if err != nil {
		return err
	}
	r.Report = *records
	files, err := tree.Verify(filepath.Join(r.Directory, treeDir))
	if err != nil {
		return err
	}
	r.Tree = *files
	return nil
}

// Position is how far a directory has been written, and is safely on disk.
type Position struct {
	// Last is the number of the last record. It is 0 before the first, also of one that had records before.
	Last uint64    `json:"last"`
	Time time.Time `json:"time"`
	// Chain is the number of the chain.
	Chain uint64 `json:"chain"`
	// Found is the last record that was there when this process began, and Torn what was torn at its end.
	Found uint64 `json:"found"`
	Torn  uint64 `json:"torn"`
}

// directory is one that is written.
type directory struct {
	path    string
	writer  *chain.Writer
	changes uint64

	mu   sync.Mutex
	done Position
}

// open takes a directory up where it was left. It refuses one in which something is missing: an application does not start on
// half a volume.
func open(path string) (*directory, error) {
	files, err := tree.Verify(filepath.Join(path, treeDir))
	if err == nil {
		err = files.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	w, found, err := chain.Open(filepath.Join(path, ChainDir))
	if err != nil {
		return nil, err
	}
	changes, err := tree.Fill(filepath.Join(path, treeDir), files.Newest)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), w.Close())
	}
	return &directory{path: path, writer: w, changes: changes, done: Position{Found: found.Last, Torn: found.Torn}}, nil
}

// run writes until ctx ends.
func (d *directory) run(ctx context.Context, interval time.Duration) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		if err := d.step(time.Now()); err != nil {
			return fmt.Errorf("%s: %w", d.path, err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// step writes a record, and then and when changes the tree.
func (d *directory) step(now time.Time) error {
	record, err := d.writer.Append(now)
	if err != nil {
		return err
	}
	d.mu.Lock()
	d.done.Last, d.done.Time, d.done.Chain = record.Sequence, record.Time, record.Chain
	d.mu.Unlock()
	if record.Sequence%treeEvery != 0 {
		return nil
	}
	d.changes++
	return tree.Write(filepath.Join(d.path, treeDir), d.changes)
}

func (d *directory) position() Position {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.done
}
