// SPDX-License-Identifier: Apache-2.0

package storageclass

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/diskspec"
)

// sharing is what decides by how many nodes a disk can be mounted at a time.
// Source: github.com/kubernetes-sigs/alibaba-cloud-csi-driver, pkg/disk/utils.go,
// validateCapabilities.
type sharing struct {
	// multiAttach says that several nodes can attach the disk.
	multiAttach bool
	// block says that it is used as a block device. Its file system would not stand two writers.
	block bool
}

func (s sharing) allows(mode corev1.PersistentVolumeAccessMode) bool {
	switch mode {
	case corev1.ReadWriteMany:
		return s.multiAttach && s.block
	case corev1.ReadOnlyMany:
		return s.multiAttach
	default:
		return true
	}
}

// allowsAll tells whether the disk can be mounted in each of the modes.
func (s sharing) allowsAll(modes []corev1.PersistentVolumeAccessMode) bool {
	return !slices.ContainsFunc(modes, func(mode corev1.PersistentVolumeAccessMode) bool { return !s.allows(mode) })
}

// check refuses modes of claim in which the disk cannot be mounted.
func (s sharing) check(claim diskspec.Claim, modes []corev1.PersistentVolumeAccessMode) error {
	if s.allowsAll(modes) {
		return nil
	}
	texts := make([]string, 0, len(modes))
	for _, mode := range modes {
		texts = append(texts, string(mode))
	}
	return fmt.Errorf("accessMode of PVC %s/%s is %s: %w", claim.Namespace, claim.Name, strings.Join(texts, ", "), ErrAccessMode)
}

func isBlock(mode *corev1.PersistentVolumeMode) bool {
	return mode != nil && *mode == corev1.PersistentVolumeBlock
}
