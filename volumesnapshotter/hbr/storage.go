// SPDX-License-Identifier: Apache-2.0

package hbr

import (
	"fmt"
	"net/url"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/volume"
)

// Limits of what a storage may hold, in bytes.
const (
	maxPath     = 4096 // PATH_MAX of Linux.
	maxPrefix   = 1023 // Of an OSS object's key.
	maxNameText = 1024 // Of anything that is a name.
)

// storage is where the files of a volume are, as far as its PersistentVolume tells it and a
// restore needs it. A field is empty where the volume has no such thing.
type storage struct {
	// fileSystem is the id of a NAS or CPFS file system, server the mount target, or
	// another NFS server.
	fileSystem, server string
	// created is when Cloud Backup, which knows file systems by this too, takes fileSystem
	// to have been made: seconds since 1970.
	created string
	// path is a directory of the file system, or of node.
	path string
	// bucket and prefix are of OSS. The prefix of a directory ends in a slash, that of
	// the whole bucket is empty.
	bucket, prefix string
	// node is the one that has the volume.
	node string
	// handle is what the driver knows the volume by, where nothing else tells: a disk's id,
	// or the volume handle of CSI.
	handle string
}

// storageOf returns the storage of pv.
func storageOf(pv *corev1.PersistentVolume) storage {
	if fs, ok := volume.FileSystemOf(pv); ok && fs.Server != "" {
		return storage{fileSystem: fs.ID, server: fs.Server, path: fs.Path}
	}
	if bucket, ok := volume.BucketOf(pv); ok && bucket.Name != "" {
		return storage{bucket: bucket.Name, prefix: prefixOf(bucket.Path)}
	}
	if directory := volume.LocalPath(pv); directory != "" {
		return storage{path: directory, node: volume.OnlyNode(pv)}
	}
	if id := volume.DiskID(pv); id != "" {
		return storage{handle: id}
	}
	if volume.FormOf(pv) == volume.FormCSI {
		return storage{handle: pv.Spec.CSI.VolumeHandle}
	}
	return storage{}
}

// prefixOf returns the prefix of the keys in a directory of a bucket.
func prefixOf(directory string) string {
	trimmed := strings.Trim(directory, "/")
	if trimmed == "" {
		return ""
	}
	return trimmed + "/"
}

// fields are those of the storage by the names that ids have for them.
func (s *storage) fields() map[string]*string {
	return map[string]*string{
		"fileSystem": &s.fileSystem, "server": &s.server, "path": &s.path, "created": &s.created,
		"bucket": &s.bucket, "prefix": &s.prefix, "node": &s.node, "handle": &s.handle,
	}
}

// encode writes what is there as a query, sorted. Slashes stay, for people read ids.
func (s storage) encode() string {
	query := url.Values{}
	for name, value := range s.fields() {
		if *value != "" {
			query.Set(name, *value)
		}
	}
	return readable(query)
}

func readable(query url.Values) string {
	return strings.ReplaceAll(query.Encode(), "%2F", "/")
}

// take moves the storage's fields out of a query.
func (s *storage) take(query url.Values) {
	for name, field := range s.fields() {
		*field = query.Get(name)
		query.Del(name)
	}
}

// check returns an error for what no storage can hold.
func (s storage) check() error {
	limits := map[string]int{"path": maxPath, "prefix": maxPrefix}
	for name, value := range s.fields() {
		limit, ok := limits[name]
		if !ok {
			limit = maxNameText
		}
		if len(*value) > limit {
			return fmt.Errorf("the %s of the volume has %d bytes, allowed are %d", name, len(*value), limit)
		}
	}
	return nil
}
