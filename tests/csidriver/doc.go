// SPDX-License-Identifier: Apache-2.0

// Package csidriver is a CSI driver for tests. It stands in for the three of Alibaba Cloud, under their names, on a real
// node: disks (diskplugin.csi.alibabacloud.com), NAS (nasplugin…) and OSS (ossplugin…). What a Pod writes is in the disk,
// file system or bucket of the simulated cloud that its volume is, and so in the next snapshot.
//
// One program does what the real drivers and the sidecars beside them do: it registers with the kubelet, mounts volumes,
// provisions the volumes of claims by the rules of tests/provisioner, and makes the snapshots of VolumeSnapshots of disks,
// where a cluster knows VolumeSnapshots. It knows the cloud by HTTP alone. Disks and
// directories are made by the calls that the real drivers make, signed, to the real names of endpoints through the
// simulator's proxy; a region is told by these names. What a real machine does without a call, the simulator's
// admin interface does: attaching a disk and mounting a file system give a directory of the simulator, which is bound
// where the kubelet wants it. So the program must see the simulator's state directory, at the same path.
//
// Install puts it into a cluster, as the privileged DaemonSet that the real one is.
//
// What differs from the real drivers: block volumes have no devices and are refused when they are mounted; volumes are not
// expanded; disks are attached by NodeStageVolume instead of ControllerPublishVolume, for there is no external-attacher,
// and CSIDriver objects say so; a NAS directory is deleted with its volume whatever archiveOnDelete says; CNFS objects are
// names that Options give mount targets; OSS access keys are required and not tried.
package csidriver
