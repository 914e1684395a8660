// SPDX-License-Identifier: Apache-2.0

// Package selfcopy puts the running binary into a directory. Velero runs a
// plugin's image as an init container without a command and expects that it
// leaves the plugin in the directory that both share (velero plugin add).
package selfcopy

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Copy copies the executable file into the directory, under its own name and
// executable for all. The file appears there whole or not at all, and is read
// again and compared before it does. It returns the path of the copy.
func Copy(executable, directory string) (string, error) {
	target := filepath.Join(directory, filepath.Base(executable))
	source, err := os.Open(executable)
	if err != nil {
		return "", fmt.Errorf("opening the plugin binary: %w", err)
	}
	defer source.Close()

	temporary, err := os.CreateTemp(directory, ".velero-plugin-*")
	if err != nil {
		return "", fmt.Errorf("creating a file in %s, which must be a directory that this user may write to: %w", directory, err)
	}
	defer os.Remove(temporary.Name()) //nolint:errcheck // After the rename it is not there any more.

	sum := sha256.New()
	if err := write(temporary, io.TeeReader(source, sum)); err != nil {
		return "", fmt.Errorf("copying the plugin binary to %s: %w", directory, err)
	}
	if err := verify(temporary.Name(), sum.Sum(nil)); err != nil {
		return "", fmt.Errorf("verifying the copy in %s: %w", directory, err)
	}
	if err := os.Rename(temporary.Name(), target); err != nil {
		return "", fmt.Errorf("moving the plugin binary into place: %w", err)
	}
	return target, nil
}

func write(file *os.File, content io.Reader) error {
	_, err := io.Copy(file, content)
	return errors.Join(err, file.Chmod(0o755), file.Sync(), file.Close())
}

func verify(path string, want []byte) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return err
	}
	if !bytes.Equal(sum.Sum(nil), want) {
		return errors.New("the bytes differ from the original: the volume may be full or broken")
	}
	return nil
}
