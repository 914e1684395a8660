// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/tools"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/tools/filelock"
)

const (
	// base is the folder of all clusters of this machine, a folder each. Paths of sockets are below it: it is short.
	base = "/var/lib/velero-test-clusters"
	// stateFile is the file of a cluster's folder that says what there is of it. It is written before anything else is
	// made.
	stateFile = "state.json"
	// machineLock is the lock of what clusters share: the bridge.
	machineLock = "machine"
)

// state is what is known of a cluster that another process has started, or begun to.
type state struct {
	Name   string `json:"name"`
	Index  int    `json:"index"`
	Region string `json:"region"`
	Zone   string `json:"zone"`
	// Ready says that the cluster was ready once. One that was not is of no use.
	Ready bool `json:"ready"`
	// Holder is the process whose namespaces the node's are.
	Holder int `json:"holder"`
}

// errNone says that there is no cluster of a name.
var errNone = errors.New("there is no such cluster")

// readState reads the state of a cluster from its folder.
func readState(dir string) (state, error) {
	content, err := os.ReadFile(filepath.Join(dir, stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return state{}, errNone
	}
	if err != nil {
		return state{}, fmt.Errorf("reading the cluster's state: %w", err)
	}
	var s state
	if err := json.Unmarshal(content, &s); err != nil {
		return state{}, fmt.Errorf("reading the cluster's state in %s: %w", dir, err)
	}
	return s, nil
}

// write writes the state to the cluster's folder, all or nothing.
func (s state) write(dir string) error {
	content, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the cluster's state: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("writing the cluster's state: %w", err)
	}
	file := filepath.Join(dir, stateFile)
	if err := os.WriteFile(file+".part", append(content, '\n'), 0o600); err != nil {
		return fmt.Errorf("writing the cluster's state: %w", err)
	}
	if err := os.Rename(file+".part", file); err != nil {
		return fmt.Errorf("writing the cluster's state: %w", err)
	}
	return nil
}

// acquire takes a lock of this machine's clusters.
func acquire(ctx context.Context, name string) (*filelock.Lock, error) {
	dir, err := tools.CacheDir(os.LookupEnv, "clusters")
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("locking: %w", err)
	}
	return filelock.Acquire(ctx, filepath.Join(dir, name+".lock"), nil)
}
