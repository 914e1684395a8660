// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

const (
	// credentialsFileKey is the key below which Velero hands the path of a
	// location's credentials to a plugin.
	credentialsFileKey = "credentialsFile"
	// defaultProviderPrefix is what Velero puts before a provider without a slash.
	defaultProviderPrefix = "velero.io/"
	// credentialsFolder is below os.TempDir(). Its name is always the same, for
	// plugin processes come and go and each would leave one of its own behind.
	credentialsFolder = "velero-plugin-alibabacloud-credentials" //nolint:gosec // the name of a folder, no secret
)

// ErrNoLocation is returned for a Backup that was made without a location of a provider.
var ErrNoLocation = errors.New("no VolumeSnapshotLocation")

// SnapshotLocation is SnapshotLocationOf for the Backup of that name.
func (c *Cluster) SnapshotLocation(ctx context.Context, backup, provider string) (map[string]string, error) {
	found, err := c.Backup(ctx, backup)
	if err != nil {
		return nil, err
	}
	return c.SnapshotLocationOf(ctx, found, provider)
}

// SnapshotLocationOf returns the configuration of the VolumeSnapshotLocation of
// provider that a Backup is made with, as Velero would hand it to a
// VolumeSnapshotter: item actions are handed none. Where the location names a
// Secret, the configuration has the key credentialsFile, a file with its value
// that this process's user alone can read; it is replaced when the Secret changes.
func (c *Cluster) SnapshotLocationOf(ctx context.Context, backup *velerov1.Backup, provider string) (map[string]string, error) {
	location, err := c.locationOf(ctx, backup, provider)
	if err != nil {
		return nil, err
	}
	config := map[string]string{}
	maps.Copy(config, location.Spec.Config)
	if selector := location.Spec.Credential; selector != nil {
		file, err := c.credentialsFile(ctx, selector)
		if err != nil {
			return nil, fmt.Errorf("the credential of the VolumeSnapshotLocation %s: %w", location.Name, err)
		}
		config[credentialsFileKey] = file
	}
	return config, nil
}

// locationOf finds the location of provider among those that the Backup names.
// Velero allows one of each provider. One of another provider may be missing.
func (c *Cluster) locationOf(ctx context.Context, backup *velerov1.Backup, provider string) (*velerov1.VolumeSnapshotLocation, error) {
	var missing error
	for _, name := range backup.Spec.VolumeSnapshotLocations {
		location := &velerov1.VolumeSnapshotLocation{}
		err := c.get(ctx, "VolumeSnapshotLocation", c.namespace, name, location)
		switch {
		case apierrors.IsNotFound(err):
			missing = err
		case err != nil:
			return nil, err
		case qualified(location.Spec.Provider) == qualified(provider):
			return location, nil
		}
	}
	if missing != nil {
		return nil, fmt.Errorf("the Backup %s was made with a location that is not there: %w", backup.Name, missing)
	}
	return nil, fmt.Errorf("%w of the provider %s in the Backup %s", ErrNoLocation, provider, backup.Name)
}

func qualified(provider string) string {
	if strings.Contains(provider, "/") {
		return provider
	}
	return defaultProviderPrefix + provider
}

// credentialsFile writes the value that selector points at to a file and returns its path.
func (c *Cluster) credentialsFile(ctx context.Context, selector *corev1.SecretKeySelector) (string, error) {
	value, err := c.SecretValue(ctx, c.namespace, selector.Name, selector.Key)
	if err != nil {
		return "", err
	}
	root := filepath.Join(os.TempDir(), credentialsFolder)
	if err := makePrivate(root); err != nil {
		return "", fmt.Errorf("making a folder for credentials: %w", err)
	}
	// A folder for each Secret: joined by a character, two names could be one.
	folder := filepath.Join(root, c.namespace, selector.Name)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", fmt.Errorf("making a folder for credentials: %w", err)
	}
	path := filepath.Join(folder, selector.Key)
	if err := replace(path, value); err != nil {
		return "", fmt.Errorf("writing a file of credentials: %w", err)
	}
	return path, nil
}

// makePrivate makes a folder that only this process's user can look into. The
// parent is writable for all: what another user has put there is refused, a link
// as what it is, a folder because only its owner may change its mode.
func makePrivate(folder string) error {
	if err := os.Mkdir(folder, 0o700); err != nil && !os.IsExist(err) {
		return err
	}
	info, err := os.Lstat(folder)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a folder", folder)
	}
	return os.Chmod(folder, 0o700) //nolint:gosec // a folder needs the x bit
}

// replace gives the file the content unless it has it. Other plugin processes may
// read and replace it at the same time: they see the old content or the new one.
func replace(path string, content []byte) error {
	if present, err := os.ReadFile(path); err == nil && bytes.Equal(present, content) {
		return nil
	}
	// CreateTemp makes files with the mode 0600.
	temporary, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name()) //nolint:errcheck // after the rename there is none
	if _, err := temporary.Write(content); err != nil {
		temporary.Close()
		return err
	}
	if err := temporary.Close(); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}
