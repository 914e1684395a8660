// SPDX-License-Identifier: Apache-2.0

package csidriver_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/csidriver"
)

func TestTheKernelMounts(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root: only root mounts")
	}
	source, target := t.TempDir(), filepath.Join(t.TempDir(), `a "b" \c`)
	if err := os.Mkdir(target, 0o755); err != nil {
		t.Fatal(err)
	}
	k := csidriver.Kernel{}
	for _, readOnly := range []bool{false, true} {
		err := errors.Join(k.Bind(source, target, readOnly), k.Bind(source, target, readOnly))
		if errors.Is(err, syscall.EPERM) {
			t.Skip("needs CAP_SYS_ADMIN, which root lacks here")
		}
		if err != nil {
			t.Fatal(err)
		}
		err = os.WriteFile(filepath.Join(target, "file"), []byte("x"), 0o600)
		if errors.Is(err, syscall.EROFS) != readOnly {
			t.Errorf("writing to a mount that is read-only: %t: %v", readOnly, err)
		}
		if _, err := os.Stat(filepath.Join(source, "file")); err != nil {
			t.Error(err)
		}
		if err := errors.Join(k.Unbind(target), k.Unbind(target), k.Unbind(target+"/none")); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(target, "file")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the file is there without the mount: %v", err)
		}
	}
}
