// SPDX-License-Identifier: Apache-2.0

package volume

import (
	corev1 "k8s.io/api/core/v1"
)

// Bucket is the part of an OSS bucket that a PersistentVolume mounts. A field is
// empty where the volume does not say.
type Bucket struct {
	Name string
	// Path is the directory in the bucket, clean; "/" is the whole bucket.
	Path string
	// URL is the endpoint, with or without a scheme.
	URL string
	// CNFS is the name of the ContainerNetworkFileSystem that describes the bucket
	// in the cluster.
	CNFS string
}

// BucketOf returns what pv mounts, and whether it is OSS at all.
func BucketOf(pv *corev1.PersistentVolume) (Bucket, bool) {
	if KindOf(pv) != KindOSS {
		return Bucket{}, false
	}
	params := parameters(pv)
	return Bucket{
		Name: Parameter(params, "bucket"),
		Path: directory(Parameter(params, "path")),
		URL:  Parameter(params, "url"),
		CNFS: Parameter(params, "containerNetworkFileSystem"),
	}, true
}

// SetBucket returns pv as the volume of a directory in a bucket of the same region. If pv
// is no volume of OSS, or the name is empty, it returns pv as it is.
//
// Where the bucket changes, the CNFS that describes it is left out. All else stays, mount
// options and the Secret among it.
//
// The result shares nothing with pv, which is not modified.
func SetBucket(pv *corev1.PersistentVolume, name, path string) *corev1.PersistentVolume {
	restored := pv.DeepCopy()
	had, ok := BucketOf(pv)
	if !ok || name == "" {
		return restored
	}
	params := ensureParameters(restored)
	if had.Name != name {
		dropParameter(params, "containerNetworkFileSystem")
	}
	setParameter(params, "bucket", name)
	setParameter(params, "path", directory(path))
	return restored
}
