// SPDX-License-Identifier: Apache-2.0

// Package provisioner is what the CSI drivers of Alibaba Cloud do with claims: which volumes they make, in what form,
// which they refuse, and what becomes of the storage when a claim has gone; and the form of their VolumeSnapshotContents,
// with the definitions of VolumeSnapshots.
// The simulated cluster of tests/node and the driver of tests/csidriver, in a real one, have it in common; they reach the
// cloud in different ways.
//
// The rules are those of the driver's source (kubernetes-sigs/alibaba-cloud-csi-driver, pkg/disk/controllerserver.go and
// pkg/nas/subpath_controller.go).
package provisioner
