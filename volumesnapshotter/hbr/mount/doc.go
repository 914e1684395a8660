// SPDX-License-Identifier: Apache-2.0

// Package mount finds where the files of volumes are on the nodes, and has volumes mounted
// that no Pod mounts: by a Pod, a claim and a PersistentVolume that are there for the time
// of a job of Cloud Backup.
//
// Nothing waits: each call does what can be done now and says what is waited for, by a noun
// phrase that completes "waiting for …"; "" is for nothing. All that is known is in the
// cluster, so that another process can go on at any point.
package mount
