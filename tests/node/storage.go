// SPDX-License-Identifier: Apache-2.0

package node

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/nas"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/ossfs"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/cloudsim/tree"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/provisioner"
)

// The drivers of the cloud's storage. Those of FlexVolume are the older ones.
const (
	diskDriver     = provisioner.DiskDriver
	nasDriver      = provisioner.NASDriver
	ossDriver      = provisioner.OSSDriver
	flexDiskDriver = "alicloud/disk"
	flexNASDriver  = "alicloud/nas"
	flexOSSDriver  = "alicloud/oss"
)

// storage is where the content of volumes is.
type storage struct {
	cloud       *cloudsim.Cloud
	account     string
	fileSystems map[string]string
	// dir has the volumes that are not of the cloud.
	dir string
	// buckets are the directories of OSS volumes.
	buckets *ossfs.Mounts
}

// open returns the files of a volume.
func (s *storage) open(pv *corev1.PersistentVolume) (Content, error) {
	source := &pv.Spec.PersistentVolumeSource
	if id := diskID(pv); id != "" {
		dir, err := s.cloud.ECS().DiskDir(id)
		return Content{Dir: dir}, err
	}
	switch {
	case source.NFS != nil:
		return s.openExport(source.NFS.Server, source.NFS.Path)
	case source.CSI != nil && source.CSI.Driver == ossDriver:
		return s.openBucket(source.CSI.VolumeAttributes)
	case source.FlexVolume != nil && source.FlexVolume.Driver == flexOSSDriver:
		return s.openBucket(source.FlexVolume.Options)
	case source.FlexVolume != nil && source.FlexVolume.Driver == flexNASDriver:
		return s.openFileSystem(source.FlexVolume.Options)
	case source.CSI != nil && len(s.attributesOfNAS(source.CSI)) > 0:
		return s.openFileSystem(s.attributesOfNAS(source.CSI))
	case source.CSI != nil:
		return s.openOther(source.CSI)
	default:
		return Content{}, errors.New("the plug-in is not simulated")
	}
}

// diskID returns the id of the disk that a volume is, "" for one that is none.
func diskID(pv *corev1.PersistentVolume) string {
	switch {
	case pv.Spec.CSI != nil && pv.Spec.CSI.Driver == diskDriver:
		return pv.Spec.CSI.VolumeHandle
	case pv.Spec.FlexVolume != nil && pv.Spec.FlexVolume.Driver == flexDiskDriver:
		options := pv.Spec.FlexVolume.Options
		return cmp.Or(options["volumeId"], options["VolumeId"], pv.Name)
	default:
		return ""
	}
}

// attributesOfNAS returns the server and the path of a volume of NAS or CPFS, nil for other drivers.
func (s *storage) attributesOfNAS(source *corev1.CSIPersistentVolumeSource) map[string]string {
	attributes := source.VolumeAttributes
	target := cmp.Or(attributes["vpcMountTarget"], attributes["vscMountTarget"])
	switch {
	case target != "": // CPFS for Lingjun
		return map[string]string{"server": target, "path": attributes["path"]}
	case attributes["server"] != "" && s.serves(attributes["server"]):
		return attributes
	case attributes["containerNetworkFileSystem"] != "":
		server := s.fileSystems[attributes["containerNetworkFileSystem"]]
		return map[string]string{"server": server, "path": attributes["path"]}
	case source.Driver == nasDriver:
		return attributes
	default:
		return nil
	}
}

// find returns the file system of a mount target.
func (s *storage) find(server string) (nas.FileSystem, bool) {
	all := s.cloud.NAS().FileSystems()
	at := slices.IndexFunc(all, func(f nas.FileSystem) bool { return slices.Contains(f.MountTargets, server) })
	if at < 0 {
		return nas.FileSystem{}, false
	}
	return all[at], true
}

func (s *storage) serves(server string) bool {
	host, _, _ := strings.Cut(server, ":")
	_, ok := s.find(host)
	return ok
}

// openFileSystem returns a directory of NAS or CPFS. The drivers make it where it does not exist.
func (s *storage) openFileSystem(attributes map[string]string) (Content, error) {
	server, export, _ := strings.Cut(attributes["server"], ":")
	dir, err := s.cloud.NAS().Mount(server, path.Join(export, attributes["path"]))
	return Content{Dir: dir}, err
}

// openBucket returns the directory of an OSS volume with what is in the bucket now.
func (s *storage) openBucket(attributes map[string]string) (Content, error) {
	b, err := s.buckets.Open(attributes["bucket"], attributes["path"])
	if err != nil {
		return Content{}, err
	}
	return Content{Dir: b.Path(), Sync: b.Sync}, nil
}

// openExport returns a directory that is mounted by NFS, which makes none in NAS. What another server exports is there.
func (s *storage) openExport(server, name string) (Content, error) {
	f, ok := s.find(server)
	if !ok {
		dir, err := s.makeDir("nfs", server, filepath.FromSlash(path.Join("/", name)))
		return Content{Dir: dir}, err
	}
	dir, err := tree.NewMachine(f.Dir).Resolve(name)
	if err != nil {
		return Content{}, fmt.Errorf("mount.nfs: mounting %s:%s failed, reason given by server: %w", server, name, err)
	}
	return Content{Dir: dir}, nil
}

// openOther returns the volume of a driver that is not of the cloud.
func (s *storage) openOther(source *corev1.CSIPersistentVolumeSource) (Content, error) {
	dir, err := s.makeDir("csi", source.Driver, url.PathEscape(source.VolumeHandle))
	return Content{Dir: dir}, err
}

func (s *storage) makeDir(parts ...string) (string, error) {
	dir := filepath.Join(append([]string{s.dir}, parts...)...)
	return dir, os.MkdirAll(dir, 0o755)
}
