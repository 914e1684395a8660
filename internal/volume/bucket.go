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
