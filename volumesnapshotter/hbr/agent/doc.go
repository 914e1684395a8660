// SPDX-License-Identifier: Apache-2.0

// Package agent keeps the Cloud Backup client in the cluster: it has it run on the nodes
// that jobs need, with the token of this cluster, and chooses these nodes.
//
// The client is a DaemonSet that deploy/hbr-client installs, or the backup center.
package agent
