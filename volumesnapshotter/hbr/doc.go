// SPDX-License-Identifier: Apache-2.0

// Package hbr is Velero's VolumeSnapshotter for file systems: it backs the files of
// NAS, OSS, CPFS, local, NFS and other CSI volumes up into a vault of Cloud Backup
// (Hybrid Backup Recovery, HBR), and restores them into volumes of their own.
//
// There are two ways. An agentless job of Cloud Backup reads a NAS file system or
// an OSS bucket by itself. Any other volume is read through a node that mounts it,
// by the Cloud Backup client that runs there (deploy/hbr-client).
package hbr
