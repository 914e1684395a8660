// SPDX-License-Identifier: Apache-2.0

// Package objectstore keeps Velero's backups in Alibaba Cloud OSS. Velero hands
// it streams of unknown length and expects that an object is there whole or not
// at all, from a pod with little memory; this package is how.
package objectstore
