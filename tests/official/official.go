// SPDX-License-Identifier: Apache-2.0

// Package official is a backup that Alibaba Cloud's own Velero plugin, AliyunContainerService/velero-plugin, has made:
// what it left in the bucket, and its snapshots. Tests put both into a simulated cloud and restore with this plugin, as
// who switches does. testdata/README.md says how it was recorded; the program in record does it again.
package official

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ecs"
)

// What the backup is of, and where.
const (
	// Backup is its name, and Namespace the one namespace in it.
	Backup    = "shop"
	Namespace = "shop"
	// Location is the name of both of its locations.
	Location = "default"
	// Prefix is the location's, in a bucket of any name.
	Prefix = "cluster-1"
	// Region is that of bucket and snapshots.
	Region = "cn-hangzhou"
)

// The files in testdata, and the folder of the bucket's objects.
const (
	SnapshotsFile = "snapshots.json"
	BucketDir     = "bucket"

	cloudFile       = "cloud.yaml"
	applicationFile = "application.yaml"
)

//go:embed testdata
var recorded embed.FS

func read(file string) ([]byte, error) {
	return recorded.ReadFile(path.Join("testdata", file))
}

// BackupLocationConfig is the config of the backup storage location, and SnapshotLocationConfig that of the volume
// snapshot location, as the official plugin had them.
func BackupLocationConfig() map[string]string {
	return map[string]string{"region": Region, "network": "internal"}
}

// SnapshotLocationConfig is described at BackupLocationConfig.
func SnapshotLocationConfig() map[string]string { return map[string]string{"region": Region} }

// Cloud is the simulated cloud in which the backup was made, with the disks that were in it.
func Cloud() (cloudsim.Config, error) {
	data, err := read(cloudFile)
	if err != nil {
		return cloudsim.Config{}, err
	}
	return cloudsim.ParseConfig(data)
}

// Application is the objects that were backed up, as they were created.
func Application() ([]*unstructured.Unstructured, error) {
	data, err := read(applicationFile)
	if err != nil {
		return nil, err
	}
	var objects []*unstructured.Unstructured
	for decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), len(data)); ; {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(object); errors.Is(err, io.EOF) {
			return objects, nil
		} else if err != nil {
			return nil, fmt.Errorf("%s: %w", applicationFile, err)
		}
		objects = append(objects, object)
	}
}

// Snapshots are those of the backup, with what was on their disks. They are of no account.
func Snapshots() ([]ecs.SnapshotConfig, error) {
	data, err := read(SnapshotsFile)
	if err != nil {
		return nil, err
	}
	var snapshots []ecs.SnapshotConfig
	if err := json.Unmarshal(data, &snapshots); err != nil {
		return nil, fmt.Errorf("%s: %w", SnapshotsFile, err)
	}
	return snapshots, nil
}

// Load puts the backup into a simulated cloud that has the account, its bucket and the region: the objects below Prefix,
// and the snapshots with their ids. The disks that were cut are not there.
func Load(cloud *cloudsim.Cloud, account, bucket string) error {
	snapshots, err := Snapshots()
	if err != nil {
		return err
	}
	for _, snapshot := range snapshots {
		snapshot.Account = account
		if _, err := cloud.ECS().AddSnapshot(snapshot); err != nil {
			return fmt.Errorf("loading the snapshots of the official plugin: %w", err)
		}
	}
	root := path.Join("testdata", BucketDir)
	return fs.WalkDir(recorded, root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := recorded.ReadFile(name)
		if err != nil {
			return err
		}
		if err := cloud.OSS().Put(bucket, strings.TrimPrefix(name, root+"/"), data); err != nil {
			return fmt.Errorf("loading the backup of the official plugin: %w", err)
		}
		return nil
	})
}
