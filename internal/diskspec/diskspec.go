// SPDX-License-Identifier: Apache-2.0

// Package diskspec says what an ECS disk is to be, and what ECS allows it to be.
package diskspec

import (
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// Spec is a disk as CreateDisk makes it.
type Spec struct {
	Type volume.DiskType
	// Zone is empty for a regional disk.
	Zone string
	// SizeGiB is 0 where the size is that of the snapshot.
	SizeGiB   int64
	Encrypted bool
	// KMSKeyID is the key of an encrypted disk; empty means the one that KMS manages for ECS.
	KMSKeyID string
	// ProvisionedIOPS and Bursting are for cloud_auto alone.
	ProvisionedIOPS int64
	Bursting        bool
	// MultiAttach lets several instances attach the disk.
	MultiAttach     bool
	ResourceGroupID string
}

// Claim is a claim in the cluster that was backed up.
type Claim struct {
	Namespace string
	Name      string
	// StorageClass is empty where the claim has none.
	StorageClass string
	// Block says that Pods see its volume as a block device rather than a file system.
	Block bool
}

// Target is what a restore asks of a disk. What is empty or nil is to be as it was.
type Target struct {
	// StorageClass is the class from which the rest was read, for messages.
	StorageClass string
	// Types are the types that the disk may have, the preferred one first.
	Types []volume.DiskType
	// SizeGiB is the least size.
	SizeGiB         int64
	Encrypted       *bool
	KMSKeyID        string
	ProvisionedIOPS *int64
	Bursting        *bool
	MultiAttach     *bool
	ResourceGroupID string
	// Zones are those in which the disk may be, the preferred one first.
	Zones []string
}

// Apply returns the disk that spec becomes in t, without its type and zone, of
// which t may leave a choice.
func (t Target) Apply(spec Spec) Spec {
	spec.SizeGiB = max(spec.SizeGiB, t.SizeGiB)
	if t.Encrypted != nil {
		spec.Encrypted = *t.Encrypted
	}
	if t.KMSKeyID != "" {
		spec.KMSKeyID = t.KMSKeyID
	}
	if t.ProvisionedIOPS != nil {
		spec.ProvisionedIOPS = *t.ProvisionedIOPS
	}
	if t.Bursting != nil {
		spec.Bursting = *t.Bursting
	}
	if t.MultiAttach != nil {
		spec.MultiAttach = *t.MultiAttach
	}
	if t.ResourceGroupID != "" {
		spec.ResourceGroupID = t.ResourceGroupID
	}
	return spec
}
